"""The gate of a vehicle: velocities in, velocities within limits out, zeros whenever in doubt (embodied/control/velocity.py).

    python -m ros_nodes.vehicle_gate_node --ros-args -p robot:=diff_drive

Takes controller/twist (TwistStamped), odom (Odometry), dead_man (Bool: true has to come again and again while somebody holds the
switch) and estop (ros_nodes/guard.py). Sends by the adapters of the vehicle's YAML, at every tick, zeros too.
"""

from __future__ import annotations

import sys
import time

from geometry_msgs.msg import TwistStamped
from nav_msgs.msg import Odometry
from std_msgs.msg import Bool

from ros_nodes import adapters, wire
from ros_nodes.guard import ARMED, DRY_RUN, SHARE, Guard
from ros_nodes.process import RELIABLE, live, parameter
from ros_nodes.vehicles import vehicle


class VehicleGateNode(Guard):
    """One vehicle's gate."""

    def __init__(self) -> None:
        super().__init__()
        made = vehicle(str(parameter(self, "robot", "sim_car", "a shipped vehicle, or the path of its .yaml")))
        dry_run = bool(parameter(self, "dry_run", made.dry_run, DRY_RUN))
        armed = bool(parameter(self, "armed", made.armed, ARMED))
        says = "whether somebody has to hold the switch; its default is what the vehicle's file says"
        gate = made.gate(self.number(*SHARE), not dry_run, bool(parameter(self, "dead_man", made.dead_man, says)))
        forms = adapters.VELOCITY_FORMS
        self.outputs = [adapters.build(self, one, (), self.refused, forms) for one in made.outputs]
        self.sent = self.create_publisher(TwistStamped, "~/sent", RELIABLE)
        self.guard(gate, dry_run, armed)
        self.create_subscription(TwistStamped, "controller/twist", self.command, RELIABLE)
        self.create_subscription(Odometry, made.topic("odom"), self.odometry, RELIABLE)
        self.create_subscription(
            Bool, made.topic("dead_man"), lambda m: gate.switch(bool(m.data), time.monotonic()), RELIABLE
        )

    @property
    def state(self) -> str:
        state = super().state
        return "released" if state == "enabled" and self.gate.released else state

    def command(self, message: TwistStamped) -> None:
        self.gate.command(wire.twist(message.twist), *self.steady(message.header.stamp))
        self.tick()  # neither "stop" nor a motion waits for the timer

    def odometry(self, message: Odometry) -> None:
        self.take(self.gate.odometry, wire.twist(message.twist.twist), *self.steady(message.header.stamp))

    def carry(self, ros_now: float, now: float) -> None:
        sent = self.gate.tick(now)
        self.send([(adapter, lambda: sent) for adapter in self.outputs], ros_now, now)
        if self.sent.get_subscription_count():
            self.sent.publish(wire.twist_message(sent, "base_link", ros_now))


def main() -> int:
    return live(VehicleGateNode)


if __name__ == "__main__":
    sys.exit(main())
