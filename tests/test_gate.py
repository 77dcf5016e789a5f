"""The gate: every fault ends in the measured pose, and what passes is within all limits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embodied.control.gate import Gate, Limits, Trajectory
from embodied.control.safety import Box
from embodied.errors import UserError

NAMES = ("b", "a", "grip")
LIMITS = Limits(
    NAMES, np.array([-1.0, -2, 0]), np.array([1.0, 2, 0.08]), np.array([1.0, 1, 0.2]), np.array([10.0, 10, 9]),
    np.array([0.2, 0.2, 0.1]),
)  # fmt: skip
START = {"b": 0.1, "a": -0.2, "grip": 0.05}


def gate(**more: object) -> Gate:
    """One that knows where the robot is, at 10 s."""
    made = Gate(LIMITS, grips=("grip",), **more)  # type: ignore[arg-type]
    made.joints([*START, "another"], [*START.values(), 9.0], 10.0, 10.0)
    assert made.tick(10.0) is None and not made.fault  # nobody wants anything yet
    return made


def send(
    made: Gate, rows: list[list[float]], now: float, names: tuple[str, ...] = NAMES, times: list[float] | None = None
):
    times = [0.05 * (k + 1) for k in range(len(rows))] if times is None else times
    made.command(names, np.array(rows), np.array(times), now, now)
    return made.tick(now)


def pose(sent: Trajectory | None) -> object:
    assert sent is not None
    return pytest.approx(sent.positions[-1].tolist())


def test_a_slow_chunk_passes_as_it_is_whatever_the_order_of_its_joints() -> None:
    sent = send(gate(), [[-0.19, 0.11, 0.05], [-0.18, 0.12, 0.05]], 10.0, ("a", "b", "grip"))
    assert sent is not None
    np.testing.assert_allclose(sent.positions, [[0.11, -0.19, 0.05], [0.12, -0.18, 0.05]])
    np.testing.assert_allclose(sent.times, [0.05, 0.10])


def test_joint_states_are_merged_from_parts() -> None:
    made = Gate(LIMITS)
    made.joints(["a"], [-0.2], 10.0, 10.0)
    assert made.tick(10.0) is None
    made.joints(["grip", "b"], [0.05, 0.1], 10.02, 10.02)
    assert send(made, [[0.1, -0.2, 0.05]], 10.02) is not None


@given(
    st.lists(st.lists(st.floats(-5, 5), min_size=3, max_size=3), min_size=1, max_size=12),
    st.lists(st.floats(0.01, 0.3), min_size=12, max_size=12),
)
def test_whatever_comes_out_is_within_limits_of_range_speed_acceleration_and_horizon(
    rows: list[list[float]], gaps: list[float]
) -> None:
    made, before, speed, t = gate(), np.array(list(START.values())), np.zeros(3), 0.0
    sent = send(made, rows, 10.0, times=np.cumsum(gaps[: len(rows)]).tolist())
    for time, row in zip([] if sent is None else sent.times, [] if sent is None else sent.positions, strict=True):
        goes = (row - before) / (time - t)
        assert np.all(row >= LIMITS.low - 1e-9) and np.all(row <= LIMITS.high + 1e-9) and time <= 0.5
        assert np.all(np.abs(goes) <= LIMITS.speed + 1e-6)
        assert np.all(np.abs(goes) <= np.abs(speed) + LIMITS.acceleration * (time - t) + 1e-6)
        before, speed, t = row, goes, time


def test_rows_beyond_the_box_are_cut_off() -> None:
    made = gate(tip=lambda q: np.array([q[0], 0.0, 0.5]), box=Box((-1.0, -1.0, 0.0), (0.125, 1.0, 1.0)))
    sent = send(made, [[0.11, -0.2, 0.05], [0.12, -0.2, 0.05], [0.13, -0.2, 0.05]], 10.0)
    assert sent is not None and len(sent.positions) == 2 and made.acted["box"] == 1


FAULTS = {
    "stop": lambda made: made.stop(),
    "nan in a command": lambda made: made.command(NAMES, np.full((1, 3), np.nan), np.array([0.05]), 10.02, 10.02),
    "joints missing in a command": lambda made: made.command(NAMES[:2], np.zeros((1, 2)), np.array([0.05]), 10.02, 10.02),
    "another joint in a command": lambda made: made.command(("a", "b", "c"), np.zeros((1, 3)), np.array([0.05]), 10.02, 10.02),
    "wrong length": lambda made: made.command(NAMES, np.zeros((2, 3)), np.array([0.05]), 10.02, 10.02),
    "times fall": lambda made: made.command(NAMES, np.zeros((2, 3)), np.array([0.05, 0.05]), 10.02, 10.02),
    "nan in joint states": lambda made: made.joints(["a"], [np.nan], 10.02, 10.02),
    "names without positions": lambda made: made.joints(["a", "b"], [0.0], 10.02, 10.02),
    "not where it was sent": lambda made: made.joints(["a"], [0.4], 10.02, 10.02),
    "clock goes back": lambda made: made.tick(9.0),
    "clock jumps": lambda made: made.tick(12.0),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_holds_the_measured_pose_until_it_is_reset(fault: str) -> None:
    made = gate()
    send(made, [[0.15, -0.2, 0.01]] * 5, 10.0)
    made.joints(["b", "grip"], [0.112, 0.04], 10.02, 10.02)
    FAULTS[fault](made)
    held = made.tick(10.02)
    assert made.fault and pose(held) == [0.112, pytest.approx(made.measured[1]), 0.01]  # the gripper goes on closing
    now = 10.04
    made.joints(list(START), [0.3, -0.2, 0.05], now, now)  # pushed away by somebody
    np.testing.assert_allclose(send(made, [[0.3, -0.2, 0.05]], now).positions, held.positions)  # latched  # type: ignore[union-attr]
    made.command(NAMES, np.array([[0.3, -0.2, 0.05]]), np.array([0.05]), now, now)
    assert made.reset(now) == "" and made.tick(now) is None  # what came before the reset is forgotten
    assert send(made, [[0.31, -0.2, 0.05]], now) is not None and not made.fault


def test_watchdogs_trip_at_their_limit_and_no_sooner() -> None:
    made = gate()
    send(made, [[0.12, -0.2, 0.05]] * 8, 10.0)
    for k in range(1, 10):  # the controller is silent, the joints are not
        made.joints(list(START), list(START.values()), 10 + k / 100, 10 + k / 100)
        made.tick(10 + k / 100)
    assert not made.fault
    made.joints(list(START), list(START.values()), 10.11, 10.11)
    made.tick(10.11)
    assert made.fault.startswith("controller")
    made = gate()
    for k in range(1, 15):
        send(made, [[0.12, -0.2, 0.05]] * 8, 10 + k / 100)
    assert not made.fault
    send(made, [[0.12, -0.2, 0.05]] * 8, 10.16)
    assert made.fault.startswith("joint states") and "older" in made.reset(10.17)


def test_what_is_stale_or_came_while_disabled_is_not_obeyed() -> None:
    made = gate()
    made.command(NAMES, np.array([[0.3, -0.2, 0.05]]), np.array([0.05]), 9.0, 10.0)
    assert made.tick(10.0) is None and made.acted["stale command"] == 1
    made.enabled = False
    assert pose(send(made, [[0.3, -0.2, 0.05]], 10.01)) == list(START.values())


def test_limits_can_be_tightened_and_not_widened() -> None:
    tight = LIMITS.tightened(high={"b": 0.5}, low={"a": -1.0}, speed={"a": 0.5})
    assert tight.high[0] == 0.5 and tight.low[1] == -1.0 and tight.speed[1] == 0.5
    with pytest.raises(UserError, match="wider"):
        LIMITS.tightened(high={"b": 1.5})
    with pytest.raises(UserError, match="wider"):
        LIMITS.tightened(low={"b": -1.5})
    with pytest.raises(UserError, match="'elbow'"):
        LIMITS.tightened(speed={"elbow": 0.1})
    with pytest.raises(UserError, match="finite"):
        LIMITS.tightened(speed={"a": float("nan")})
