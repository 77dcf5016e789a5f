"""Skills are pure geometry: speeds, heights, ends, and who is not touched."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies import places, skills
from policies.motion import ACCELERATION, FAST, Legs, Tempo
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


def test_without_other_speeds_a_motion_is_the_one_that_data_and_figures_come_from():
    pick, _ = motion(Job("pick", Target(0.5, 0.1, 0.045, 0.3, (0.045, 0.044))), START)
    put, _ = motion(Job("put", place=Target(0.5, -0.1, 0.045)), (*HOME, 0.044), Held(0.025, 0.044))
    assert (len(pick), len(put)) == (54, 53)
    rows = [
        (0.41925695538520813, 0.059628479182720184, 0.2509287893772125, 0.17888544499874115, 0.0689999982714653),
        (0.4599762558937073, 0.07998812943696976, 0.20002968609333038, 0.23996438086032867, 0.03200000151991844),
        (0.41925695538520813, -0.059628479182720184, 0.2509287893772125, 0.0, 0.03200000151991844),
        (0.43832436203956604, -0.06916218996047974, 0.22709453105926514, 0.0, 0.07999999821186066),
    ]
    np.testing.assert_array_equal(np.vstack([pick[[9, 40]], put[[9, 40]]]), np.array(rows, np.float32))
    assert Tempo.of({}, 20.0) == Tempo(0.05, 1.0) == Tempo()
    quick = {"x": 0.6, "y": 0.7, "z": 0.6, "yaw": 2.5, "width": 0.2}
    assert Tempo.of(quick, 20.0) == Tempo()


@given(JOBS, st.sampled_from([0.4, 0.1, 0.008]), st.floats(1.0, 20.0))
def test_slow_motion_is_the_same_path_and_rests_are_never_shorter(job, share, rest):
    slow, held = motion(job, START, Held(0.025, 0.045), Tempo(share * 0.05, rest))
    rows, same = motion(job, START, Held(0.025, 0.045))
    assert held == same and slow[-1] == pytest.approx(rows[-1], abs=1e-4)
    moves = np.diff(np.vstack([START, slow])[:, :3], axis=0) / 0.05
    assert np.linalg.norm(moves, axis=1).max() < FAST * 1.25 * share + 1e-5  # float32's grain at a fast rate
    far = np.linalg.norm(rows[:, None, :3] - slow[None, :, :3], axis=2).min(1)
    assert far.max() < FAST * 1.25 * 0.05 * share + 1e-3, "each of the rows lies on the slow path"
    still = [np.sum(np.all(np.diff(one[:, :4], axis=0) == 0, axis=1)) for one in (rows, slow)]
    assert still[1] >= still[0]
