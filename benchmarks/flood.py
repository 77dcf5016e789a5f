"""Raw pictures of 640x480 on camera/front/image_raw, 60 a second, until SIGTERM; what flood and pictures lost are measured with."""

from __future__ import annotations

import sys
import time

import numpy as np
import rclpy
from sensor_msgs.msg import Image

from ros_nodes import wire
from ros_nodes.process import NEWEST


def send(rate_hz: float, count: int) -> None:
    rclpy.init()
    node = rclpy.create_node("flood")
    out = node.create_publisher(Image, "camera/front/image_raw", NEWEST)
    while out.get_subscription_count() == 0:
        time.sleep(0.01)
    time.sleep(0.3)
    message, at = wire.image_message(np.zeros((480, 640, 3), np.uint8), "front", 0.0), time.monotonic()
    for _ in range(count):
        message.header.stamp = wire.stamp(time.time())
        out.publish(message)
        at += 1 / rate_hz
        time.sleep(max(0.0, at - time.monotonic()))
    time.sleep(0.5)


if __name__ == "__main__":
    send(*(float(sys.argv[1]), int(sys.argv[2])) if len(sys.argv) > 2 else (60.0, 10**9))
