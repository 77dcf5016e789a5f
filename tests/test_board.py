"""Jobs of several pushes: an expert does them, demonstrations mean the same however they are told, a planner keeps to the form."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embodied.model.tokens import EOS
from policies import pusher
from sim.board import lessons, play
from sim.board.jobs import (
    CORNERS,
    KINDS,
    TOGETHER,
    ask,
    drawn,
    lay,
    places_of,
    read,
    there,
    written,
)
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
    assert [t[2] for t in first.told][-1] is None and not first.job.done(places_of(drawn(kind, 5)[0]))


@pytest.mark.parametrize(
    "kind, seed, text, names, first",
    [
        ("pair", 5, "push the block closest to the top right corner to the other block of the same colour",
         "6 pink cylinder, 2 green block, 8 pink block, 7 yellow cylinder, 1 green cylinder, 3 yellow block",
         (0.547, 0.2126, 0.0405, -0.1672)),
        ("group", 7, "push the blocks on the right side together , without bringing over any of the blocks on the left side",
         "6 green cylinder, 7 yellow block, 1 green block, 3 yellow cylinder, 4 pink block, 8 pink cylinder",
         (0.42, 0.2138, 0.0422, -0.2978)),
        ("sort", 11, "push the blocks into corners , each colour into one",
         "2 pink block, 6 pink cylinder, 4 yellow block, 8 cyan cylinder, 5 cyan block, 3 yellow cylinder",
         (0.5238, -0.0004, 0.0443, 0.6784)),
    ],
)  # fmt: skip
def test_boards_and_sentences_of_a_seed_stay_what_they_were_before_there_were_corner_jobs(
    kind: str, seed: int, text: str, names: str, first: tuple[float, ...]
) -> None:
    board, job = drawn(kind, seed)
    assert job.text == text and ", ".join(f"{p.label} {p.name}" for p in board) == names
    np.testing.assert_allclose([*board[0].at, board[0].size, board[0].yaw], first, atol=1e-4)


def test_a_planner_that_says_done_at_once_has_done_nothing() -> None:
    body = SimBody("push-to-zone", eyes=(), lazy=True)
    assert not play.play(body, None, "pair", 5, lambda sight, job: lambda now, before: None).success
    body.close()


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
