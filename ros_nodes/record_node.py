"""A robot's topics as a LeRobotDataset, while it works: what was sensed, and what the gate sent.

    python -m ros_nodes.record_node --ros-args -p robot:=sim -p out:=data/sim

An episode is a run of the controller; `keep` all or succeeded (the others are dropped). With `task`, all until the end of the node
is one episode of that sentence, whoever commands. ~/status (JSON, latched) says how many there are.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

from embodied.errors import UserError
from ros_nodes.bag import SENT
from ros_nodes.body import subscribe
from ros_nodes.description import described
from ros_nodes.process import LATCHED, RELIABLE, live, parameter
from ros_nodes.robots import RATE_HZ
from ros_nodes.session import Session

PARAMETERS = {
    "robot": ("sim", "a shipped robot, or the path of its .yaml"),
    "out": ("", "folder of the dataset; one that is there is added to"),
    "task": ("", "the sentence of one episode that is all there is; empty: an episode is a run of the controller"),
    "keep": ("succeeded", "of the controller's runs: succeeded, all"),
    "sent": (SENT, "the topic of the trajectories that go to the robot: the actions"),
}


class RecordNode(Node):
    """One dataset."""

    def __init__(self) -> None:
        super().__init__("record")
        name, out, task, keep, sent = (str(parameter(self, key, *rest)) for key, rest in PARAMETERS.items())
        if not out:
            raise UserError("out is missing; say where the dataset shall be, for example out:=data/mine")
        made = described(name)
        self.session = Session(made, Path(out), time.monotonic, task, keep)
        subscribe(self, self.session.inbox)
        self.create_subscription(JointTrajectory, sent, self.session.take_sent, RELIABLE)
        self.create_subscription(String, "controller/plan", self.session.take_plan, LATCHED)
        self.create_subscription(String, "controller/status", self.session.take_status, LATCHED)
        self.status, self.told = self.create_publisher(String, "~/status", LATCHED), ""
        self.create_timer(1 / RATE_HZ, self.tick, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def tick(self) -> None:
        session = self.session
        session.tick()
        state = "recording" if session.frames else "waiting"
        told = {
            "state": state,
            "goal": session.goal,
            "kept": session.kept,
            "dropped": session.dropped,
            "missing": session.why,
        }
        if (text := json.dumps(told)) != self.told:
            self.told = text
            self.status.publish(String(data=text))
            self.get_logger().info(f"{state}, {session.kept} kept, {session.dropped} dropped {session.why}")

    def failed(self, why: str) -> None:
        self.get_logger().error(why)

    def leave(self) -> None:
        self.session.close()


def main() -> int:
    return live(RecordNode)


if __name__ == "__main__":
    sys.exit(main())
