"""What is taught about boards, what is kept of demonstrations, and the planner that has learnt from them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embodied.errors import UserError
from embodied.model.tokens import EOS, NO, YES
from sim.board import demonstrate, lessons, questions
from sim.board.jobs import (
    CORNERS,
    KINDS,
    SHAPES,
    Board,
    Job,
    ask,
    drawn,
    lay,
    places_of,
    read,
    there,
    written,
)
from sim.tamp.lessons import vocabulary

WORDS = lessons.vocabulary(vocabulary())


def begin_of(board: Board, job: Job) -> lessons.Moment:
    """The first moment of a demonstration by exact facts."""
    start = places_of(board)
    seen = {k: (float(at[0]), float(at[1])) for k, at in start.items()}
    names = {p.label: p.name for p in board}
    return lessons.Moment(job.kind, job.text, seen, names, lessons.NOTHING, written(job.next(start, None)))


@given(st.integers(0, 10_000))
def test_a_pair_told_otherwise_still_means_the_block_closest_to_the_corner(seed: int) -> None:
    rng = np.random.default_rng(seed)
    board, job = ask("pair", rng)
    told = lessons.told(begin_of(board, job), rng)
    (corner,) = (name for name in CORNERS if name in told.text)
    closest = min(told.seen, key=lambda k: float(np.hypot(*np.subtract(told.seen[k], CORNERS[corner]))))
    push = read(told.said)
    colours = {label: name.split()[0] for label, name in told.names.items()}
    assert push is not None and push[0] == closest and colours[push[0]] == colours[push[1]]  # type: ignore[index]
    assert len(set(colours.values())) == 3


def test_a_piece_is_told_in_any_colour_and_either_shape_and_its_name_with_it() -> None:
    moment, rng = begin_of(*drawn("corner", 3)), np.random.default_rng(0)
    told = [lessons.told(moment, rng) for _ in range(200)]
    named = [next(name for name in one.names.values() if name in one.text) for one in told]
    assert len(set(named)) == len(lessons.OTHERS) * len(SHAPES)
    assert all(sorted(name.split()[1] for name in one.names.values()) == sorted(SHAPES * 3) for one in told)


@given(st.integers(0, 10_000))
def test_a_corner_job_names_one_piece_that_is_not_there_and_still_does_when_told_otherwise(seed: int) -> None:
    rng = np.random.default_rng(seed)
    board, job = ask("corner", rng)
    start, push = places_of(board), job.next(places_of(board), None)
    assert push is not None
    for one in (begin_of(board, job), lessons.told(begin_of(board, job), rng)):
        (corner,) = (name for name in CORNERS if name in one.text)
        (named,) = (label for label, name in one.names.items() if name in one.text)
        assert read(one.said) == (named, corner)
        assert not there((named, corner), {k: np.array(at) for k, at in one.seen.items()}, -0.02)
    ended = {**start, push[0]: np.array(CORNERS[str(push[1])]) + [0.0, 0.07]}
    assert job.done(ended) and job.next(ended, push) is None and job.next(start, push) == push and not job.done(start)


@given(st.integers(0, 10_000))
def test_answers_about_boards_are_those_of_the_jobs_own_measures(seed: int) -> None:
    rng = np.random.default_rng(seed)
    board = lay(rng)
    at, names = questions.moved(places_of(board), rng), {p.label: p.name for p in board}
    colours = {p.label: p.colour for p in board}
    for kind in questions.EACH:
        asked = questions.ask(kind, at, names, rng)
        if asked is None:
            continue
        text, answer = asked
        named = [int(word[5:-1]) for word in text.split() if word.startswith("<obj_")]
        corner = next((name for name in CORNERS if name in text), "")
        if kind in ("together", "corner"):
            assert (answer == YES) == there((named[0], corner or named[-1]), at)
        elif kind == "side":
            assert (answer == YES) == ((at[named[0]][1] < 0) == ("left" in text))
        elif kind == "named":
            assert names[int(answer[5:-1])] in text
        elif kind == "fellow":
            assert colours[int(answer[5:-1])] == colours[named[0]] and int(answer[5:-1]) != named[0]
        else:
            to = np.array(CORNERS[corner]) if corner else at[named[0]]
            far = {k: float(np.hypot(*(where - to))) for k, where in at.items() if k not in named}
            assert int(answer[5:-1]) == min(far, key=lambda k: far[k])


def test_lessons_about_boards_are_all_in_words_that_are_known() -> None:
    lesson = questions.Boards(WORDS, 3).lesson(1, np.random.default_rng(0))
    ids = [i for prompt, answer in lesson.segments for i in [*prompt, *answer]]
    assert len(lesson.segments) > 4 and not any("##" in str(WORDS.tokenizer.id_to_token(i)) for i in ids)
    with pytest.raises(UserError, match="boards=0 cannot be"):
        questions.Boards(WORDS, 0)


def test_words_are_added_behind_those_that_a_reasoner_knows_and_it_answers_as_before() -> None:
    import torch

    from embodied.model import reasoner

    known = reasoner.load("tamp")
    words = lessons.vocabulary(known.words)
    grown = lessons.grown(known, words).eval()
    assert words.tokens()[: len(known.words)] == known.words.tokens() and words.knows("corner")
    ids = torch.tensor([known.sentence([1, 2]) + known.words.encode("how to grasp <obj_1>")])
    vectors, labels = torch.rand(1, 2, lessons.FIELDS), torch.tensor([[1, 2]])
    segment = torch.tensor([[0] * 4 + [1] * (ids.shape[1] - 4)])
    with torch.no_grad():
        before, after = (m.logits(m(ids, segment, vectors, labels)) for m in (known, grown))
    torch.testing.assert_close(after[..., : before.shape[-1]], before)


@given(st.integers(0, 10_000))
def test_whatever_the_form_lets_through_is_a_push_of_two_things_or_done(seed: int) -> None:
    rng = np.random.default_rng(seed)
    given_ = [int(k) for k in rng.permutation(8)[: rng.integers(1, 7)] + 1]
    allowed, out = lessons.grammar(WORDS, given_), list[int]()
    while (token := int(rng.choice(allowed(out) or [WORDS[EOS]]))) != WORDS[EOS]:
        out.append(token)
    push = read(WORDS.decode(out))
    assert push is None or (push[0] in given_ and push[1] != push[0] and (push[1] in CORNERS or push[1] in given_))


def test_demonstrations_are_read_as_they_were_written_and_too_few_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "demonstrations.jsonl"
    moments = [
        lessons.Moment(
            "sort",
            "sort them",
            {3: (0.5, 0.1), 7: (0.41, -0.2)},
            {3: "green block", 7: "pink block"},
            "nothing",
            "done",
        )
    ]
    lessons.save(path, moments, kind="sort", seed=1)
    assert lessons.load(path, "sort", 1) == moments
    for count, kind, says in ((2, "sort", "holds 1"), (1, "pair", "holds 0")):
        with pytest.raises(UserError, match=says):
            lessons.load(path, kind, count)
    path.write_text("{}\n")
    with pytest.raises(UserError, match="record them again"):
        lessons.load(path, "sort", 1)
    with pytest.raises(UserError, match="no demonstrations"):
        lessons.load(tmp_path / "none", "sort", 1)


def test_the_shipped_planner_says_first_what_the_expert_says_and_leaves_off_only_when_it_has_come_about() -> None:
    from embodied.model import reasoner

    model = reasoner.load("board")
    right = 0
    for seed in range(20_000_000, 20_000_020):
        board, job = drawn("pair", seed)
        start, names = places_of(board), {piece.label: piece.name for piece in board}
        planner, push = lessons.learned(model, lambda names=names: names, job), job.next(start, None)
        assert push is not None
        near = {**start, push[0]: start[push[1]] + [0.0, 0.05]}  # type: ignore[index]
        right += planner(start, None) == push == planner(start, push) and planner(near, push) is None
    assert right >= 19


def test_a_planner_that_would_leave_off_goes_on_when_its_own_verdict_is_no(monkeypatch: pytest.MonkeyPatch) -> None:
    verdict, asked = [YES], list[str]()

    def answer(self: object, text: str, allowed: object) -> str:
        asked.append(text)
        return "done" if "before" in text else verdict[0]

    monkeypatch.setattr(lessons.Answers, "answer", answer)
    from embodied.model import reasoner

    board, job = ask("sort", np.random.default_rng(3))
    planner = lessons.learned(reasoner.load("board"), lambda: {p.label: p.name for p in board}, job)
    one, two = board[0].label, board[1].label
    now = places_of(board)
    assert planner(now, (one, two)) is None and asked[-1] == f"are <obj_{one}> and <obj_{two}> together ?"
    verdict[0] = NO
    assert (
        planner(now, (one, "top left")) == (one, "top left") and asked[-1] == f"is <obj_{one}> in the top left corner ?"
    )
    assert planner(now, None) is None


def test_a_line_torn_by_a_kill_is_left_out_and_all_whole_ones_stay(tmp_path: Path) -> None:
    moments = [lessons.Moment("pair", "push it", {3: (0.5, 0.1)}, {3: "green block"}, "nothing", "done")]
    path = tmp_path / demonstrate.FILE
    for kind in KINDS:
        lessons.save(path, moments, kind=kind, seed=1)
    whole = path.read_text()
    path.write_text(whole + whole[:40])
    assert demonstrate.demonstrations(tmp_path, 1, 1, 0) == 0
    assert path.read_text() == whole and [p.name for p in tmp_path.iterdir()] == [demonstrate.FILE]


def test_a_folder_from_before_corner_jobs_keeps_what_it_holds_and_gets_what_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, tried = tmp_path / demonstrate.FILE, list[tuple[str, int]]()

    def one(kind: str, seed: int) -> tuple[str, int, bool, list[lessons.Moment]]:
        tried.append((kind, seed))
        return kind, seed, seed != 5, [begin_of(*drawn(kind, seed))]

    monkeypatch.setattr(demonstrate, "one", one)
    monkeypatch.setattr(demonstrate.workers, "pool", ThreadPoolExecutor)
    for kind in ("pair", "group", "sort"):
        for seed in (4, 6):
            lessons.save(path, [begin_of(*drawn(kind, seed))], kind=kind, seed=seed)
    before = path.read_text()
    assert demonstrate.demonstrations(tmp_path, 2, 1, 4) == 2
    assert path.read_text().startswith(before) and tried == [("corner", seed) for seed in (4, 5, 6)]
    assert [m.text for m in lessons.load(path, "corner", 2)] == [drawn("corner", seed)[1].text for seed in (4, 6)]


def test_a_cylinder_differs_from_a_block_in_how_it_lies_and_in_nothing_else() -> None:
    at = {1: (0.5, 0.1)}
    block, cylinder = (lessons.vectors(at, {1: f"green {shape}"}) for shape in ("block", "cylinder"))
    assert np.argwhere(block != cylinder).tolist() == [[0, 4]] and (block[0, 4], cylinder[0, 4]) == (1, 0)


def test_the_planner_that_ships_was_taught_every_job() -> None:
    from embodied.model import reasoner

    assert sorted(reasoner.load("board").config.facts["jobs"].split(",")) == sorted(KINDS)


def test_a_planner_is_trained_on_all_four_jobs_and_a_job_that_one_was_not_taught_is_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from embodied.cli import main
    from embodied.model import reasoner

    tamp = reasoner.load("tamp")
    tamp.config = replace(tamp.config, facts={"jobs": "pair"})
    reasoner.save(tamp, tmp_path / "short")
    assert main(["evaluate", "suite=board", "task=corner", f"weights={tmp_path / 'short'}"]) == 2
    assert "were never taught task=corner, only pair" in capsys.readouterr().err
    for kind in KINDS:
        lessons.save(tmp_path / demonstrate.FILE, [begin_of(*drawn(kind, 1))], kind=kind, seed=1)
    few = ["demos=1", "steps=1", "batch=2", "boards=2", f"demonstrations={tmp_path}", f"out={tmp_path / 'run'}"]
    assert main(["train", "board", *few]) == 0
    model = reasoner.load(str(tmp_path / "run/weights"))
    assert sorted(model.config.facts["jobs"].split(",")) == sorted(KINDS)
    assert model.words.tokens() == reasoner.load("board").words.tokens()
