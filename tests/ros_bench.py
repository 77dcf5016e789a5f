"""A robot, a controller and an observer in one node, on the other side of the gate's topics; for tests and benchmarks."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, Empty, String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from ros_nodes import wire
from ros_nodes.process import LATCHED, RELIABLE
from ros_nodes.robots import robot

START = np.array([0.0, -0.84, 0.0, -2.6, 0.0, 1.76, 0.785, 0.04])


class Bench:
    """Publishes joint states of an arm that follows what it is sent, commands of a slow wave, and notes all that comes."""

    def __init__(self) -> None:
        self.context = Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node("bench", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.names, self.at = robot("sim").names, START.copy()
        self.sent: list[tuple[float, np.ndarray]] = []  # when, last row
        self.status: dict[str, Any] = {}
        self.heard: dict[str, dict[str, Any]] = {}
        out, take = self.node.create_publisher, self.node.create_subscription
        self.states, self.commands = (
            out(JointState, "joint_states", RELIABLE),
            out(JointTrajectory, "controller/command", RELIABLE),
        )
        self.beats, self.estop = out(Empty, "controller/heartbeat", RELIABLE), out(Bool, "estop", LATCHED)
        self.instruction = out(String, "controller/instruction", LATCHED)
        take(JointTrajectory, "joint_trajectory_controller/joint_trajectory", self._take, RELIABLE)
        for name in ("gate", "controller"):
            take(String, f"{name}/status", lambda m, name=name: self.heard.update({name: json.loads(m.data)}), LATCHED)
        take(String, "sim/goal", lambda m: self.heard.update(sim={"goal": m.data}), LATCHED)

    def _take(self, message: JointTrajectory) -> None:
        rows, _ = wire.rows(message)
        order = [list(message.joint_names).index(name) for name in self.names]
        self.sent.append((time.monotonic(), rows[-1, order]))
        self.at = rows[-1, order]

    def measure(self) -> None:
        message = JointState(name=list(self.names), position=self.at.tolist())
        message.header.stamp = wire.stamp(time.time())
        self.states.publish(message)

    def move(self, row: np.ndarray | None = None, names: tuple[str, ...] = ()) -> None:
        """A chunk of five rows onwards from where the arm is, or this row."""
        wave = self.at + np.array([0.004, 0, 0, 0, 0, 0, 0, 0]) * np.arange(1, 6)[:, None] if row is None else row[None]
        self.commands.publish(
            wire.trajectory_message(names or self.names, 0.05 * np.arange(1, len(wave) + 1), wave, time.time())
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

    def moving(self) -> None:
        self.measure()
        self.beats.publish(Empty())
        self.move()

    def call(self, service: str) -> Any:
        client = self.node.create_client(Trigger, service)
        self.until(client.service_is_ready, every=self.measure)
        future = client.call_async(Trigger.Request())
        self.until(future.done, every=self.measure)
        return future.result()

    def moved_since(self, at_s: float) -> float:
        """The last moment after at_s at which another position was commanded than just before, relative to it; 0: none."""
        later = [(t, row) for t, row in self.sent if t > at_s]
        changes = [
            t for (t, row), (_, before) in zip(later[1:], later, strict=False) if np.abs(row - before).max() > 1e-9
        ]
        return max(changes, default=at_s) - at_s

    def close(self) -> None:
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.try_shutdown(context=self.context)
