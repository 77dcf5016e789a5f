"""The gate: every fault ends in the measured pose, and what passes is within all limits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embodied.control.gate import Gate, Trajectory
from embodied.control.limits import Limits
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
    np.testing.assert_allclose(sent.times, np.arange(1, 12) / 100)
    np.testing.assert_allclose(sent.positions[4], [0.11, -0.19, 0.05])
    np.testing.assert_allclose(sent.positions[9:], [[0.12, -0.18, 0.05]] * 2)


def test_joint_states_are_merged_from_parts() -> None:
    made = Gate(LIMITS)
    made.joints(["a"], [-0.2], 10.0, 10.0)
    assert made.tick(10.0) is None
    made.joints(["grip", "b"], [0.05, 0.1], 10.02, 10.02)
    assert send(made, [[0.1, -0.2, 0.05]], 10.02) is not None


class Follower:
    """A robot that does what it is sent, measured at every tick; and how fast it went in each."""

    def __init__(self, made: Gate) -> None:
        self.made, self.now, self.at = made, 10.0, np.array(list(START.values()))
        self.times, self.rows = np.array([10.0]), self.at[None]
        self.speeds: list[np.ndarray] = []

    def tick(self) -> Trajectory | None:
        sent = self.made.tick(self.now)
        if sent is not None:
            self.times, self.rows = np.array([self.now, *(self.now + sent.times)]), np.vstack([self.at, sent.positions])
        self.now += 0.01
        before = self.at
        self.at = np.array([np.interp(self.now, self.times, column) for column in self.rows.T])
        self.speeds.append((self.at - before) / 0.01)
        self.made.joints(NAMES, self.at.tolist(), self.now, self.now)
        self.made.beat(self.now)
        return sent


ROWS = st.lists(st.lists(st.floats(-5, 5), min_size=3, max_size=3), min_size=1, max_size=5)


@given(st.lists(st.tuples(st.integers(1, 9), ROWS, st.floats(0.002, 0.3)), min_size=1, max_size=12))
def test_whatever_is_asked_a_robot_that_follows_keeps_all_limits(
    asked: list[tuple[int, list[list[float]], float]],
) -> None:
    made = gate()
    robot = Follower(made)
    for ticks, rows, gap in asked:
        times = gap * np.arange(1, len(rows) + 1)
        made.command(NAMES, np.array(rows), times, robot.now, robot.now)
        for _ in range(ticks):
            sent = robot.tick()
            assert sent is None or sent.times[-1] <= made.horizon_s + 1e-9
            assert np.all(robot.at >= LIMITS.low - 1e-9) and np.all(robot.at <= LIMITS.high + 1e-9)
    speeds = np.abs(robot.speeds)
    assert np.all(speeds <= LIMITS.speed + 1e-6) and not made.fault
    assert np.all(speeds[1:] <= speeds[:-1] + LIMITS.acceleration * 0.01 + 1e-6)


def test_the_tip_stays_in_its_box_also_between_rows_and_may_come_back_into_it() -> None:
    box = Box((-1.0, -1.0, 0.0), (0.125, 1.0, 1.0))
    made = gate(tip=lambda q: np.array([np.cos(5 * (q[0] - 0.3)) - 0.8, 0.0, 0.5]), box=box)  # out from 0.22 to 0.38
    assert made.tip is not None
    robot = Follower(made)
    made.command(NAMES, np.array([[0.5, -0.2, 0.05]]), np.array([1.0]), 10.0, 10.0)
    for _ in range(120):
        robot.tick()
    assert made.acted["box"] and made.tip(robot.at)[0] <= 0.125 and not made.fault
    made = gate(tip=lambda q: np.array([q[0] + 0.1, 0.0, 0.5]), box=box)  # begins outside
    sent = send(made, [[0.09, -0.2, 0.05]], 10.0)
    assert sent is not None and sent.positions[-1, 0] == pytest.approx(0.09)
    assert send(made, [[0.3, -0.2, 0.05]], 10.01) is None


FAULTS = {
    "stop": lambda made: made.stop(),
    "nan in a command": lambda made: made.command(NAMES, np.full((1, 3), np.nan), np.array([0.05]), 10.02, 10.02),
    "joints missing in a command": lambda made: made.command(NAMES[:2], np.zeros((1, 2)), np.array([0.05]), 10.02, 10.02),
    "another joint in a command": lambda made: made.command(("a", "b", "c"), np.zeros((1, 3)), np.array([0.05]), 10.02, 10.02),
    "wrong length": lambda made: made.command(NAMES, np.zeros((2, 3)), np.array([0.05]), 10.02, 10.02),
    "times fall": lambda made: made.command(NAMES, np.zeros((2, 3)), np.array([0.05, 0.05]), 10.02, 10.02),
    "nan in joint states": lambda made: made.joints(["a"], [np.nan], 10.02, 10.02),
    "names without positions": lambda made: made.joints(["a", "b"], [0.0], 10.02, 10.02),
    "a joint jumps": lambda made: made.joints(["a"], [0.4], 10.02, 10.02),
    "a joint is where it cannot be": lambda made: made.joints(["b"], [50.0], 10.02, 10.02),
    "too many rows": lambda made: made.command(NAMES, np.zeros((999, 3)), np.arange(1, 1000) / 100, 10.02, 10.02),
    "clock goes back": lambda made: made.tick(9.0),
    "clock jumps": lambda made: made.tick(12.0),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_holds_the_measured_pose_until_it_is_reset(fault: str) -> None:
    made = gate()
    send(made, [[0.15, -0.2, 0.049]], 10.0)
    made.joints(["b", "grip"], [0.112, 0.0495], 10.02, 10.02)
    FAULTS[fault](made)
    held = made.tick(10.02)
    assert made.fault and pose(held) == [0.112, -0.2, 0.049]  # the gripper goes on closing
    now = 10.04
    made.joints(list(START), [0.14, -0.2, 0.05], now, now)  # pushed away by somebody
    assert pose(send(made, [[0.3, -0.2, 0.05]], now)) == [0.112, -0.2, 0.049]  # latched
    made.command(NAMES, np.array([[0.3, -0.2, 0.05]]), np.array([0.05]), now, now)
    assert made.reset(now) == "" and made.tick(now) is None  # what came before the reset is forgotten
    assert send(made, [[0.31, -0.2, 0.05]], now) is not None and not made.fault


def test_what_is_held_beyond_a_limit_stays_there_and_a_grip_on_a_thing_does_not_make_the_arm_slow() -> None:
    made = Gate(LIMITS, grips=("grip",))
    beyond = float(LIMITS.high[LIMITS.names.index("a")]) + 0.1
    made.joints(("b", "a", "grip"), [0.1, beyond, 0.05], 10.0, 10.0)
    made.stop()
    held = made.tick(10.0)
    assert held is not None and beyond in held.positions[-1] and held.times.tolist() == [0.1]
    made = gate()
    send(made, [[0.1, -0.2, 0.0]], 10.0)
    made.stop()
    held = made.tick(10.01)
    assert held is not None and held.times.tolist() == [0.1, made.horizon_s]
    arm, grip = held.positions[:, :2], held.positions[:, 2]
    assert (
        np.all(arm == [0.1, -0.2]) and 0.05 > grip[0] > grip[1] < 0.05
    )  # the arm stands at once, the grip takes its time


@given(st.floats(-0.15, 0.23), st.floats(0.0, 0.24))
def test_a_held_gripper_is_never_sent_faster_than_it_may_go_wherever_it_is_measured(
    measured: float, later: float
) -> None:
    made = gate()
    send(made, [[0.1, -0.2, 0.0]], 10.0)
    made.stop()
    now = 10.01 + later
    made.joints(["grip"], [measured], now, now)
    held = made.tick(now)
    assert held is not None
    steps = np.diff(held.positions[:, 2]) / np.diff(held.times)
    assert np.abs(steps).max(initial=0.0) <= LIMITS.speed[2] + 1e-9
    ends = made.tick(10.3)
    assert ends is not None and ends.positions[-1, 2] == pytest.approx(held.positions[-1, 2])


def test_numbers_whose_difference_is_none_are_refused() -> None:
    made = gate()
    send(made, [[1.5e308, 0, 0], [-1.5e308, 0, 0]], 10.0)
    assert made.fault.startswith("command: not all numbers are finite")


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
    made.enable(False)
    assert pose(send(made, [[0.3, -0.2, 0.05]], 10.01)) == list(START.values())


def test_a_controller_that_falls_silent_is_a_fault_also_after_its_last_row() -> None:
    made = gate()
    robot = Follower(made)
    made.command(NAMES, np.array([[0.11, -0.2, 0.05]]), np.array([0.05]), 10.0, 10.0)
    made.beat = lambda now_s: None  # type: ignore[method-assign]
    for _ in range(9):
        robot.tick()
    assert not made.fault
    for _ in range(3):
        robot.tick()
    assert made.fault.startswith("controller")
    made = gate()
    made.command(NAMES, np.array([[0.11, -0.2, 0.05]]), np.array([0.05]), 10.0, 10.0)
    made.command(NAMES, np.zeros((0, 3)), np.zeros(0), 3.0, 10.01)  # "hold", however late: it is not in charge any more
    for k in range(2, 40):
        made.joints(list(START), list(START.values()), 10 + k / 100, 10 + k / 100)
        assert pose(made.tick(10 + k / 100)) == list(START.values())
    assert not made.fault


def test_nothing_goes_on_when_it_is_enabled_again_and_no_old_pose_is_held() -> None:
    made = gate()
    robot = Follower(made)
    made.command(NAMES, np.array([[0.9, -0.2, 0.05]]), np.array([3.0]), 10.0, 10.0)
    for _ in range(20):
        robot.tick()
    made.enable(False)
    robot.tick()
    made.enable(True)
    stood = robot.at
    for _ in range(30):
        assert robot.tick() is None
    np.testing.assert_allclose(robot.at, stood, atol=1e-9)
    robot.at = stood + (0.04, 0, 0)  # somebody moves it
    made.joints(NAMES, robot.at.tolist(), robot.now, robot.now)
    made.enable(False)
    assert pose(made.tick(robot.now)) == robot.at.tolist()


def test_where_states_are_lost_while_it_moves_it_stands_where_it_was_sent_to_by_then() -> None:
    made = gate()
    robot = Follower(made)
    made.command(NAMES, np.array([[0.9, -0.2, 0.05]]), np.array([1.0]), 10.0, 10.0)
    for _ in range(30):
        robot.tick()
    made.joints = lambda *_: None  # type: ignore[method-assign]
    lost = robot.at
    while not made.fault:
        robot.tick()
    assert made.fault.startswith("joint states") and np.all(robot.at[0] > lost[0] + 0.05)  # not pulled back
    assert np.abs(np.array(robot.speeds)[:, 0]).max() <= 1.0 + 1e-6


def test_a_clock_that_went_back_cannot_be_reset_before_new_states_came() -> None:
    made = gate()
    made.tick(9.5)
    assert made.fault.startswith("clock") and made.reset(9.51)
    made.joints(list(START), list(START.values()), 9.52, 9.52)
    assert made.reset(9.53) == ""


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


def test_velocities_are_the_slopes_of_the_positions_and_end_at_rest() -> None:
    sent = send(gate(), [[0.11, -0.19, 0.05], [0.14, -0.17, 0.05]], 10.0, times=[0.1, 0.2])
    assert sent is not None and not sent.hold
    rows = np.vstack([list(START.values()), sent.positions])
    np.testing.assert_allclose(sent.velocities[:-1], (rows[2:] - rows[:-2]) / 0.02, atol=1e-9)
    assert not sent.velocities[-1].any()


CLOCKS = {
    "back": ([100.0, 99.9], "went back"),
    "ahead": ([100.0, 101.0], "jumped ahead"),
    "still": ([100.0] * 60, "stands still"),
    "as the steady one": ([100.0, 100.01, 100.02], ""),
    "not begun": ([0.0] * 60 + [100.0, 100.01], ""),
    "coarse": (np.repeat(np.arange(100.0, 101.0, 0.05), 5).tolist(), ""),
}


@pytest.mark.parametrize("clock", CLOCKS)
def test_the_clock_of_the_stamps_may_neither_jump_nor_stand_still(clock: str) -> None:
    made = gate()
    for k, stamps in enumerate(CLOCKS[clock][0]):
        made.clock(stamps, 10 + k / 100)
    assert CLOCKS[clock][1] in made.fault and bool(made.fault) == bool(CLOCKS[clock][1])
