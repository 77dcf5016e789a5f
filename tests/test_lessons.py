"""Lessons: what each kind holds, that labels move with the pictures, and that what is taught is learnt."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from embodied.data.schedule import TIMES
from embodied.data.snapshots import DEPTH_M, Record
from embodied.listing import CARRIED
from embodied.model.lessons import Lesson, Teacher, ask_job, ask_move, ask_part, ask_plan, cells_of, shifted
from embodied.model.losses import losses, total
from embodied.model.network import EmbodiedModel
from embodied.model.packing import Batch, collate
from embodied.model.tokens import EOS
from embodied.plan import COLOURS
from tests.test_model import made

ITEMS = ["red block", "blue bowl"]
STATES = {"arm": np.zeros((8, 6), np.float32)}
RNG = np.random.default_rng
GOAL, JOB = "put the red block in the blue bowl", "put red block in blue bowl"
STEPS = ["pick red block <x038><y051>", "put red block in blue bowl <x089><y076>"]


@pytest.fixture(scope="module")
def model() -> EmbodiedModel:
    return made()


def record() -> tuple[Record, dict[str, np.ndarray]]:
    """A block and a bowl, and noise for a picture of them."""
    rng = RNG(1)
    arrays = {
        "front": rng.integers(0, 256, (96, 160, 3), dtype=np.uint8),
        "wrist": rng.integers(0, 256, (96, 96, 3), dtype=np.uint8),
        "front_depth": rng.integers(5000, 15000, (96, 160), dtype=np.uint16),
        "wrist_depth": rng.integers(5000, 15000, (96, 96), dtype=np.uint16),
        "front_seg": rng.integers(0, 2, (96, 160)).astype(np.uint8),
        "wrist_seg": np.full((96, 96), 255, np.uint8),
    }
    points = {"red block": [0.3, 0.4], "blue bowl": [0.7, 0.6]}
    checks = [("pick red block", False)]
    return Record("place-in-bowl", [GOAL], [JOB], [[]], "", checks, ITEMS, points, plans=[(JOB, STEPS)]), arrays


def packed(model: EmbodiedModel, lessons: list[Lesson]) -> Batch:
    prefixes = (prompt.ids(model.words) for prompt in (model.prompt(), model.motion_prompt()))
    return collate(lessons, *prefixes, model.words, model.grid())


def told(model: EmbodiedModel, lesson: Lesson) -> dict[str, str]:
    """Question -> answer, as text without spaces in locations."""
    pairs = ((model.words.decode(prompt), answer) for prompt, answer in lesson.segments)
    return {asked: model.words.decode(answer[:-1]).replace("> <", "><") for asked, answer in pairs}


def motions(model: EmbodiedModel) -> Batch:
    """Eight chunks of noise for eight places to go to."""
    states = [STATES | {"objects": x} for x in RNG(2).normal(size=(8, 3, 11)).astype(np.float32)]
    target = RNG(3).normal(size=(8, 16, 6)).astype(np.float32)
    step = [(model.words.encode(ask_move("pick red block")), [])]
    valid = np.ones(16, np.float32)
    return packed(model, [Lesson({}, s, step, chunk=c, valid=valid) for s, c in zip(states, target, strict=True)])


def learnt(model: EmbodiedModel, batches: list[Batch], steps: int) -> dict[str, float]:
    """What is left of each loss after so many steps, a share."""
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)

    def parts() -> dict[str, torch.Tensor]:
        return {name: value for batch in batches for name, value in losses(model, batch).items()}

    @torch.no_grad()
    def figures() -> dict[str, float]:
        torch.manual_seed(0)  # the same noise before and after
        return {name: float(value) for name, value in parts().items()}

    first = figures()
    for _ in range(steps):
        optimizer.zero_grad()
        total(parts()).backward()
        optimizer.step()
    return {name: value / first[name] for name, value in figures().items()}


def test_eight_samples_are_learnt_by_heart_and_all_that_can_learn_does() -> None:
    model, (example, arrays) = made().train(), record()
    teacher, rng = Teacher(model.words), RNG(0)
    scenes = [teacher.lesson(example, arrays, STATES, rng, augment=False) for _ in range(8)]
    finding = [teacher.lesson(example, arrays, STATES, rng, augment=False, kind="finding")]
    left = learnt(model, [packed(model, scenes), packed(model, finding)], 50)
    for name, share in (("text", 0.1), ("place", 0.3), ("centre", 0.5), ("found kind", 0.5)):
        assert left[name] < share, name
    total(losses(model, motions(model))).backward()
    lack = [n for n, p in model.named_parameters() if p.grad is None and "own.wrist" not in n]  # nothing hangs there
    assert not lack, lack


@pytest.mark.parametrize(("head", "share"), [("flow", 0.9), ("bins", 0.9)])
def test_eight_motions_are_learnt_by_heart(head: str, share: float) -> None:
    model = made(head).train()
    assert learnt(model, [motions(model)], 90)["motion"] < share


def test_a_lesson_in_words_has_the_listing_for_a_picture(model: EmbodiedModel) -> None:
    example, _ = record()
    batch = packed(model, [Teacher(model.words).lesson(example, {}, {}, RNG(0), kind="words")])
    prefix = batch.ids[0][batch.segment[0] == 0].tolist()
    assert model.words.decode(prefix).startswith("<bos> <ask> things red block <x")
    assert (batch.target[0][batch.segment[0] == 0] == -100).all()  # given, not asked for
    assert not batch.images and {"text", "place"} == set(losses(model, batch))


def test_a_lesson_in_seeing_alone_does_not_wake_the_language_model(model: EmbodiedModel) -> None:
    example, arrays = record()
    lesson = Teacher(model.words).lesson(example, arrays, STATES, RNG(0), kind="sight")
    parts = losses(model, packed(model, [lesson]))
    assert set(parts) == {"colour", "kind", "naming"}
    model.zero_grad()
    total(parts).backward()
    assert model.backbone.layers[0].self_attn.q_proj.weight.grad is None
    assert model.encoders["front"].merge.weight.grad is not None
    model.zero_grad()


def test_a_lesson_in_finding_wakes_the_finder_alone(model: EmbodiedModel) -> None:
    example, arrays = record()
    lesson = Teacher(model.words).lesson(example, arrays, STATES, RNG(0), kind="finding")
    batch = packed(model, [lesson])
    parts = losses(model, batch)
    assert set(parts) == {"centre", "offset", "found colour", "found kind", "found carried"}
    model.zero_grad()
    total(parts).backward()
    awake = {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None}
    assert awake == {"finder"}
    blind = losses(model, replace(batch, depth={}))  # without depth it is another picture
    assert (blind["centre"] - parts["centre"]).abs() > 1e-6
    model.zero_grad()


def test_every_kind_of_lesson_has_a_price(model: EmbodiedModel) -> None:
    example, arrays = record()
    for kind in TIMES:
        lesson = Teacher(model.words).lesson(example, arrays, STATES, RNG(0), kind=kind)
        assert bool(lesson.images) == (kind != "words")
        assert bool(lesson.marks) == bool(lesson.depth) == (kind == "finding")
        assert bool(lesson.segments) == (kind in ("scenes", "words"))


def test_a_sentence_is_told_apart_one_part_and_one_job_at_a_time(model: EmbodiedModel) -> None:
    first, second = "put the red block in the blue bowl", "pick up the red block"
    example, words = record()[0], model.words
    goal, strange = f"{first}, then {second}", "juggle the red block, then kick it"
    others = [[strange, ["juggle the red block", "kick it"], []]]  # of which nobody knows what they come to
    example = replace(
        example, goals=[goal], jobs=[JOB, "pick red block"], parts=[[first, second]], plans=[], others=others
    )
    asked: dict[str, set[str]] = {}
    for seed in range(60):
        lesson = Teacher(words).lesson(example, {}, {}, RNG(seed), kind="words")
        for question, answer in told(model, lesson).items():
            asked.setdefault(question, set()).add(answer)

    def answers(question: str) -> set[str]:
        return asked[words.decode(words.encode(question))]

    assert answers(ask_part(goal)) == {first} and answers(ask_part(goal, first)) == {second}
    assert answers(ask_part(goal, second)) == {""} == answers(ask_job(goal, "pick red block"))
    assert answers(ask_job(goal)) == {JOB} and answers(ask_job(goal, JOB)) == {"pick red block"}
    assert answers(ask_job(first)) == {JOB} and answers(ask_job(second)) == {"pick red block"}
    assert answers(ask_part(strange)) == {"juggle the red block"} and len(asked) == 8 + 3 + 1  # a verdict


def test_refusals_and_jobs_that_are_done_have_answers(model: EmbodiedModel) -> None:
    example, _ = record()
    for refusal, said in (("unclear", "<unclear>"), ("green brick", "<absent> green brick")):
        refused = replace(example, refusal=refusal, jobs=[], parts=[], plans=[])
        lesson = Teacher(model.words).lesson(refused, {}, {}, RNG(0), kind="words")
        assert told(model, lesson)[model.words.decode(model.words.encode(ask_job(GOAL)))] == said
    done = replace(example, plans=[(JOB, [])])
    lesson = Teacher(model.words).lesson(done, {}, {}, RNG(0), kind="words")
    answers = {model.words.decode(prompt): answer for prompt, answer in lesson.segments}
    assert answers[model.words.decode(model.words.encode(ask_plan(JOB)))] == [model.words[EOS]]


def test_a_plan_moves_with_the_picture(model: EmbodiedModel) -> None:
    example, arrays = record()
    teacher = Teacher(model.words)
    for seed in range(6):
        lesson = teacher.lesson(example, arrays, STATES, RNG(seed))
        scene = model.words.decode(lesson.scene[1][:-1]).replace("> <", "><")
        listed = dict(line.rsplit(" ", 1) for line in scene.split("\n"))
        plan = told(model, lesson)[model.words.decode(model.words.encode(ask_plan(JOB)))]
        ends = [line.rsplit(" ", 1)[1] for line in plan.split("\n")]
        for end, name in zip(ends, ("red block", "blue bowl"), strict=True):  # bins of bins: one off at most
            bins = [[int(part.strip("<>xy")) for part in at.replace("><", " ").split()] for at in (end, listed[name])]
            assert np.abs(np.subtract(*bins)).max() <= 1


@pytest.mark.parametrize("seed", range(8))
def test_marks_and_depth_move_and_turn_with_the_picture(model: EmbodiedModel, seed: int) -> None:
    """A bright spot is painted at each thing's point, nearer than all else: it is found again at the lesson's marks."""
    example, arrays = record()
    example.lies = {"red block": "in blue bowl"}
    image, depth = np.zeros((96, 160, 3), np.uint8), np.full((96, 160), 20000, np.uint16)
    for u, v in example.things.values():
        rows, cols = slice(int(v * 96) - 3, int(v * 96) + 4), slice(int(u * 160) - 3, int(u * 160) + 4)
        image[rows, cols], depth[rows, cols] = 255, 9000
    arrays = arrays | {"front": image, "front_depth": depth}
    lesson = Teacher(model.words).lesson(example, arrays, STATES, RNG(seed), kind="finding")
    assert lesson.depth["front"].dtype == np.float32 and lesson.depth["front"].shape == (96, 160)
    for group, u, v, colour, _, carried in lesson.marks["front"]:
        at = int(v * 96), int(u * 160)
        assert lesson.images["front"][at].min() > 150
        assert lesson.depth["front"][at] == pytest.approx(9000 * DEPTH_M)
        assert COLOURS[int(colour)] == ("red" if group == 0 else "blue")
        assert CARRIED[int(carried)] == ("in" if group == 0 else "")
    assert len(lesson.marks["front"]) == 2 and lesson.marks["wrist"].shape == (0, 6)


def test_what_is_in_the_hand_is_marked_for_the_wrist_camera(model: EmbodiedModel) -> None:
    example, arrays = record()
    seg = np.full((96, 96), 255, np.uint8)
    seg[60:80, 40:50] = 0
    example.lies, example.things = {"red block": "in hand"}, {"blue bowl": [0.7, 0.6]}
    lesson = Teacher(model.words).lesson(
        example, arrays | {"wrist_seg": seg}, STATES, RNG(0), augment=False, kind="finding"
    )
    ((group, u, v, colour, kind, carried),) = lesson.marks["wrist"].tolist()
    assert (group, COLOURS[int(colour)], kind, CARRIED[int(carried)]) == (0, "red", 0, "in hand")
    assert (u, v) == pytest.approx((45 / 96, 70 / 96))
    assert len(lesson.marks["front"]) == 1


def test_shifting_a_picture_moves_its_labels_with_it() -> None:
    picture = np.arange(96 * 160).reshape(96, 160).astype(np.uint8)
    moved = shifted(picture, 3, -2, fill=255)
    assert (moved[:-2, 3:] == picture[2:, :-3]).all() and (moved[:, :3] == 255).all()
    seg = np.full((16, 16), 255, np.uint8)
    seg[8:, 8:] = 1
    assert cells_of(seg, ITEMS).tolist() == [[0, 0, 0, 6], [0, 0, 0, 4]]
