"""What the launch files share. The only file of a package that imports launch; nothing else imports this one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from launch.actions import DeclareLaunchArgument, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.launch_description import LaunchDescription
from launch.substitutions import LaunchConfiguration, PythonExpression
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from ros_nodes.process import environment

# name -> default, help; what every launch file takes
COMMON = {
    "namespace": ("", "of all nodes and topics"),
    "params_file": ("", "a YAML file of ROS parameters; it overrules the arguments"),
    "use_sim_time": ("false", "true: stamps are of /clock"),
}
PRIORITY = ("0", "of gate and planner under SCHED_FIFO, 30 for example: before all that computes; 0: as all others")
TEXTS = (
    "robot", "page", "picture", "instruction", "weights", "mode", "task", "split", "out", "keep", "drive", "source", "topics",
    "only", "driver", "kind",
)  # fmt: skip


FAKE = ("false", "true: an arm without physics or hardware takes the robot's place, to see what would be sent")


def simulated(physics: bool) -> PythonExpression:
    """Whether the simulator takes the robot's place; physics=False: whether the fake arm does."""
    fake = ["'", LaunchConfiguration("fake"), "'.lower() == 'true'"]
    return PythonExpression(["'", LaunchConfiguration("robot"), "' == 'sim' and not ", *fake] if physics else fake)


def asked(argument: str) -> PythonExpression:
    """Whether the argument is not empty."""
    return PythonExpression(["'", LaunchConfiguration(argument), "' != ''"])


def node(name: str, keys: tuple[str, ...], optional: tuple[str, ...] = (), when: Any = None) -> list[Node]:
    """The process `name`_node with these arguments as its parameters; `optional` ones only if they are not empty. when: a condition
    for it to be started at all."""
    value = LaunchConfiguration
    given: list[Any] = [{key: ParameterValue(value(key), value_type=str if key in TEXTS else None) for key in keys}]
    choices: list[tuple[list[Any], list[Any]]] = [([], [])]
    for key in (*optional, "params_file"):  # a parameter that is not given cannot be empty: one node for each case
        more: Any = value(key) if key == "params_file" else {key: ParameterValue(value(key))}
        choices = [
            (terms + [sign, "(", asked(key), ") and "], extra + ([more] if not sign else []))
            for terms, extra in choices
            for sign in ("", "not ")
        ]
    return [
        Node(
            package="embodied_planner", executable=f"{name}_node", namespace=value("namespace"), output="screen",
            parameters=given + extra, condition=IfCondition(PythonExpression([*terms, "True" if when is None else when])),
        )
        for terms, extra in choices
    ]  # fmt: skip


def description(arguments: Mapping[str, tuple[str, str]], *nodes: list[Node]) -> LaunchDescription:
    """All of it, with what the middleware needs in the environment and the user has not set."""
    every = {**arguments, **COMMON}
    return LaunchDescription(
        [
            *(SetEnvironmentVariable(key, text) for key, text in environment().items() if key not in os.environ),
            *(DeclareLaunchArgument(key, default_value=d, description=text) for key, (d, text) in every.items()),
            *(one for group in nodes for one in group),
        ]
    )
