"""A robot or vehicle, its controller and an observer in one node, beyond the gate's topics; for tests and benchmarks."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from geometry_msgs.msg import TwistStamped
from nav_msgs.msg import Odometry
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, Empty, String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from ros_nodes import wire
from ros_nodes.process import LATCHED, RELIABLE
from ros_nodes.robots import FOLDER, robot

ENDS = ("succeeded", "failed", "refused", "stopped")
LATE = ("gate: joint states", "gate: tracking", "gate: controller", "stale")  # reasons that a busy machine gives
START = np.array([0.0, -0.84, 0.0, -2.6, 0.0, 1.76, 0.785, 0.04])


def variant(folder: Path, *changes: tuple[str, str], more: str = "") -> str:
    """The path of a copy of sim.yaml in folder, with texts replaced and lines added."""
    text = (FOLDER / "sim.yaml").read_text()
    for before, after in changes:
        if before not in text:
            raise KeyError(before)
        text = text.replace(before, after)
    (folder / "variant.yaml").write_text(text + more)
    return str(folder / "variant.yaml")


BLIND = (("cameras: [front, wrist]", "cameras: []"), ("fixed: [front]", "fixed: []"))
PATIENT = (
    ("tracking: 0.35", "tracking: 0.8"),
)  # with a watchdog of PATIENCE: other work on the machine must not fail a test
PATIENCE = "watchdog: 0.5\n"


class Bench:
    """Publishes joint states of an arm that follows what it is sent, commands of a slow wave, and notes all that comes."""

    def __init__(self, arm: bool = True) -> None:
        self.arm = arm  # whether it is the arm, too; else somebody else says where the joints are
        self.follows = True  # whether the arm does what it is sent
        self.context = Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node("bench", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.names = robot("sim").names
        self._path = np.zeros(1), START[None]  # when, where: what the arm follows
        self.sent: list[tuple[float, np.ndarray]] = []  # when, last row
        self.first: list[np.ndarray] = []  # first row of each
        self.told: dict[str, set[float]] = {name: set() for name in self.names}  # where each joint was said to be
        self.speeds: list[np.ndarray] = []  # the most of each joint in each, per s
        self._clients: dict[str, Any] = {}
        self.ahead = 0.0  # s, how far the last trajectory reaches
        self.heard: dict[str, dict[str, Any]] = {}
        out, take = self.node.create_publisher, self.node.create_subscription
        self.states, self.commands = (
            out(JointState, "joint_states", RELIABLE),
            out(JointTrajectory, "controller/command", RELIABLE),
        )
        self.beats, self.estop = out(Empty, "controller/heartbeat", RELIABLE), out(Bool, "estop", LATCHED)
        self.instruction = out(String, "controller/instruction", LATCHED)
        take(JointTrajectory, "joint_trajectory_controller/joint_trajectory", self.take, RELIABLE)
        for name in ("gate", "controller"):
            self.hear(name)
        take(String, "sim/goal", lambda m: self.heard.update(sim={"goal": m.data}), LATCHED)

    def hear(self, name: str) -> None:
        """Note the newest ~/status of that node in `heard`."""

        def take(message: String) -> None:
            if said := wire.said(message.data):  # others may say what is none
                self.heard[name] = said

        self.node.create_subscription(String, f"{name}/status", take, LATCHED)

    def take(self, message: JointTrajectory) -> None:
        if not self.arm:
            return
        now = time.monotonic()
        rows, times = wire.rows(message)
        rows = rows[:, [list(message.joint_names).index(name) for name in self.names]]
        if self.follows:
            self._path = np.array([now, *(now + times)]), np.vstack([self.at, rows])
        self.ahead = float(times[-1])
        self.sent.append((now, rows[-1]))
        self.first.append(rows[0])
        self.speeds.append(np.abs(np.diff(rows, axis=0) / np.diff(times)[:, None]).max(0, initial=0.0))

    def refuse(self) -> None:
        """Stay here, whatever is sent."""
        self.follows, self._path = False, (np.zeros(1), self.at[None])

    @property
    def at(self) -> np.ndarray:
        """Where the arm is now."""
        times, rows = self._path
        return np.array([np.interp(time.monotonic(), times, column) for column in rows.T])

    def state(self, names: Sequence[str], positions: np.ndarray, when_s: float) -> JointState:
        message = JointState(name=list(names), position=positions.tolist())
        for name, position in zip(names, positions.tolist(), strict=False):
            self.told.setdefault(name, set()).add(position)
        message.header.stamp = wire.stamp(max(0.0, when_s))
        return message

    def measure(self) -> None:
        self.states.publish(self.state(self.names, self.at, time.time()))

    def move(self, row: np.ndarray | None = None, names: tuple[str, ...] = ()) -> None:
        """A chunk of five rows onwards from where the arm is, or this row."""
        wave = self.at + np.array([0.004, 0, 0, 0, 0, 0, 0, 0]) * np.arange(1.0, 6.0)[:, None]
        wave = wave if row is None else row[None]
        self.commands.publish(
            wire.trajectory_message(names or self.names, 0.05 * np.arange(1.0, len(wave) + 1), wave, time.time())
        )

    def until(self, there: Callable[[], Any], limit_s: float = 10.0, every: Callable[[], None] | None = None) -> float:
        """Spin, calling `every` at 50 Hz, until `there()`; how long it took, s. AssertionError after limit_s."""
        began = latest = time.monotonic()
        while not there():
            self.executor.spin_once(timeout_sec=0.002)
            now = time.monotonic()
            assert now - began < limit_s, f"nothing within {limit_s} s: {self.heard}"
            if every is not None and now - latest > 0.02:
                latest = now
                every()
        return time.monotonic() - began

    def beat_and_move(self) -> None:
        self.beats.publish(Empty())
        self.move()

    def moving(self) -> None:
        self.measure()
        self.beat_and_move()

    def call(self, service: str, every: Callable[[], None] | None = None) -> Any:
        """The answer of a Trigger service. A call may get lost where its node has just started: then it is made again."""
        client = self._clients.setdefault(service, None) or self.node.create_client(Trigger, service)
        self._clients[service] = client
        every = every or (self.measure if self.arm else None)
        self.until(client.service_is_ready, every=every)
        for _ in range(10):
            future = client.call_async(Trigger.Request())
            until = time.monotonic() + 1.0
            self.until(lambda f=future, t=until: f.done() or time.monotonic() > t, every=every)
            if future.done():
                return future.result()
        raise AssertionError(f"{service} does not answer")

    def carry_out(self, goal: str, limit_s: float = 120.0, attempts: int = 3) -> int:
        """Say it and wait for the end; how often it had to be said again, because on a busy machine the simulator was later than a
        gate allows."""
        again = 0
        while True:
            self.until(lambda: self.call("gate/reset_fault").success and not self.heard["gate"].get("fault"), 20.0)
            self.heard["controller"] = {}
            self.instruction.publish(String(data=goal))
            self.until(lambda: self.heard["controller"].get("state") in ENDS, limit_s)
            late = str(self.heard["controller"].get("reason", "")).startswith(LATE)
            again += (
                late and self.heard["controller"]["state"] == "stopped"
            )  # refused: it had not heard of the reset yet
            if not late or again == attempts:
                return again

    def moved_since(
        self, at_s: float, of: Callable[[np.ndarray], np.ndarray] = np.asarray, least: float = 1e-9
    ) -> float:
        """How long after at_s it was still sent to move, s; 0 when not. of: what of a row counts as motion, from `least` on."""
        ends, begins = [of(row) for _, row in self.sent], [of(row) for row in self.first]
        k = len(ends)
        while k and max(np.abs(ends[k - 1] - ends[-1]).max(), np.abs(begins[k - 1] - ends[k - 1]).max()) < least:
            k -= 1
        return max(0.0, self.sent[min(k, len(ends) - 1)][0] - at_s)

    def close(self) -> None:
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.try_shutdown(context=self.context)


class Base(Bench):
    """A vehicle's base that does what it is sent, and who drives it and holds the dead-man's switch; notes all that comes."""

    def __init__(self) -> None:
        super().__init__(arm=False)
        out = self.node.create_publisher
        self.twists, self.switch = out(TwistStamped, "controller/twist", RELIABLE), out(Bool, "dead_man", RELIABLE)
        self.odometry, self.held, self.moves = out(Odometry, "odom", RELIABLE), True, np.zeros(3)
        self.node.create_subscription(TwistStamped, "diff_drive_controller/cmd_vel", self._follow, RELIABLE)

    def _follow(self, message: TwistStamped) -> None:
        self.moves = wire.twist(message.twist)
        self.sent.append((time.monotonic(), self.moves))

    def roll(self) -> None:
        """Measure, and hold the switch or not."""
        self.odometry.publish(wire.odometry_message(None, self.moves, time.time()))
        self.switch.publish(Bool(data=self.held))

    def steer(self, twist: np.ndarray | None = None) -> None:
        twist = np.array([0.4, 0.3, 0.5]) if twist is None else twist
        self.twists.publish(wire.twist_message(twist, "base_link", time.time()))

    def drive(self) -> None:
        self.roll()
        self.steer()

    def moved_since(
        self, at_s: float, of: Callable[[np.ndarray], np.ndarray] = np.asarray, least: float = 1e-9
    ) -> float:
        """How long after at_s it was still sent to move, s; 0 when not."""
        moving = [when for when, twist in self.sent if np.abs(of(twist)).max() > least]
        return max(0.0, moving[-1] - at_s) if moving else 0.0
