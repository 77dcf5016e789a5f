"""The reasoner: cached equals packed, padding changes nothing, it learns, it is saved as it is; and the exam marks what it says."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from embodied import report_tests
from embodied.cli import evaluate_tamp
from embodied.cli.exam import Job
from embodied.cli.settings import Evaluate
from embodied.data.snapshots import write_shard
from embodied.errors import UserError
from embodied.model.packing import collate
from embodied.model.reasoner import JUMP, Answers, Reasoner, ReasonerConfig, gaps, load, save
from embodied.registry import build
from embodied.train_reasoner import Settings, Training, shares
from sim.tamp import pictures
from sim.tamp.lessons import Scenes, grammar, vocabulary
from sim.tamp.questions import KINDS, ask, read
from sim.tamp.scene import scene, vectors
from sim.task import FIRST_EVALUATION_SEED as TEST


@pytest.fixture(scope="module")
def words():
    return vocabulary()


@pytest.fixture(scope="module")
def model(words):
    torch.manual_seed(0)
    return Reasoner(ReasonerConfig(dim=32, layers=2, heads=2, mlp=64), words).eval()


def test_rows_without_an_object_change_nothing():
    torch.manual_seed(0)
    encoder = build("encoder", "scene", dim=16, hidden=16)
    given, names = torch.tensor(vectors(scene(TEST, "6")))[None], torch.randn(1, 6, 16)
    alone = encoder(given, names, torch.ones(1, 6, dtype=torch.bool))
    padded = encoder(
        torch.cat([given, torch.randn(1, 2, 11)], 1), torch.cat([names, torch.randn(1, 2, 16)], 1),
        torch.tensor([[True] * 6 + [False] * 2]),
    )  # fmt: skip
    torch.testing.assert_close(padded[:, :6], alone)
    assert not padded[:, 6:].any()
    turned = encoder(given.flip(1), names.flip(1), torch.ones(1, 6, dtype=torch.bool))
    torch.testing.assert_close(turned.flip(1), alone)


def test_answers_about_a_picture_are_those_of_the_packed_sentence(words):
    torch.manual_seed(0)
    model = Reasoner(ReasonerConfig(dim=32, layers=2, heads=2, mlp=64, picture=(6, 24)), words).eval()
    seen, text = torch.randn(6, 24), "how to grasp the red block"
    ids = [*model.sentence([]), *words.encode(text)]
    segment = torch.tensor([[0] * 8 + [1] * (len(ids) - 8)])
    answers = Answers(model, seen, [])
    with torch.inference_mode():
        hidden = model(torch.tensor([ids]), segment, seen[None], torch.zeros(1, 0))[0, -1]
        torch.testing.assert_close(answers._spelled(words.spell(words.encode(text)))[0, -1], hidden)
        best = int(model.logits(hidden).argmax())
    answers.reader.length = answers.known
    assert answers.say(text, lambda out: list(range(len(words))), most=1)[0] == [best]


@given(st.integers(0, 10_000))
def test_a_plan_in_colours_is_the_plan_in_entities(seed):
    cubes = scene(seed)
    text = ask("p2", cubes, np.random.default_rng(seed)).answer
    told = pictures.coloured(text, cubes)
    assert "<obj" not in told and pictures.labelled(told, cubes) == text
    assert read(pictures.labelled("grasp purple", cubes)) is None


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(KINDS), st.integers(0, 1000), st.randoms(use_true_random=False))
def test_whatever_is_said_within_the_grammar_can_be_marked(kind, seed, dice):
    words = vocabulary()
    cubes = scene(TEST + seed)
    asked = ask(kind, cubes, np.random.default_rng(seed))
    allowed, out = grammar(words, kind, [cube.label for cube in cubes], asked.most), []
    while (token := dice.choice(allowed(out))) != words["<eos>"]:
        out.append(token)
    said = words.decode(out)
    asked.right(said)
    if kind in ("p1", "p2"):
        steps = read(said)
        assert steps and len(steps) <= 24
    assert (
        grammar(words, kind, [cube.label for cube in cubes], asked.most)(words.encode(asked.answer))[-1]
        == words["<eos>"]
    )


def test_it_learns_and_goes_on_where_it_was_stopped(words, tmp_path):
    def run(out, steps):
        made = Training(Settings(out=str(out), scenes=2, kinds="q1", steps=steps, batch=2, warmup=2, augment=False),
                        [(Scenes(words, 2, ["q1"], augment=False), 1.0)], words, {})  # fmt: skip
        made.run()
        return made

    lesson = Scenes(words, 2, ["q1"], augment=False)
    first = Training(Settings(out=str(tmp_path / "a"), steps=1), [(lesson, 1.0)], words, {})
    begin = first._learn(1, [lesson.lesson(0, np.random.default_rng(0))])
    trained = run(tmp_path / "b", 40)
    assert trained._learn(41, [lesson.lesson(0, np.random.default_rng(0))]) < begin / 2
    again = Training(
        Settings(out=str(tmp_path / "b"), scenes=2, kinds="q1", steps=50, batch=4), [(lesson, 1.0)], words, {}
    )
    assert again.start == 40
    assert load(str(tmp_path / "b" / "weights")).config.facts["steps"] == 40


def test_weights_come_back_as_they_were_and_others_are_refused(model, tmp_path):
    save(model, tmp_path, torch.float32)
    back = load(str(tmp_path))
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), back.state_dict().values(), strict=True))
    with pytest.raises(UserError, match="not a reasoner's"):
        load("tabletop")
    (tmp_path / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(UserError, match="damaged"):
        load(str(tmp_path))


@pytest.mark.parametrize(
    "chosen", [{}, {"count": "8"}, {"goals": "unseen", "count": "6"}, {"goals": "russian"}, {"unseen": True}]
)
def test_the_exam_asks_every_kind_and_its_report_holds_them(model, tmp_path, chosen):
    save(model, tmp_path / "weights")
    answers = evaluate_tamp.some(Job("tamp", 0, 4, Evaluate(weights=str(tmp_path / "weights"), **chosen)))
    assert all(a["seed"] >= TEST for a in answers)
    final = report_tests.summary(answers, suite="tamp", note=evaluate_tamp.NOTE)
    report_tests.write(tmp_path, final, answers)
    rows = json.loads((tmp_path / "report.json").read_text())["tests"]
    kinds = {"unseen": {"two", "ends"}, "russian": {"p1", "p2"}}.get(chosen.get("goals"), set(KINDS))
    assert set(rows) <= kinds and (set(rows) == kinds or "goals" in chosen)
    for row in rows.values():
        assert 0 <= row["low"] <= row["accuracy"] <= row["high"] <= 1
    page = (tmp_path / "report.html").read_text()
    assert "not Google" in page and "data:image/png" in page


def test_the_exam_looks_through_the_picture_encoder(words, tmp_path):
    small = ReasonerConfig(dim=32, layers=2, heads=2, mlp=64)
    save(Reasoner(replace(small, picture=(60, 192)), words), tmp_path / "sees")
    answers = evaluate_tamp.some(Job("tamp", 0, 2, Evaluate(weights=str(tmp_path / "sees"), input="picture")))
    assert [a["test"] for a in answers] == 2 * list(pictures.KINDS) and all("<obj" not in a["text"] for a in answers)
    save(Reasoner(small, words), tmp_path / "blind")
    for weights, chosen in (
        ("blind", {"input": "picture"}),
        ("sees", {}),
        ("sees", {"input": "picture", "goals": "german"}),
    ):
        with pytest.raises(UserError, match=r"is not what is given here|only trained goals"):
            evaluate_tamp.exam_of(Evaluate(weights=str(tmp_path / weights), **chosen))


@pytest.mark.parametrize(
    ("chosen", "said"),
    [({"count": "7"}, "unknown count '7'"), ({"input": "smell"}, "unknown input 'smell'"), ({"goals": "x"}, "unknown goals"),
     ({"weights": "/nowhere"}, "no weights at"), ({"scenes": 0}, "scenes=0"), ({"scenes": 10**6}, "out of range")],
)  # fmt: skip
def test_mistakes_are_one_sentence(model, tmp_path, chosen, said):
    save(model, tmp_path)
    with pytest.raises(UserError, match=said):
        evaluate_tamp.main(Evaluate(**{"weights": str(tmp_path), "scenes": 1} | chosen), {"suite": "tamp"})


def test_f1_is_of_yes():
    answers = [{"p": p, "truth": t} for p, t in [(0.9, True), (0.8, False), (0.2, True), (0.1, False), (0.7, True)]]
    assert report_tests.precision_recall(answers) == pytest.approx({"f1": 2 / 3, "precision": 2 / 3, "recall": 2 / 3})


def test_an_answer_weighs_the_root_of_its_length():
    segment = torch.tensor([[0, 1, 1, 1, 2, -1], [0, 1, 2, 2, 2, 2]])
    asked = torch.tensor([[0, 0, 1, 1, 1, 0], [0, 1, 1, 1, 1, 0]]).bool()
    assert shares(segment, asked).tolist() == pytest.approx([2**-0.5] * 2 + [1, 1] + [3**-0.5] * 3)


def test_gaps_only_leave_places_out_and_only_while_training(words, model):
    segment = torch.tensor([[0, 0, 0, 1, 1, 1, 1, 2, 2, 2, -1]]).repeat(64, 1)
    torch.manual_seed(0)
    added = gaps(segment)
    assert not added[:, :4].any() and not added[:, 7].any() and not added[:, -1].any() and added.any()
    steps = added[:, 4:7].diff(dim=1)
    assert steps.min() == 0 and steps.max() <= JUMP
    lesson = Scenes(words, 10, augment=False).lesson(3, np.random.default_rng(0))
    batch = collate([lesson], [], [], words, (1, 1))
    given = batch.ids, batch.segment, batch.states["given"], batch.states["labels"].long()
    with torch.no_grad():
        still = [model(*given) for _ in range(2)]
        moved = [model.train()(*given) for _ in range(2)]
    model.eval()
    assert torch.equal(*still) and not torch.equal(*moved)


def test_a_run_that_was_stopped_ends_as_one_that_was_not(words, tmp_path, monkeypatch):
    def begun(name):
        own = Settings(out=str(tmp_path / name), steps=4, batch=2, warmup=1, precision="no", save_every_s=0.0)
        return Training(own, [(Scenes(words, 50), 1.0)], words, {})

    begun("whole").run()
    learn = Training._learn

    def stopped(self, step, lessons):
        if step == 3:
            raise KeyboardInterrupt
        return learn(self, step, lessons)

    monkeypatch.setattr(Training, "_learn", stopped)
    with pytest.raises(KeyboardInterrupt):
        begun("stopped").run()
    monkeypatch.setattr(Training, "_learn", learn)
    begun("stopped").run()
    one, two = (load(str(tmp_path / name / "weights")).state_dict() for name in ("whole", "stopped"))
    assert all(torch.equal(a, two[name]) for name, a in one.items())


def test_pictures_are_looked_at_once_and_others_anew(words, tmp_path, monkeypatch):
    arm = pictures.Tables()
    looked = list[int]()

    class Blink:
        encoder = torch.nn.Linear(2, 2)

        def look(self, images):
            looked.append(len(images))
            return images[:, :3, 0].astype(np.float16)  # three tokens of three numbers

    monkeypatch.setattr(pictures, "Eyes", lambda blink=Blink(): blink)
    for name, seeds in (("a", (1, 2)), ("b", (3, 4))):
        rows = [next(iter(arm.episode(seed))) for seed in seeds]
        arrays = {key: np.stack([one[key] for _, one in rows]) for key in rows[0][1]}
        write_shard(tmp_path / name / "00000-cubes", [record for record, _ in rows], arrays)
    arm.arm.close()
    first, again, other = (pictures.Pictures(words, tmp_path / n, ["p1"], tmp_path) for n in ("a", "a", "b"))
    assert looked == [2, 2] and np.array_equal(first.given, again.given) and list(other.seeds) == [3, 4]
    lesson = other.lesson(1, np.random.default_rng(0))
    assert lesson.states["given"].shape == (3, 3) and "obj" not in words.decode(lesson.segments[0][1])
    with pytest.raises(UserError, match="kind=cubes"):
        pictures.Pictures(words, tmp_path / "none", ["p1"], tmp_path)
