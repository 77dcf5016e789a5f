"""The least that rclpy can do at 20 Hz: a timer of the steady clock that publishes its stamp; a stream is set beside it."""

from __future__ import annotations

import time

from builtin_interfaces.msg import Time
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node

from ros_nodes import wire
from ros_nodes.process import RELIABLE, live


class Metronome(Node):
    def __init__(self) -> None:
        super().__init__("metronome")
        out = self.create_publisher(Time, "metronome", RELIABLE)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(0.05, lambda: out.publish(wire.stamp(time.time())), clock=steady)

    def failed(self, why: str) -> None:
        self.get_logger().error(why)

    def leave(self) -> None: ...


if __name__ == "__main__":
    live(Metronome)
