"""What the hand goes for: seen from the hand it hangs on where they are to each other, and on nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embodied.aims import CHANNELS, FAR, FIELDS, LARGE, ROWS, seen_from
from embodied.model.encoders.objects import FIELDS as WORDS
from policies.aims import aims_of
from policies.skills import HOME, Held, Job, Target, clearance, motion

near = st.floats(-0.5, 0.5)
turn = st.floats(-3.0, 3.0)
HANDS = st.tuples(near, near, near, turn, st.floats(0.0, 0.08)).map(np.array)
AIMS = st.tuples(*[st.tuples(st.booleans(), *[near] * 3, turn, *[st.floats(0.01, 0.1)] * 3)] * len(ROWS)).map(
    lambda rows: np.array([row[1:] if row[0] else (0.0,) * len(FIELDS) for row in rows])
)


def test_channels_name_every_field_of_every_row() -> None:
    assert len(CHANNELS) == len(ROWS) * len(FIELDS) and CHANNELS.names[len(FIELDS)] == "place.x"
    assert {CHANNELS.units[k] for k, name in enumerate(CHANNELS.names) if name.endswith("yaw")} == {"rad"}


@given(AIMS, HANDS, near, near, near, turn)
def test_moving_and_turning_the_hand_and_its_aims_together_changes_nothing(aims, hand, x, y, z, yaw) -> None:
    there = (aims != 0).any(1)
    moved = aims.copy()
    moved[there, :4] += (x, y, z, yaw)
    seen = seen_from(aims.ravel(), hand)
    assert seen.shape == (len(ROWS), len(WORDS)) and seen.dtype == np.float32
    np.testing.assert_allclose(seen_from(moved.ravel(), hand + (x, y, z, yaw, 0)), seen, atol=1e-4)
    np.testing.assert_array_equal(seen[~there], 0)
    np.testing.assert_allclose(np.hypot(seen[there, 3], seen[there, 4]), 1, atol=1e-5)


@given(AIMS, HANDS)
def test_half_a_turn_of_the_hand_or_the_aim_changes_nothing(aims, hand) -> None:
    seen = seen_from(aims.ravel(), hand)
    np.testing.assert_allclose(seen_from(aims.ravel(), hand + (0, 0, 0, np.pi, 0)), seen, atol=1e-5)
    turned = aims + np.eye(len(FIELDS))[3] * np.pi * (aims != 0).any(1, keepdims=True)
    np.testing.assert_allclose(seen_from(turned.ravel(), hand), seen, atol=1e-5)


@given(AIMS, HANDS)
def test_distances_and_extents_are_told_in_their_units(aims, hand) -> None:
    seen = dict(zip(WORDS, seen_from(aims.ravel(), hand).T, strict=True))
    there = (aims != 0).any(1)
    for k, name in enumerate("xyz"):
        np.testing.assert_allclose(seen[name] * FAR, (aims[:, k] - hand[k]) * there, atol=1e-6)
    for k, name in ((4, "length"), (5, "width"), (6, "height")):
        np.testing.assert_allclose(seen[name] * LARGE, aims[:, k], atol=1e-6)
    assert not any(seen[name].any() for name in ("red", "green", "blue"))


@pytest.mark.parametrize("yaw", [-0.6, 0.0, 0.4])
def test_where_the_motion_closes_the_aim_is_reached(yaw: float) -> None:
    thing = Target(0.5, 0.1, 0.045, yaw, (0.07, 0.04))
    job = Job("pick", thing, around=np.array([[0.6, 0.0, 0.2]]))
    aims = aims_of(job).reshape(len(ROWS), len(FIELDS))
    rows, held = motion(job, (*HOME, 0.08))
    closed = rows[int(rows[:, 2].argmin())]
    seen = seen_from(aims.ravel(), closed)[0]
    assert seen[:5] == pytest.approx([0, 0, (thing.top - closed[2]) / FAR, 0, 1], abs=0.02)
    assert aims[0, 4:] == pytest.approx([0.07, held.width, held.below])
    assert not aims[1].any() and aims[2] == pytest.approx([0, 0, clearance(job), 0, 0, 0, 0])
    assert clearance(job) > 0.2  # above the neighbour


def test_where_a_put_lets_go_the_place_is_reached() -> None:
    held, job = Held(0.025, 0.044), Job("put", place=Target(0.5, 0.1, 0.045, 0.3, (0.05, 0.05)))
    aims = aims_of(job, held).reshape(len(ROWS), len(FIELDS))
    rows, _ = motion(job, (*HOME, 0.044), held)
    opened = rows[int(np.argmax(rows[:, 4] > 0.05))]
    seen = seen_from(aims.ravel(), opened)[1]
    assert seen[:2] == pytest.approx([0, 0], abs=0.01) and seen[3:5] == pytest.approx([0, 1], abs=0.02)
    assert aims[1, 2] + aims[1, 6] == pytest.approx(opened[2], abs=0.02)  # on the place, by what is held below
    assert not aims[0].any() and aims[1, 5:] == pytest.approx([0.044, 0.025])


def test_a_push_has_a_thing_and_a_place_and_a_reach_no_place() -> None:
    thing, zone = Target(0.45, -0.1, 0.045, 0.0, (0.04, 0.04)), Target(0.6, 0.05, 0.0, 0.0, (0.13, 0.13))
    pushed, reached = (aims_of(job).reshape(3, -1) for job in (Job("push", thing, zone), Job("reach", thing)))
    assert pushed[:2, :3] == pytest.approx(np.array([[0.45, -0.1, 0.045], [0.6, 0.05, 0.0]]))
    assert pushed[:2, 3] == pytest.approx([np.pi / 4] * 2)  # the hand looks along the way
    back = aims_of(Job("push", Target(0.6, 0.05, 0.045, 0.0, (0.04, 0.04)), Target(0.45, -0.1, 0.0, 0.0, (0.13, 0.13))))
    assert back.reshape(3, -1)[:2, 3] == pytest.approx([np.pi / 4] * 2)  # and back with the other finger ahead
    assert reached[0].any() and not reached[1].any()
