"""The fault table's row of a robot behind a FollowJointTrajectory action, where control_msgs is there: it refuses a goal."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from rclpy.action.server import ActionServer, CancelResponse, GoalResponse, ServerGoalHandle
from ros_faults import Outcome, outcome

from ros_nodes import start
from ros_nodes.fake import Bench, variant

TOPIC = "joint_trajectory_controller/joint_trajectory"
ACTION = "joint_trajectory_controller/follow_joint_trajectory"


class Server:
    """The bench's arm behind the action: what it accepts it follows, every goal is noted as sent to it."""

    def __init__(self, bench: Bench, kind: Any) -> None:
        self.bench, self.kind, self.rejects = bench, kind, False
        self.action = ActionServer(
            bench.node,
            kind,
            ACTION,
            self.done,
            goal_callback=self.asked,
            cancel_callback=lambda _: CancelResponse.ACCEPT,
        )

    def asked(self, goal: Any) -> GoalResponse:
        if self.rejects:
            self.bench.refuse()
        self.bench.take(goal.trajectory)
        return GoalResponse.REJECT if self.rejects else GoalResponse.ACCEPT

    def done(self, handle: ServerGoalHandle) -> Any:
        handle.succeed()
        return self.kind.Result()


def rejected() -> Outcome:
    kind = importlib.import_module("control_msgs.action").FollowJointTrajectory
    path = variant(
        Path(tempfile.mkdtemp()),
        (f"topic: {TOPIC}, adapter: trajectory", f"topic: {ACTION}, adapter: follow_joint_trajectory"),
    )
    bench = Bench()
    server = Server(bench, kind)
    with start.processes({"gate": start.command("gate_node", {"robot": path})}, stderr=subprocess.DEVNULL):
        bench.until(lambda: "gate" in bench.heard, 30.0)
        bench.until(lambda: server.action and len(bench.sent) > 20, 20.0, every=bench.moving)
        server.rejects, count = True, len(bench.sent)
        bench.until(lambda: len(bench.sent) > count, every=bench.moving)
        at = bench.sent[count][0]  # the first goal that it refused
        bench.until(lambda: time.monotonic() - at > 1.2, every=bench.moving)
        took = outcome(bench, at)
        if "rejected" not in (said := str(bench.heard["gate"].get("fault", ""))):
            print(f"  the gate says {said!r}, not that a goal was rejected")
    server.action.destroy()
    bench.close()
    return took


ACTIONS = {"action server refuses a goal": (rejected, None)} if importlib.util.find_spec("control_msgs") else {}
