"""What every gate's node has beside its gate: emergency stop, reset, status, diagnostics, a tick that nobody's clock stops.

Topic `estop` (Bool, latched): true stops, and no reset helps while it says so (of several publishers: until those but one are
gone, which then says false). With `estop_timeout` above 0 somebody has to go on
saying false: silence is a stop. Services ~/estop, ~/reset_fault, ~/set_enabled. ~/status (JSON, latched) and /diagnostics.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node
from std_msgs.msg import Bool, String
from std_srvs.srv import SetBool, Trigger

from embodied.errors import UserError
from ros_nodes import wire
from ros_nodes.adapters import Adapter
from ros_nodes.process import LATCHED, RELIABLE, STREAM, parameter, ros_s

TICK_S = 0.01
DIAGNOSE_S = 1.0
SHARE = ("speed_share", 1.0, 0.001, 1.0, "of all speed limits, 0 to 1", "it can only slow the robot down")
SILENCE = ("estop_timeout", 0.0, 0.0, 10.0, "s without a message on estop that are a stop; 0: it need not be repeated")
DRY_RUN = "check and report, send nothing; its default is what the robot's file says"
ARMED = "whether it may move before the first reset_fault; its default is what the robot's file says"


class Guard(Node):
    """A gate's shell. Its own part is `carry`: one tick of the gate, and sending what comes out.

    gate: a VelocityGate or Gate."""

    above = 10  # its priority over that of those whom it guards against (process.live)

    def __init__(self) -> None:
        super().__init__("gate")
        self.pressed, self.estop_at = False, time.monotonic()  # the emergency stop's topic
        self.told, self.acted, self.told_at, self.diagnosed_at = ("", ""), dict[str, int](), 0.0, 0.0
        self.outputs: list[Adapter] = []
        self.gate: Any = None

    def guard(self, gate: Any, dry_run: bool, armed: bool) -> None:
        """Begin. armed: whether it may move before the first reset."""
        self.gate, self.dry_run = gate, dry_run
        self.estop_s = self.number(*SILENCE)
        if not armed:
            gate.stop("just started: ~/reset_fault lets it move")
        self.status = self.create_publisher(String, "~/status", LATCHED)
        self.diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", RELIABLE)
        # Heard from everybody: one that asks for latched messages is not told those of a publisher that does not keep them.
        self.create_subscription(Bool, "estop", self.press, LATCHED)
        self.create_subscription(Bool, "estop", self.press, STREAM)
        self.create_service(Trigger, "~/estop", self.estop)
        self.create_service(Trigger, "~/reset_fault", self.reset)
        self.create_service(SetBool, "~/set_enabled", self.enable)
        # Of a clock that nobody sets: a jump of the system's time must not stop the checks that find it.
        self.create_timer(TICK_S, self.tick, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def number(self, key: str, default: float, least: float, most: float, says: str, why: str = "") -> float:
        """A parameter; UserError when it is outside, `why` as the reason."""
        value = parameter(self, key, default, says)
        if not isinstance(value, float | int) or not least <= value <= most:
            raise UserError(f"{key}={value} must be between {least} and {most}{why and f': {why}'}")
        return float(value)

    def carry(self, ros_now: float, now: float) -> None:
        raise NotImplementedError

    def steady(self, stamp: Any) -> tuple[float, float]:
        """A stamp on the steady clock, and now there: what is old stays old whatever is done to the stamps' clock."""
        now, ros_now = time.monotonic(), ros_s(self)
        if not ros_now:  # with use_sim_time and no /clock: nobody knows how old it is
            return float("-inf"), now
        return now - (ros_now - wire.seconds(stamp)), now

    def tick(self) -> None:
        ros_now, now = ros_s(self), time.monotonic()
        self.gate.clock(ros_now, now)
        if self.estop_s and now - self.estop_at > self.estop_s:
            self.gate.stop(f"emergency stop: its topic is silent for {now - self.estop_at:.1f} s")
        self.carry(ros_now, now)
        self.say(ros_now, now)

    def say(self, ros_now: float, now: float) -> None:
        """~/status, when it changes; how often a limit acted, once a second."""
        told, acted = (self.state, self.gate.fault), dict(self.gate.acted)
        text = {"state": self.state, "fault": self.gate.fault, "dry_run": self.dry_run, "acted": acted}
        if told != self.told or (acted != self.acted and now - self.told_at >= 1.0):
            if self.gate.fault and told != self.told:
                self.get_logger().error(self.gate.fault)
            self.told, self.acted, self.told_at = told, acted, now
            self.status.publish(String(data=json.dumps(text)))
            self.diagnosed_at = -DIAGNOSE_S
        if now - self.diagnosed_at >= DIAGNOSE_S:
            self.diagnosed_at = now
            level = 2 if self.gate.fault else 0 if self.state == "enabled" else 1
            name, said = f"{self.get_namespace().rstrip('/')}/gate".lstrip("/"), self.gate.fault or self.state
            values = {"dry_run": self.dry_run, **acted}
            self.diagnostics.publish(wire.diagnostic_message(name, level, said, values, ros_now))

    @property
    def state(self) -> str:
        return "fault" if self.gate.fault else "enabled" if self.gate.enabled else "disabled"

    # --- who stops it

    def press(self, message: Bool) -> None:
        """Of several publishers nobody can tell whose word this is: then none of them takes back what another has pressed."""
        self.estop_at = time.monotonic()
        if message.data:
            self.pressed = True
            self.stop("emergency stop")
        elif not self.pressed or self.count_publishers(self.resolve_topic_name("estop")) <= 1:
            self.pressed = False

    def stop(self, reason: str) -> None:
        self.gate.stop(reason)
        self.tick()

    def take(self, taking: Callable[..., None], *given: Any) -> None:
        """Let the gate take a message; a fault that it brings does not wait for the timer."""
        well = not self.gate.fault
        taking(*given)
        if well and self.gate.fault:
            self.tick()

    def refused(self, why: str) -> None:
        """A robot that does not do what it is told."""
        self.gate.stop(f"robot: {why}")

    def estop(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self.stop("emergency stop")
        response.success, response.message = True, "stopped; ~/reset_fault lets it move again"
        return response

    def reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        now = time.monotonic()
        silent = self.estop_s and now - self.estop_at > self.estop_s
        why = "the topic estop still says true" if self.pressed else "the topic estop is silent" if silent else ""
        response.message = why or self.gate.reset(now)
        response.success = not response.message
        self.tick()
        return response

    def enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self.gate.enable(bool(request.data))
        response.success = True
        self.tick()
        return response

    def send(self, sent: list[tuple[Adapter, Callable[[], Any]]], ros_now: float, now: float) -> None:
        """To the robot, unless it is a dry run."""
        if not self.dry_run:
            for adapter, part in sent:
                adapter.send(part(), ros_now, now)

    def failed(self, why: str) -> None:
        self.gate.stop(f"gate: {why}")  # before anything that may fail again
        self.tick()

    def leave(self) -> None:
        """A last word to the robot: stand still."""
        self.gate.enable(False)
        self.tick()
        for adapter in self.outputs:
            adapter.finish()
