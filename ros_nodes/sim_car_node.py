"""The simulated car on its road behind a vehicle's topics (sim/drive.py, the world of Embodied/Drive-v0).

    python -m ros_nodes.sim_car_node --ros-args -p kind:=follow -p seed:=3

Publishes odom at the tick's 20 Hz, camera/front/{image_raw, camera_info, pose} at `picture_hz`, ~/goal, the sentence of the
route, and /clock. Takes what the vehicle gate sends to the outputs of the vehicle's file: Twist, TwistStamped or
AckermannDriveStamped. Like a base controller it brakes when commands stay away. ~/reset lays the next road, ~/success tells (to
tests) whether it has arrived.
"""

from __future__ import annotations

import math
import sys
import time
from typing import Any

import numpy as np
from geometry_msgs.msg import Twist, TwistStamped
from nav_msgs.msg import Odometry
from std_msgs.msg import String

from embodied.errors import UserError
from embodied.types import Command
from ros_nodes import wire
from ros_nodes.adapters import messages
from ros_nodes.process import RELIABLE, live
from ros_nodes.robots import Output
from ros_nodes.simulated import Simulated
from ros_nodes.vehicles import vehicle
from sim.car import WHEELBASE_M, Car
from sim.drive import ACTION, RATE_HZ, DriveBody

PARAMETERS: dict[str, tuple[Any, str]] = {
    "robot": ("sim_car", "the vehicle whose outputs it takes: a shipped one, or the path of a .yaml"),
    "kind": ("follow", "of the route: left, right, straight, stop, follow; empty: the seed chooses"),
    "seed": (0, "which road"),
    "picture_hz": (10.0, "pictures a second"),
}
SILENT_S = 0.5  # without a command after which it brakes
CLOSING_S = 0.3  # in which it brings its speed to the one it is sent


class SimCarNode(Simulated):
    """One road, one car."""

    def __init__(self) -> None:
        super().__init__(PARAMETERS)
        if int(self.set["seed"] or 0) < 0:
            raise UserError(f"seed={self.set['seed']} must be 0 or more")
        self.body = DriveBody(str(self.set["kind"]), look=False)
        self.odometry = self.create_publisher(Odometry, "odom", RELIABLE)
        self.camera("front", depth=False)
        for output in vehicle(str(self.set["robot"])).outputs:
            self.take(output)
        self.go(RATE_HZ)

    def take(self, output: Output) -> None:
        """Hear this output of the gate."""

        def twist(message: Twist) -> None:
            forward, _, turn = wire.twist(message).tolist()
            self.hear(forward, math.atan(WHEELBASE_M * turn / max(abs(forward), 0.5)))

        if output.adapter == "ackermann":
            kind: Any = messages("ackermann_msgs", "msg", output.adapter).AckermannDriveStamped
            self.create_subscription(
                kind, output.topic, lambda m: self.hear(m.drive.speed, m.drive.steering_angle), RELIABLE
            )
        elif output.adapter == "twist":
            self.create_subscription(Twist, output.topic, twist, RELIABLE)
        else:
            self.create_subscription(TwistStamped, output.topic, lambda m: twist(m.twist), RELIABLE)

    def hear(self, speed: float, steer: float) -> None:
        """m/s, rad of the road wheels. What is no number is not heard."""
        if math.isfinite(speed) and math.isfinite(steer):
            self.wanted, self.heard_s = (float(speed), float(steer)), time.monotonic()

    def lay(self) -> None:
        """A road, the car at rest."""
        self.body.reset(int(self.set["seed"] or 0) + self.episode)
        self.body.car = Car()
        self.wanted, self.heard_s, self.ticks = (0.0, 0.0), -math.inf, 0
        self.goal.publish(String(data=self.body.goal))
        self.describe("front", self.body.camera)

    def tick(self) -> None:
        car = self.body.car
        speed, steer = self.wanted if time.monotonic() - self.heard_s < SILENT_S else (0.0, car.steer)
        accel = (speed - car.speed) / CLOSING_S
        self.body.apply(Command(self.body.now_s, ACTION.clip(np.array([accel, steer]))))
        car = self.body.car
        pose, moves = np.array([car.x, car.y, car.yaw]), np.array([car.speed, 0.0, car.yaw_rate])
        self.odometry.publish(wire.odometry_message(pose, moves, self.now()))
        self.ticks += 1
        if self.ticks % max(1, round(RATE_HZ / float(self.set["picture_hz"] or 10))) == 0:
            self.cameras["front", "image_raw"].publish(wire.image_message(self.body.picture(), "front", self.now()))


def main() -> int:
    return live(SimCarNode)


if __name__ == "__main__":
    sys.exit(main())
