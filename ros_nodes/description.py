"""A robot whose description is a topic: wait for it, as robot_state_publisher and rviz do."""

from __future__ import annotations

import time

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from std_msgs.msg import String

from embodied.errors import UserError
from ros_nodes.process import LATCHED
from ros_nodes.robots import TOPIC, Robot, robot

WAIT_S = 10.0


def described(name: str, context: Context | None = None, wait_s: float = WAIT_S) -> Robot:
    """The robot of that name or file; where its file asks for it, with what robot_description says. UserError after wait_s."""
    made = robot(name)
    if made.urdf != TOPIC:
        return made
    said: list[str] = []
    node, executor = rclpy.create_node("description_reader", context=context), SingleThreadedExecutor(context=context)
    try:
        where = made.topic(TOPIC)
        node.create_subscription(String, where, lambda message: said.append(message.data), LATCHED)
        executor.add_node(node)
        until = time.monotonic() + wait_s
        while not said and time.monotonic() < until:
            executor.spin_once(timeout_sec=0.05)
    finally:
        executor.shutdown()
        node.destroy_node()
    if not said:
        raise UserError(
            f"nothing came on {where} within {wait_s:.0f} s; start the robot's robot_state_publisher, "
            f"or give the path of a URDF in the file of {made.name}"
        )
    return robot(name, said[-1])
