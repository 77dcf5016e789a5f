"""Skills are pure geometry: speeds, heights, ends, and who is not touched."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies import places, skills
from policies.motion import ACCELERATION, FAST, Legs
from policies.skills import HOME, Held, Job, Target, crowding, grasp_of, motion

START = (*HOME, 0.08)
x, y, yaw = st.floats(0.36, 0.68), st.floats(-0.28, 0.28), st.floats(-3.0, 3.0)
JOBS = st.builds(
    lambda skill, x, y, top, yaw, u, v: Job(skill, Target(x, y, top, yaw, (0.045, 0.045)), Target(u, v, 0.0)),
    st.sampled_from(["pick", "put", "push", "reach"]), x, y, st.floats(0.035, 0.2), yaw, x, y,
)  # fmt: skip


@given(JOBS)
def test_every_motion_is_smooth_quick_and_ends_where_it_should(job):
    rows, held = motion(job, START, Held(0.025, 0.045))
    assert rows.dtype == np.float32 and rows.shape[1] == 5 and np.all(np.isfinite(rows))
    moves = np.diff(np.vstack([START, rows])[:, :3], axis=0) / 0.05
    assert np.linalg.norm(moves, axis=1).max() < FAST * 1.25  # corners melt: two legs at once
    assert np.linalg.norm(np.diff(moves, axis=0), axis=1).max() / 0.05 < 2.1 * ACCELERATION
    assert np.all(np.abs(rows[:, 3]) <= np.pi / 2 + 1e-6) and np.abs(np.diff(rows[:, 3])).max() <= 0.11
    assert rows[:, 2].min() >= skills.LOWEST - 1e-6 and len(rows) < 120
    if job.skill == "reach":
        assert rows[-1, :3] == pytest.approx([job.thing.x, job.thing.y, job.thing.top + 0.04], abs=1e-4)
    else:
        assert rows[-1, :4] == pytest.approx(HOME, abs=1e-4)
    assert rows[-1, 4] == pytest.approx(held.width - skills.SQUEEZE if job.skill == "pick" else 0.08, abs=1e-6)


def test_a_pick_closes_low_and_says_what_it_holds():
    rows, held = motion(Job("pick", Target(0.5, 0.1, 0.045, 0.3, (0.045, 0.044))), START)
    lowest = rows[np.argmin(rows[:, 2])]
    assert lowest[:4] == pytest.approx([0.5, 0.1, 0.025, 0.3], abs=1e-3)
    assert held == Held(pytest.approx(0.025), 0.044)
    stacked, held = motion(Job("pick", Target(0.5, 0.1, 0.09, 0.3, (0.045, 0.045)), bottom=0.045), START)
    assert held.below == pytest.approx(0.025) and stacked[:, 2].min() == pytest.approx(0.07, abs=1e-6)


def test_a_put_lets_go_just_above_the_support():
    rows, _ = motion(Job("put", place=Target(0.5, 0.1, 0.045)), (*HOME, 0.044), Held(0.025, 0.044))
    opened = int(np.argmax(rows[:, 4] > 0.05))
    assert rows[opened, :3] == pytest.approx([0.5, 0.1, 0.045 + 0.025 + skills.DROP], abs=1e-4)
    assert np.all(rows[:opened, 4] < 0.044), "closed all the way"
    bowl, _ = motion(Job("put", place=Target(0.5, 0.1, 0.004), bowl=True), (*HOME, 0.044), Held(0.025, 0.044))
    assert bowl[:, 2].min() == pytest.approx(skills.RIM, abs=1e-6)


def test_a_push_moves_along_the_line_with_the_fingers_across_it():
    thing, goal = Target(0.45, -0.1, 0.045, 0.0, (0.04, 0.04)), Target(0.6, 0.05, 0.0)
    rows, _ = motion(Job("push", thing, goal), START)
    low = rows[rows[:, 2] < 0.0182]
    line = np.array([1, 1]) / np.sqrt(2)
    along = (low[:, :2] - (thing.x, thing.y)) @ line
    assert np.abs((low[:, :2] - (thing.x, thing.y)) @ line[::-1] * [1]).size and low[:, 3] == pytest.approx(
        np.pi / 4, abs=1e-3
    )
    assert np.abs((low[:, :2] - (thing.x, thing.y)) @ np.array([line[1], -line[0]])).max() < 1e-3
    end = np.hypot(0.15, 0.15) - skills._half_extent(thing, line) - skills.FINGER[0]
    assert along.max() == pytest.approx(end, abs=1e-3)


def test_grasps_go_across_the_narrow_side_unless_a_neighbour_stands_there():
    brick = Target(0.5, 0.0, 0.04, 0.4, (0.07, 0.035))
    assert grasp_of(brick) == (pytest.approx(0.4), 0.035)
    block = Target(0.5, 0.0, 0.045, 0.0, (0.045, 0.045))
    beside = np.array([[0.5, s * 0.055, 0.045] for s in (-1, 1)])  # where the fingers would go
    assert grasp_of(block) == (pytest.approx(0.0), 0.045)
    assert abs(grasp_of(block, beside)[0]) == pytest.approx(np.pi / 2)
    tower = np.array([[0.5, 0.09, 0.18]])  # under the palm
    assert crowding(0.5, 0.0, 0.025, 0.0, 0.07, tower) >= 1 and crowding(0.5, 0.0, 0.025, np.pi / 2, 0.07, tower) == 0


def test_travel_clears_what_stands():
    tower = np.array([[0.5, 0.0, 0.2]])
    rows, _ = motion(Job("pick", Target(0.6, 0.2, 0.045, 0.0, (0.04, 0.04)), around=tower), START)
    away = np.hypot(rows[:, 0] - 0.6, rows[:, 1] - 0.2) > 0.03
    assert rows[away, 2].min() > 0.27


def test_turning_stays_inside_half_a_turn():
    legs = Legs(np.array([0.4, 0, 0.2, 1.5, 0.08])).go(yaw=-1.5)
    assert np.abs(np.diff(legs.rows()[:, 3])).max() < 0.2, "goes back through 0 instead of winding up the wrist"


@given(st.lists(st.tuples(x, y), min_size=1, max_size=8))
def test_free_spots_are_free(others):
    around = np.array([[a, b, 0.05] for a, b in others])
    near = np.array(others[0])
    spot = places.free_spot(near, around)
    room = places.clearance(spot[None], around)[0]
    assert room >= places.ROOM or room == pytest.approx(
        max(places.clearance(np.array([[a, b]]), around)[0] for a in (spot[0],) for b in (spot[1],))
    )
    if len(others) <= 3:
        assert room >= places.ROOM


def test_relations_and_bowls():
    nothing = np.zeros((0, 3))
    assert places.beside(np.array([0.5, 0.0]), "left of", nothing) == pytest.approx([0.5, -0.10])
    assert places.beside(np.array([0.5, 0.0]), "in front of", nothing) == pytest.approx([0.60, 0.0])
    blocked = np.array([[0.5, -0.10, 0.05]])
    assert places.clearance(places.beside(np.array([0.5, 0.0]), "left of", blocked)[None], blocked)[0] > 0.045
    assert places.amid(np.array([0.4, 0.0]), np.array([0.6, 0.1]), nothing) == pytest.approx([0.5, 0.05])
    first, height = places.in_bowl(np.array([0.5, 0.0]), 0.0, nothing)
    assert height == places.FLOOR
    second, _ = places.in_bowl(np.array([0.5, 0.0]), 0.0, np.array([[*first, 0.05]]))
    assert second == pytest.approx([0.5, -first[1]])
