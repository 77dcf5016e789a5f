"""From an observation's stamp to the command that it led to, beside a bare rclpy relay of the same messages in the same run.

Every joint state carries its number in the gripper's opening; the stub policy "echo" answers with the opening that it saw, so that
each command says which observation it is of. The gate is measured by itself: from a command's arrival to what it sends the robot.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from ros_faults_controller import blind
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

from ros_nodes import start
from ros_nodes.fake import Bench
from ros_nodes.process import RELIABLE
from ros_nodes.robots import robot

HERE = Path(__file__).parent
STEP_M = 2e-6  # of the opening, from one joint state to the next


class Numbered(Bench):
    """A bench whose joint states are numbered, and that hears the relay, the controller and the gate."""

    def __init__(self) -> None:
        super().__init__()
        self.robot, self.count = robot("sim"), 0
        self.born: list[float] = []  # when each joint state was sent
        self.commanded: dict[int, float] = {}  # number of a command's gripper -> when it was stamped
        self.took: dict[str, list[float]] = {"relay": [], "controller": [], "gate": []}
        hear = self.node.create_subscription
        hear(JointTrajectory, "relayed", lambda m: self._came("relay", m), RELIABLE)
        hear(JointTrajectory, "controller/command", lambda m: self._came("controller", m), RELIABLE)
        hear(JointTrajectory, "gate/sent", self._sent, RELIABLE)
        self._last = {"controller": -1, "gate": -1}

    def number(self, message: JointTrajectory) -> int:
        grip = list(message.points[-1].positions)[list(message.joint_names).index(self.names[-1])]
        return round((self.robot.opening(grip) - 0.03) / STEP_M)

    def _came(self, who: str, message: JointTrajectory) -> None:
        if not message.points:
            return
        k, now = self.number(message), time.monotonic()
        if who == "controller":
            self.commanded.setdefault(k, now)
            if k == self._last[who]:
                return  # the same observation again
            self._last[who] = k
        if 0 <= k < len(self.born):
            self.took[who].append(now - self.born[k])

    def _sent(self, message: JointTrajectory) -> None:
        k = self.number(message)
        if k != self._last["gate"] and k in self.commanded:
            self._last["gate"] = k
            self.took["gate"].append(time.monotonic() - self.commanded[k])

    def observe(self) -> None:
        """One joint state."""
        at = self.at.copy()
        at[-1] = self.robot.grip(0.03 + STEP_M * self.count)
        self.born.append(time.monotonic())
        self.count += 1
        self.states.publish(self.state(self.names, at, time.time()))


def latency(seconds: float, priority: int = 0) -> None:
    bench, path = Numbered(), blind()
    stub = start.command("stub", {"robot": path, "priority": priority})
    nodes = {
        "gate": start.command("gate_node", {"robot": path, "priority": priority}), "controller": stub,
        "relay": [sys.executable, str(HERE / "relay.py"), "--ros-args", "-p", f"priority:={priority}"],
    }  # fmt: skip
    with start.processes(nodes, stderr=subprocess.DEVNULL):
        bench.until(lambda: bench.heard.get("controller", {}).get("state") == "idle", 30.0, bench.observe)
        bench.instruction.publish(String(data="echo"))
        bench.until(lambda: len(bench.took["gate"]) > 20, 20.0, bench.observe)
        for times in bench.took.values():
            times.clear()
        ends = time.monotonic() + seconds
        bench.until(lambda: time.monotonic() > ends, seconds + 10, bench.observe)
    base = np.percentile(bench.took["relay"], (50, 99)) * 1e3
    print("| from -> to | n | p50 ms | p99 ms | p99 beyond the relay's, ms |\n|---|---|---|---|---|")
    for who, words in (
        ("relay", "joint state -> the same by a bare relay"),
        ("controller", "joint state -> command of the 20 Hz loop, policy of 0 ms"),
        ("gate", "command -> sent to the robot"),
    ):
        p50, p99 = np.percentile(bench.took[who], (50, 99)) * 1e3
        print(f"| {words} | {len(bench.took[who])} | {p50:.1f} | {p99:.1f} | {p99 - base[1]:.1f} |")
    bench.close()
