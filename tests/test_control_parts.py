"""Clock, chunks, safety: every rule is seen to act."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from embodied.control.beside import Beside
from embodied.control.chunks import Blend, Ensemble, index_at
from embodied.control.clock import NewsClock, RealClock, SimulatedClock
from embodied.control.priority import first, priority
from embodied.control.safety import Box, Safety, held_pose
from embodied.errors import UserError
from embodied.protocols import Clock
from embodied.spec import BodySpec, Channels
from embodied.types import ActionChunk, Observation

ACTION = Channels(("x", "y", "yaw", "width"), ("m", "m", "rad", "m"), (0, -1, -1.6, 0), (1, 1, 1.6, 0.08), 20.0)
ARM = Channels(
    ("x", "y", "yaw", "width", "force"), ("m", "m", "rad", "m", "N"), (0, -1, -2, 0, 0), (1, 1, 2, 0.08, 40), 20.0
)
SPEC = BodySpec("toy", {}, {"arm": ARM}, ACTION)
HERE = np.array([0.5, 0.1, 0.2, 0.04], np.float32)
OBS = Observation(10.0, {}, {"arm": np.array([[0, 0, 0, 0, 0], [*HERE, 7]], np.float32)})


def chunk(t0: float, values: list[float], width: int = 1) -> ActionChunk:
    return ActionChunk(t0, 0.1, np.repeat(np.array(values, np.float32)[:, None], width, axis=1))


def test_a_simulated_clock_moves_only_by_waiting_and_a_real_one_by_itself():
    simulated, real = SimulatedClock(3.0), RealClock()
    simulated.sleep_until(2.0)
    assert simulated.now_s() == 3.0
    simulated.sleep_until(4.5)
    assert simulated.now_s() == 4.5
    clocks: list[Clock] = [simulated, real]
    for clock in clocks:
        aim = clock.now_s() + 0.001
        clock.sleep_until(aim)
        assert clock.now_s() >= aim


class Told(NewsClock):
    """Whose time is what the test says."""

    time_s = 0.0

    def now_s(self) -> float:
        return self.time_s

    def news(self, at_s: float) -> None:
        self.time_s = at_s
        self.tell()


def hears(clock: Told, asked_s: float, at_s: float) -> bool:
    """Whether who waits for asked_s is woken by news at at_s. What it would wait for at the most is longer than a test lasts."""
    sleeper = threading.Thread(target=clock.sleep_until, args=(asked_s,), daemon=True)
    sleeper.start()
    sleeper.join(0.05)
    assert sleeper.is_alive()
    clock.news(at_s)
    sleeper.join(1.0)
    return not sleeper.is_alive()


def test_a_tick_begins_with_the_news_nearest_to_it_and_with_none_a_little_later():
    clock = Told(200.0)
    for at_s in range(-900, 1201, 100):  # until what it was before the first is forgotten
        clock.news(at_s)
    clock.sleep_until(1250.0)  # half a gap ago is near enough; else this waits for ever, for its time stands still
    clock.time_s = 1220.0
    assert hears(clock, 1260.0, 1300.0)
    clock.time_s = 1391.0
    assert hears(clock, 1390.0, 1441.0)  # late, but a fast stream: it is waited for beyond half a gap
    clock.news(1442.0)  # two in a burst do not make a fast stream
    clock.time_s = 1490.0
    assert hears(clock, 1510.0, 1500.0)
    clock.time_s = 1713.0  # nothing has come for more than a gap
    clock.sleep_until(1600.0)
    slow = Told(10.0)
    for at_s in (1000.0, 1100.0, 1200.0):
        slow.news(at_s)
    slow.time_s = 1260.5
    slow.sleep_until(1250.0)  # past most_s
    calm = Told(10.0)
    calm.sleep_until(0.0)  # where nothing ever came it is a real clock


def test_a_thread_beside_answers_raises_and_calls_only_the_newest_of_those_that_wait():
    beside, go, called = Beside("test"), threading.Event(), []
    assert beside.submit(divmod, 7, 2).result() == (3, 1)
    with pytest.raises(ZeroDivisionError):
        beside.submit(divmod, 7, 0).result()
    beside.submit(go.wait)
    for k in range(5):
        beside.latest(called.append, k)
    go.set()
    beside.submit(lambda: None).result()
    assert called == [4]


@pytest.mark.parametrize("seam", [Blend(), Ensemble()])
def test_late_rows_are_skipped_and_an_old_chunk_says_nothing(seam):
    seam.add(chunk(0.0, [0, 1, 2, 3]), now_s=0.2)
    assert seam.due(0.2)[0] == 2
    assert seam.due(0.3)[0] == 3
    assert seam.due(0.4) is None
    assert len(seam.left(0.2).actions) == 2 and seam.left(0.2).t0_s == pytest.approx(0.2)
    seam.clear()
    assert seam.due(0.2) is None


def test_index_is_the_nearest_tick():
    one = chunk(1.0, [0, 1])
    assert [index_at(one, t) for t in (0.94, 0.96, 1.04, 1.06, 1.9)] == [-1, 0, 0, 1, 9]


def test_blend_fades_from_the_old_chunk_into_the_new_one():
    seam = Blend(rows=3)
    seam.add(chunk(0.0, [0] * 10), 0.0)
    seam.add(chunk(0.2, [1] * 10), 0.2)
    assert np.allclose([seam.due(0.2 + 0.1 * k)[0] for k in range(5)], [0.25, 0.5, 0.75, 1, 1])
    hard = Blend(rows=0)
    hard.add(chunk(0.0, [0] * 10), 0.0)
    hard.add(chunk(0.2, [1] * 10), 0.2)
    assert hard.due(0.2)[0] == 1


def test_ensemble_is_the_weighted_mean_oldest_first():
    seam = Ensemble(decay=0.5)
    for k, value in enumerate([0.0, 1.0, 4.0]):
        seam.add(chunk(0.1 * k, [value] * 10), 0.1 * k)
    w = np.exp(-0.5 * np.arange(3))
    assert seam.due(0.3)[0] == pytest.approx(float(w @ [0, 1, 4] / w.sum()))


@pytest.mark.parametrize("kind", [Blend, Ensemble])
def test_a_gripper_yaw_is_mixed_the_short_way_round(kind):
    seam = kind(periods=np.array([np.pi]))
    seam.add(chunk(0.0, [1.5] * 9), 0.0)
    seam.add(chunk(0.0, [-1.5] * 9), 0.1)
    assert abs(abs(seam.due(0.1)[0]) - np.pi / 2) < 0.08


def test_a_good_command_passes_unchanged():
    safety = Safety(SPEC)
    wanted = HERE + np.float32(0.01)
    assert np.allclose(safety.filter(wanted, OBS, 10.0, 0.05), wanted)
    assert not safety.acted and not safety.fault


@pytest.mark.parametrize(
    ("rule", "values", "now", "stop"),
    [
        ("shape", np.zeros(3), 10.0, False),
        ("nan", np.array([0.5, np.nan, 0, 0]), 10.0, False),
        ("nan", np.array([0.5, np.inf, 0, 0]), 10.0, False),
        ("stale", HERE, 10.6, False),
        ("stale", HERE, float("nan"), False),
        ("stop", HERE, 10.0, True),
    ],
)
def test_a_fault_holds_the_measured_pose_until_reset(rule, values, now, stop):
    safety = Safety(SPEC, stop=lambda: stop)
    first = safety.filter(values, OBS, now, 0.05)
    assert np.allclose(first, HERE) and safety.fault.startswith(rule) and safety.acted[rule] == 1
    elsewhere = Observation(10.0, {}, {"arm": np.ones((1, 5), np.float32)})
    stop = False
    assert np.allclose(safety.filter(HERE + np.float32(0.01), elsewhere, 10.0, 0.05), HERE), "still held"
    safety.reset()
    assert np.allclose(safety.filter(HERE, OBS, 10.0, 0.05), HERE) and not safety.fault


def test_limits_box_and_speed_move_the_command_to_the_nearest_allowed_one():
    safety = Safety(SPEC, speeds={"x": 100.0, "y": 100.0, "width": 100.0})
    assert safety.filter(np.array([2, 0.1, 0.2, 0.09]), OBS, 10.0, 0.05) == pytest.approx([1, 0.1, 0.2, 0.08])
    assert safety.acted["limits"] == 1
    safety = Safety(SPEC, speeds={"x": 0.2})
    for k in range(1, 4):
        assert safety.filter(np.array([0.9, 0.1, 0.2, 0.04]), OBS, 10.0, 0.05)[0] == pytest.approx(
            0.5 + 0.01 * k, abs=1e-4
        )
    assert safety.acted["speed"] == 3
    xyz = Channels(("x", "y", "z"), ("m",) * 3, (-1,) * 3, (1,) * 3, 20.0)
    spec = BodySpec("toy", {}, {"tip": xyz}, xyz)
    safety = Safety(spec, box=Box((0, 0, 0.1), (0.5, 0.5, 0.5)), speeds=dict.fromkeys("xyz", 100.0))
    still = Observation(10.0, {}, {"tip": np.full((1, 3), 0.3, np.float32)})
    assert safety.filter(np.array([0.6, -0.1, 0.0]), still, 10.0, 0.05) == pytest.approx([0.5, 0, 0.1])
    assert safety.acted["box"] == 1


def test_a_box_for_joints_goes_through_kinematics():
    with pytest.raises(UserError, match="tip"):
        Safety(SPEC, box=Box((0, 0, 0), (1, 1, 1)))
    safety = Safety(SPEC, box=Box((0, 0, 0), (0.52, 1, 1)), tip=lambda q: np.array([q[0], 0.5, 0.5]))
    assert safety.filter(HERE + np.float32([0.01, 0, 0, 0]), OBS, 10.0, 0.05)[0] == pytest.approx(0.51)
    assert safety.filter(HERE + np.float32([0.03, 0, 0, 0]), OBS, 10.0, 0.05)[0] == pytest.approx(0.51), "stays inside"
    assert safety.acted["box"] == 1
    with pytest.raises(UserError, match="speed limits name"):
        Safety(SPEC, speeds={"elbow": 1.0})


def test_a_hold_never_lets_go():
    closed = np.array([0.4, 0.1, 0.2, 0.01])
    assert held_pose(SPEC, OBS, closed) == pytest.approx([*HERE[:3], 0.01])
    broken = Observation(0.0, {}, {"arm": np.full((1, 5), np.nan, np.float32)})
    assert np.all(np.isfinite(held_pose(SPEC, broken)))


def test_holding_a_velocity_is_zero_whatever_is_measured_or_was_commanded():
    action = Channels(("speed", "turn"), ("m/s", "rad/s"), (-9, -9), (9, 9), 20.0)
    spec = BodySpec("car", {}, {"ego": Channels(("speed",), ("m/s",), (-9,), (9,), 20.0)}, action)
    moving = Observation(0.0, {}, {"ego": np.array([[5.0]], np.float32)})
    assert not held_pose(spec, moving, np.array([5.0, 1.0])).any()
    safety = Safety(spec)
    assert safety.filter(np.array([5.0, 1.0]), moving, 0.0, 0.05).tolist() == [5.0, 1.0]
    assert not safety.trip("stop", moving).any()


def test_who_moves_the_robot_comes_before_what_is_computed_beside_it():
    seen: dict[str, int] = {}

    def loop() -> None:
        seen["allowed"] = first(7)
        seen["loop"] = priority()
        threads = [threading.Thread(target=lambda: seen.update(thread=priority()))]
        threads[0].start()
        threads[0].join()
        beside = Beside("policy")
        seen["policy"] = beside.submit(priority).result(10.0)
        beside.close()
        seen["back"] = first(0) and priority()

    runs = threading.Thread(target=loop)  # of a thread of its own: the others stay as they are
    runs.start()
    runs.join()
    if not seen["allowed"]:
        pytest.skip("this system lets no process come before others (rtprio)")
    assert seen == {"allowed": True, "loop": 7, "thread": 7, "policy": 0, "back": 0} and priority() == 0
