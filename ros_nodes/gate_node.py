"""The only process that talks to the robot. Small: no torch, no pictures; its checks are embodied/control/gate.py.

    python -m ros_nodes.gate_node --ros-args -p robot:=sim

Takes controller/command (JointTrajectory; one without points means hold), controller/heartbeat, joint_states and estop
(Bool, latched: true stops). Sends to the topics of the robot's YAML. Services ~/estop, ~/reset_fault, ~/set_enabled. ~/status
says what it does. `dry_run` checks and reports everything and sends nothing; on real robots it is on until it is turned off.
A robot whose file does not say `armed: true` begins with a fault: nothing moves, after a crash neither, until ~/reset_fault.
"""

from __future__ import annotations

import json
import sys
import time

from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node
from rclpy.publisher import Publisher
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, Empty, Float64MultiArray, String
from std_srvs.srv import SetBool, Trigger
from trajectory_msgs.msg import JointTrajectory

from embodied.control.gate import Gate, Trajectory
from embodied.errors import UserError
from ros_nodes import wire
from ros_nodes.process import LATCHED, RELIABLE, live
from ros_nodes.robots import Output, robot

TICK_S = 0.01
ADAPTERS = {"trajectory": JointTrajectory, "forward": Float64MultiArray}


class GateNode(Node):
    """One robot's gate."""

    def __init__(self) -> None:
        super().__init__("gate")
        self.robot = robot(str(self.declare_parameter("robot", "sim").value))
        default = self.robot.dry_run
        self.dry_run = bool(self.declare_parameter("dry_run", default).value)
        slower = float(self.declare_parameter("speed_share", 1.0).value or 0)
        if not 0 < slower <= 1:
            raise UserError(f"speed_share={slower} must be above 0 and at most 1: it can only slow the robot down")
        limits = self.robot.limits
        limits = limits.tightened(speed={n: v * slower for n, v in zip(limits.names, limits.speed, strict=True)})
        self.gate = Gate(
            limits, self.robot.reached, self.robot.boxed, grips=(self.robot.names[-1],), follows=not self.dry_run
        )
        if not self.declare_parameter("armed", self.robot.armed).value:
            self.gate.stop("just started: ~/reset_fault lets it move")
        self.pressed = False  # the emergency stop's topic
        self.outputs = [(one, self._publisher(one)) for one in self.robot.outputs]
        self.status = self.create_publisher(String, "~/status", LATCHED)
        self.create_subscription(JointState, "joint_states", self.joints, RELIABLE)
        self.create_subscription(JointTrajectory, "controller/command", self.command, RELIABLE)
        self.create_subscription(Empty, "controller/heartbeat", lambda _: self.gate.beat(time.time()), RELIABLE)
        self.create_subscription(Bool, "estop", self.press, LATCHED)
        self.create_service(Trigger, "~/estop", self.estop)
        self.create_service(Trigger, "~/reset_fault", self.reset)
        self.create_service(SetBool, "~/set_enabled", self.enable)
        self.told, self.acted, self.told_at = ("", ""), dict[str, int](), 0.0
        # Of a clock that nobody sets: a jump of the system's time must not stop the checks that find it.
        self.create_timer(TICK_S, self.tick, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _publisher(self, output: Output) -> Publisher:
        if output.adapter not in ADAPTERS:
            raise UserError(f"adapter {output.adapter!r} is unknown; choose from {', '.join(ADAPTERS)}")
        return self.create_publisher(ADAPTERS[output.adapter], output.topic, RELIABLE)

    def joints(self, message: JointState) -> None:
        self.gate.joints(list(message.name), list(message.position), wire.seconds(message.header.stamp), time.time())

    def command(self, message: JointTrajectory) -> None:
        try:
            rows, times = wire.rows(message)
        except UserError as error:
            return self.stop(f"command: {error}")
        self.gate.command(list(message.joint_names), rows, times, wire.seconds(message.header.stamp), time.time())
        return None if len(rows) else self.tick()  # "hold" does not wait

    def tick(self) -> None:
        now = time.time()
        sent = self.gate.tick(now)
        if sent is not None and not self.dry_run:
            for output, publisher in self.outputs:
                publisher.publish(self._message(output, sent, now))
        self.say()

    def _message(self, output: Output, sent: Trajectory, now: float) -> JointTrajectory | Float64MultiArray:
        names = self.gate.limits.names
        mine = [names.index(name) for name in output.joints or names]
        if output.adapter == "forward":
            return Float64MultiArray(data=sent.positions[0, mine].tolist())
        return wire.trajectory_message([names[k] for k in mine], sent.times, sent.positions[:, mine], now)

    def say(self) -> None:
        """~/status, when it changes; how often a limit acted, once a second."""
        gate, now = self.gate, time.monotonic()
        state = "fault" if gate.fault else "enabled" if gate.enabled else "disabled"
        told = (state, gate.fault)
        acted = dict(gate.acted)
        if told == self.told and (acted == self.acted or now - self.told_at < 1.0):
            return
        if gate.fault and told != self.told:
            self.get_logger().error(gate.fault)
        self.told, self.acted, self.told_at = told, acted, now
        text = {"state": state, "fault": gate.fault, "dry_run": self.dry_run, "acted": acted}
        self.status.publish(String(data=json.dumps(text)))

    def press(self, message: Bool) -> None:
        self.pressed = bool(message.data)
        if self.pressed:
            self.stop("emergency stop")

    def stop(self, reason: str) -> None:
        self.gate.stop(reason)
        self.tick()

    def estop(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self.stop("emergency stop")
        response.success, response.message = True, "stopped; ~/reset_fault lets it move again"
        return response

    def reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        pressed = "the topic estop still says true"
        response.message = pressed if self.pressed else self.gate.reset(time.time())
        response.success = not response.message
        self.say()
        return response

    def enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self.gate.enable(bool(request.data))
        response.success = True
        self.tick()
        return response

    def failed(self, why: str) -> None:
        self.stop(f"gate: {why}")

    def leave(self) -> None:
        """A last word to the robot: stand still."""
        self.gate.enable(False)
        self.tick()
        for _, publisher in self.outputs:
            publisher.wait_for_all_acked()


def main() -> int:
    return live(GateNode)


if __name__ == "__main__":
    sys.exit(main())
