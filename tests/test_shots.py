"""Solved examples before a question: the same words in training and asking, true answers, and none leaves all as it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from embodied.cli import main
from embodied.data.normalise import Normalisation
from embodied.data.schedule import SceneLessons
from embodied.model.decode import Look
from embodied.model.lessons import ALL, Teacher, ask, ask_check, listing
from embodied.model.losses import losses, total
from embodied.model.sentence import Example
from embodied.model.tokens import EOS
from embodied.plan import step
from embodied.types import Observation, Point, Shot
from tests.published import ARM, embodied
from tests.test_history import picture, planner, shard
from tests.test_lessons import STATES, packed, record

QUESTION = "what is on the green block"


@pytest.mark.parametrize("history", [1, 2])
def test_a_lesson_with_examples_reads_as_the_prompt_of_a_question_with_them(history: int) -> None:
    """Same words, same pictures, same hidden states: what is trained is what is asked."""
    model = embodied(history=history)
    pairs, teacher = [], Teacher(model.words)
    for k, said in enumerate(("nothing", "red block")):
        example, arrays = record()
        example = replace(example, goals=[], jobs=[], parts=[], checks=[], plans=[], asks=[(QUESTION, said)])
        example.things = {name: [u + k / 10, v] for name, (u, v) in example.things.items()}
        arrays = {name: np.roll(one, 7 * k) for name, one in arrays.items()}
        if history > 1:
            arrays |= {c: np.stack([arrays[c][::-1], arrays[c]]) for c in ("front", "wrist")}
        lesson = teacher.lesson(example, arrays, STATES, np.random.default_rng(0), augment=False)
        lesson.segments = [teacher._pair(ask(QUESTION), said)]
        images = {c: torch.from_numpy(one[None].copy()) for c, one in lesson.images.items()}
        look = Look(model, images, {"arm": torch.from_numpy(STATES["arm"])[None]})
        look.note(ALL, listing({name: Point(*at) for name, at in example.things.items()}, example.lies))
        pairs.append((lesson, look))
    (shot, solved), (lesson, look) = pairs
    batch = packed(model, [lesson.after([shot], np.random.default_rng(0))])
    asked = look.after([(solved, Example(ask(QUESTION), "nothing"))])
    question = model.words.encode(ask(QUESTION))
    with torch.inference_mode():
        hidden = asked._read(question)[0]
        vectors = model.look(batch.images, batch.states)[0]
        whole = model(batch.ids, batch.segment, vectors)[0]
    read = [*asked.ids, *model.words.encode(ALL), *asked.noted, model.words[EOS], *question]
    assert batch.ids[0, : len(read)].tolist() == read
    assert str(asked.prompt).count(f"<front x15{' 0 ago' if history > 1 else ''}>") == 2
    for camera, image in asked.images.items():
        assert torch.equal(image, batch.images[camera])
    torch.testing.assert_close(whole[len(read) - len(question) : len(read)], hidden, atol=1e-4, rtol=1e-4)
    total(losses(model, batch)).backward()  # and learns
    none = look.after([])
    assert none.ids == look.ids
    verdict = [one.choose(ask_check("pick red block"), [3, 4, 5]) for one in (look, none, asked)]
    torch.testing.assert_close(verdict[0], verdict[1])
    assert (verdict[0] - verdict[2]).abs().max() > 1e-6


def test_examples_of_training_are_other_moments_of_the_same_part(tmp_path: Path) -> None:
    model = embodied()
    source, scale = str(shard(tmp_path)), Normalisation.from_dict({"arm": ARM})
    few = SceneLessons(source, Teacher(model.words), scale, False, shots=2)
    alone = SceneLessons(source, Teacher(model.words), scale, False)
    few.rows, few.augment, alone.augment = few.rows[2:5], False, False
    lesson, rng = few.lesson(0, np.random.default_rng(1)), np.random.default_rng(1)
    assert len(lesson.shots) == 2 and lesson.images["front"].shape == (3, 96, 160, 3)
    assert lesson.states["arm"].shape == (3, 8, 6) and lesson.segments == alone.lesson(2, rng).segments
    pictures = [few.data[row][1]["front"] for row in few.rows]
    assert (lesson.images["front"][2] == pictures[0]).all()
    assert all(any((one == other).all() for other in pictures) for one in lesson.images["front"])


def test_made_examples_are_of_the_form_and_true() -> None:
    shots = pytest.importorskip("sim.shots", reason="the extra sim is not installed")
    from sim.snapshots import Moments

    made = shots.solved("place-in-bowl", "Where is the pink brick", 2, 7)
    assert [shots.form(one.question) for one in made] == ["where is the <thing>"] * 2
    other = shots.solved("place-in-bowl", "where is the red block", 1, 8)
    assert len({one.source for one in (*made, *other)}) == 3
    moments = Moments("place-in-bowl")
    for one in made:
        seed, number = (int(word) for word in one.source.replace(",", "").split() if word.isdecimal())
        assert seed % 100_000 > 0 and seed < 10_000_000
        record, arrays = list(moments.episode(seed))[number]
        assert (one.question, one.answer) in record.asks
        assert (one.obs.images["front"] == arrays["front"]).all()  # of that moment, not of a later one
    moments.body.close()


def test_asking_without_examples_is_as_before_and_with_them_they_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sim.shots", reason="the extra sim is not installed")
    told = []
    for more in ([], ["shots=0"], ["shots=1", "examples=8 is it tidy? yes; 9 what is on the red block? nothing"]):
        assert main(["ask", f"question={QUESTION}?", *more]) == 0
        told.append(capsys.readouterr().out.splitlines())
    assert told[0] == told[1] and told[0][0] == "sees"
    assert [line.split(" seed ")[0] for line in told[2][:6:2]] == [
        "example: training",
        "example: seen",
        "example: seen",
    ]
    assert told[2][1].startswith("  what is on the ") and told[2][3] == "  is it tidy? yes"
    assert told[2][6:-1] == told[0][:-1]  # what is seen now is the same


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["shots=1"], "no question"),
        (["examples=8 is it tidy? yes"], "no question"),
        (["question=is it tidy", "shots=-1"], "out of range"),
        (["question=is it tidy", "shots=33"], "out of range"),
        (["question=is it tidy", "examples=is it? yes"], "cannot be read"),
        (["question=is it tidy", "examples=8 is it tidy"], "cannot be read"),
        (["question=is it tidy", "shots=1"], "ask one of 'how many things are there'"),
        (["question=where is it", f"examples={'; '.join('8 where is it? there' for _ in range(12))}"], "1,024 at most"),
    ],
)
def test_bad_examples_are_one_sentence(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sim.shots", reason="the extra sim is not installed")
    assert main(["ask", "task=pick", *words]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1


def test_examples_leave_the_planner_as_it_was() -> None:
    one = planner(embodied(history=2))
    first, second, other = (
        Observation(0.0, {c: picture(k, c) for c in ("front", "wrist")}, {"arm": np.zeros((8, 6), np.float32)})
        for k in range(3)
    )
    one.look(first)
    one.check(second, step("pick red block"))
    look, scene, said = one.look(second), one.scene(second), one.answer(second, QUESTION)
    assert one.answer(second, QUESTION, [Shot(other, QUESTION, "red block")]) is not None
    assert one.look(second) is look and (one.scene(second), one.answer(second, QUESTION)) == (scene, said)
    one.check(other, step("pick red block"))
    assert (one.look(other).images["front"][0, 0].numpy() == second.images["front"]).all()
