"""What a gate lets through, in the form that a robot takes: one file a form. A form whose messages are not installed says so."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from rclpy.node import Node

from embodied.errors import UserError
from ros_nodes.robots import Output

FORMS = {
    "trajectory": "trajectory",
    "follow_joint_trajectory": "follow",
    "forward": "forward",
    "gripper_command": "gripper_command",
    "parallel_gripper": "parallel_gripper",
    "franka_gripper": "franka_gripper",
}
VELOCITY_FORMS = {"twist": "twist", "twist_stamped": "twist", "ackermann": "ackermann"}


class Adapter(Protocol):
    """One way to a robot. `Sent` is a Trajectory of these joints, or a twist (3,)."""

    def send(self, sent: Any, ros_s: float, now_s: float) -> None:
        """sent: what it is to do from now on; ros_s: now, as stamps are counted; now_s: on the steady clock."""
        ...

    def finish(self) -> None:
        """Wait until what was sent last has arrived."""
        ...


def build(
    node: Node, output: Output, names: Sequence[str], refused: Callable[[str], None], forms: dict[str, str] = FORMS
) -> Adapter:
    """The adapter of an output. names: its joints.  refused: called with a sentence when the robot will not do what it is told."""
    if output.adapter not in forms:
        raise UserError(f"adapter {output.adapter!r} is unknown; choose from {', '.join(forms)}")
    module = importlib.import_module(f"ros_nodes.adapters.{forms[output.adapter]}")
    return module.Adapter(node, output, tuple(names), refused)


def messages(package: str, part: str, adapter: str) -> Any:
    """package.part ("control_msgs", "action"), which a robot's ROS 2 has and this project never brings along."""
    try:
        return importlib.import_module(f"{package}.{part}")
    except ImportError:
        raise UserError(f"adapter {adapter!r} needs {package}; source the ROS 2 of the robot that has it") from None


def option(output: Output, key: str, default: float) -> float:
    """A number of the output's settings."""
    try:
        return float(output.options.get(key, default))
    except (TypeError, ValueError):
        raise UserError(
            f"{output.topic}: {key} = {output.options[key]!r} must be a number, for example {default}"
        ) from None
