"""The only process that talks to the robot. Small: no torch, no pictures; its checks are embodied/control/gate.py.

    python -m ros_nodes.gate_node --ros-args -p robot:=sim

Takes controller/command (JointTrajectory; one without points means hold), controller/heartbeat, joint_states and estop
(ros_nodes/guard.py). Sends by the adapters of the robot's YAML, and says the same on ~/sent for whoever records it. `dry_run`
checks and reports everything and sends nothing; on real robots it is on until it is turned off. A robot whose file does not
say `armed: true` begins with a fault: nothing moves, after a crash neither, until ~/reset_fault.
"""

from __future__ import annotations

import sys
import time

from sensor_msgs.msg import JointState
from std_msgs.msg import Empty
from trajectory_msgs.msg import JointTrajectory

from embodied.control.gate import Gate, Trajectory
from embodied.errors import UserError
from ros_nodes import adapters, wire
from ros_nodes.description import described
from ros_nodes.guard import ARMED, DRY_RUN, SHARE, Guard
from ros_nodes.process import RELIABLE, live, parameter


class GateNode(Guard):
    """One arm's gate."""

    def __init__(self) -> None:
        super().__init__()
        self.robot = described(str(parameter(self, "robot", "sim", "a shipped robot, or the path of its .yaml")))
        fake = bool(
            parameter(
                self, "fake", False, "a fake arm follows ~/sent: nothing goes to the robot, whatever dry_run says"
            )
        )
        dry_run = bool(parameter(self, "dry_run", self.robot.dry_run, DRY_RUN)) or fake
        armed = bool(parameter(self, "armed", self.robot.armed, ARMED))
        slower = self.number(*SHARE)
        limits = self.robot.limits
        limits = limits.tightened(speed={n: v * slower for n, v in zip(limits.names, limits.speed, strict=True)})
        grips = (self.robot.names[-1],)
        watchdog = float(self.robot.watchdog)
        gate = Gate(limits, self.robot.reached, self.robot.boxed, joints_s=watchdog, grips=grips, follows=not dry_run)
        self.parts: list[tuple[adapters.Adapter, list[int]]] = []
        for output in self.robot.outputs:
            names = output.joints or limits.names
            if unknown := [name for name in names if name not in limits.names]:
                raise UserError(
                    f"output {output.topic} names the joint {unknown[0]!r}; there are {', '.join(limits.names)}"
                )
            self.outputs.append(adapters.build(self, output, names, self.refused))
            self.parts.append((self.outputs[-1], [limits.names.index(name) for name in names]))
        self.sent = self.create_publisher(JointTrajectory, "~/sent", RELIABLE)
        self.guard(gate, dry_run, armed)
        self.create_subscription(JointState, self.robot.topic("joint_states"), self.joints, RELIABLE)
        self.create_subscription(JointTrajectory, "controller/command", self.command, RELIABLE)
        self.create_subscription(Empty, "controller/heartbeat", lambda _: gate.beat(time.monotonic()), RELIABLE)

    def joints(self, message: JointState) -> None:
        stamp, now = self.steady(message.header.stamp)
        self.take(self.gate.joints, list(message.name), list(message.position), stamp, now)

    def command(self, message: JointTrajectory) -> None:
        try:
            rows, times = wire.rows(message)
        except UserError as error:
            return self.stop(f"command: {error}")
        stamp, now = self.steady(message.header.stamp)
        self.gate.command(list(message.joint_names), rows, times, stamp, now)
        return self.tick()  # neither "hold" nor a motion waits for the timer

    def carry(self, ros_now: float, now: float) -> None:
        sent = self.gate.tick(now)
        if sent is None:
            return
        self.send([(adapter, lambda m=mine: _part(sent, m)) for adapter, mine in self.parts], ros_now, now)
        if self.sent.get_subscription_count():
            names = self.gate.limits.names
            self.sent.publish(wire.trajectory_message(names, sent.times, sent.positions, ros_now, sent.velocities))


def _part(sent: Trajectory, mine: list[int]) -> Trajectory:
    """The same for some of the joints."""
    return Trajectory(sent.times, sent.positions[:, mine], sent.velocities[:, mine], sent.hold)


def main() -> int:
    return live(GateNode)


if __name__ == "__main__":
    sys.exit(main())
