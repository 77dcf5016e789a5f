"""Jobs of several pushes: an expert does them, demonstrations mean the same however they are told, a planner keeps to the form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embodied.errors import UserError
from embodied.model.tokens import EOS, NO, YES
from policies import pusher
from sim.board import demonstrate, lessons, play, questions
from sim.board.jobs import CORNERS, KINDS, TOGETHER, ask, lay, places_of, read, there, written
from sim.body import SimBody
from sim.tamp.lessons import vocabulary

WORDS = lessons.vocabulary(vocabulary())
labels = st.integers(1, 8)
pushes = st.none() | st.tuples(labels, labels | st.sampled_from(tuple(CORNERS)))


@given(pushes)
def test_a_push_is_read_as_it_was_written_also_by_the_model_which_may_say_it(
    push: tuple[int, int | str] | None,
) -> None:
    assert read(written(push)) == push
    said = WORDS.encode(written(push))
    assert WORDS.decode(said) == written(push)
    if push is None or push[0] != push[1]:
        allowed = lessons.grammar(WORDS, range(1, 9))
        assert all(token in allowed(said[:k]) for k, token in enumerate([*said, WORDS[EOS]]))


@pytest.mark.parametrize(
    "text", ["", "push", "push <obj_1> on <obj_2>", "push <obj_1> to moon", "pull <obj_1> to <obj_2>"]
)
def test_what_is_no_push_is_an_error(text: str) -> None:
    with pytest.raises(ValueError):
        read(text)


@pytest.mark.parametrize("kind", KINDS)
def test_an_expert_does_every_job_by_exact_facts_and_the_same_seed_plays_the_same(kind: str) -> None:
    body = SimBody("push-to-zone", eyes=(), lazy=True)
    first, again, other = (play.play(body, None, kind, seed, play.expert) for seed in (5, 5, 6))
    body.close()
    assert first.success and other.success
    assert first.seconds == again.seconds and [t[1:] for t in first.told] == [t[1:] for t in again.told]
    for one, two in zip(first.told, again.told, strict=True):
        assert all((one[0][k] == two[0][k]).all() for k in one[0])
    assert [t[2] for t in first.told][-1] is None and not first.job.done(
        places_of(ask(kind, np.random.default_rng([5, 17]))[0])
    )


def test_a_planner_that_says_done_at_once_has_done_nothing() -> None:
    body = SimBody("push-to-zone", eyes=(), lazy=True)
    assert not play.play(body, None, "pair", 5, lambda sight, job: lambda now, before: None).success
    body.close()


@given(st.integers(0, 10_000))
def test_a_pair_told_otherwise_still_means_the_block_closest_to_the_corner(seed: int) -> None:
    rng = np.random.default_rng(seed)
    board, job = ask("pair", rng)
    start = places_of(board)
    moment = lessons.Moment(
        "pair", job.text, {k: (float(at[0]), float(at[1])) for k, at in start.items()}, {p.label: p.colour for p in board},
        "nothing", written(job.next(start, None)),
    )  # fmt: skip
    told = lessons.told(moment, rng)
    (corner,) = (name for name in CORNERS if name in told.text)
    closest = min(told.seen, key=lambda k: float(np.hypot(*np.subtract(told.seen[k], CORNERS[corner]))))
    push = read(told.said)
    assert push is not None and push[0] == closest and told.colours[push[0]] == told.colours[push[1]]  # type: ignore[index]
    assert len(set(told.colours.values())) == 3


@given(st.integers(0, 10_000))
def test_answers_about_boards_are_those_of_the_jobs_own_measures(seed: int) -> None:
    rng = np.random.default_rng(seed)
    board = lay(rng)
    at, colours = questions.moved(places_of(board), rng), {p.label: p.colour for p in board}
    for kind in questions.EACH:
        asked = questions.ask(kind, at, colours, rng)
        if asked is None:
            continue
        text, answer = asked
        named = [int(word[5:-1]) for word in text.split() if word.startswith("<obj_")]
        corner = next((name for name in CORNERS if name in text), "")
        if kind in ("together", "corner"):
            assert (answer == YES) == there((named[0], corner or named[-1]), at)
        elif kind == "side":
            assert (answer == YES) == ((at[named[0]][1] < 0) == ("left" in text))
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
            "sort", "sort them", {3: (0.5, 0.1), 7: (0.41, -0.2)}, {3: "green", 7: "pink"}, "nothing", "done"
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


def test_a_shape_half_hidden_is_the_piece_that_was_there() -> None:
    body = SimBody("push-to-zone", eyes=(), lazy=True)
    sight = play.Sight(body, finder=object())
    sight.labels = {"green block": 1, "green cylinder": 2}
    sight.at = {1: np.array([0.5, 0.1]), 2: np.array([0.5, -0.1])}
    sight._take([("green cylinder", np.array([0.51, 0.09]))])
    body.close()
    assert sight.fresh == {1} and sight.at[1][0] == 0.51 and sight.at[2][1] == -0.1


@given(st.floats(-3.1, 3.1), st.floats(0.0, 0.03))
def test_a_piece_that_the_hand_hides_is_before_its_finger(angle: float, gone: float) -> None:
    ahead = np.array([np.cos(angle), np.sin(angle)])
    piece, goal = np.array([0.5, 0.0]), np.array([0.5, 0.0]) + 0.2 * ahead
    hand = np.array([*(piece + ahead * (gone - pusher.RADIUS - pusher.FINGER)), pusher.LOW, 0.0])
    np.testing.assert_allclose(pusher.carried(hand, piece, goal), piece + gone * ahead, atol=1e-9)
    hand[2] = pusher.HIGH
    np.testing.assert_array_equal(pusher.carried(hand, piece, goal), piece)


def test_boards_lie_apart_and_their_jobs_are_not_done() -> None:
    for seed in range(20):
        board = lay(np.random.default_rng(seed))
        at = np.array([piece.at for piece in board])
        apart = np.linalg.norm(at[:, None] - at, axis=2)[np.triu_indices(6, 1)]
        assert apart.min() > TOGETHER and len({p.name for p in board}) == len({p.label for p in board}) == 6
    board, job = ask("pair", np.random.default_rng(3))
    push = job.next(places_of(board), None)
    assert push is not None and not there(push, places_of(board))


def test_the_shipped_planner_says_first_what_the_expert_says_and_leaves_off_only_when_it_has_come_about() -> None:
    from embodied.model import reasoner

    model = reasoner.load("board")
    right = 0
    for seed in range(20_000_000, 20_000_020):
        board, job = ask("pair", np.random.default_rng([seed, 17]))
        start, colours = places_of(board), {piece.label: piece.colour for piece in board}
        planner, push = lessons.learned(model, lambda colours=colours: colours, job), job.next(start, None)
        assert push is not None
        near = {**start, push[0]: start[push[1]] + [0.0, 0.05]}  # type: ignore[index]
        right += planner(start, None) == push == planner(start, push) and planner(near, push) is None
    assert right >= 19


def test_a_planner_that_would_leave_off_goes_on_when_its_own_verdict_is_no(monkeypatch: pytest.MonkeyPatch) -> None:
    verdict, asked = [YES], list[str]()

    def say(self: object, text: str, allowed: object) -> str:
        asked.append(text)
        return "done" if "before" in text else verdict[0]

    monkeypatch.setattr(lessons.Answers, "say", say)
    from embodied.model import reasoner

    board, job = ask("sort", np.random.default_rng(3))
    planner = lessons.learned(reasoner.load("board"), lambda: {p.label: p.colour for p in board}, job)
    one, two = board[0].label, board[1].label
    now = places_of(board)
    assert planner(now, (one, two)) is None and asked[-1] == f"are <obj_{one}> and <obj_{two}> together ?"
    verdict[0] = NO
    assert (
        planner(now, (one, "top left")) == (one, "top left") and asked[-1] == f"is <obj_{one}> in the top left corner ?"
    )
    assert planner(now, None) is None


def test_a_line_torn_by_a_kill_is_left_out_and_all_whole_ones_stay(tmp_path: Path) -> None:
    moments = [lessons.Moment("pair", "push it", {3: (0.5, 0.1)}, {3: "green"}, "nothing", "done")]
    path = tmp_path / demonstrate.FILE
    for kind in KINDS:
        lessons.save(path, moments, kind=kind, seed=1)
    whole = path.read_text()
    path.write_text(whole + whole[:40])
    assert demonstrate.demonstrations(tmp_path, 1, 1, 0) == 0
    assert path.read_text() == whole and [p.name for p in tmp_path.iterdir()] == [demonstrate.FILE]
