"""ros2 launch embodied_planner arm.launch.py robot:=sim instruction:="put the red block in the blue bowl"

The gate and the planner of one robot; for robot:=sim also the simulator behind the same topics.
"""

from launch.actions import DeclareLaunchArgument, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PythonExpression
from launch_ros.actions import Node

from launch import LaunchDescription
from ros_nodes.process import environment

ARGUMENTS = {
    "robot": ("sim", "a shipped robot (sim), or the path of its .yaml"),
    "instruction": ("", "what to do at once; later ones are taken from the topic controller/instruction"),
    "weights": ("tabletop", "name of shipped weights or a folder"),
    "mode": ("skills", "skills, visuomotor"),
    "dry_run": ("", "true: check and report, but send nothing; empty: what the robot's file says"),
    "autostart": ("true", "configure and activate the controller at once"),
    "namespace": ("", "of all nodes and topics"),
    "task": ("place-in-bowl", "whose table the simulator lays"),
    "seed": ("0", "which table"),
}


def generate_launch_description() -> LaunchDescription:
    value = {name: LaunchConfiguration(name) for name in ARGUMENTS}

    def node(name: str, keys: tuple[str, ...], **more: object) -> Node:
        return Node(
            package="embodied_planner", executable=f"{name}_node", namespace=value["namespace"], output="screen",
            parameters=[{key: value[key] for key in keys}], **more,
        )  # fmt: skip

    asked = PythonExpression(["'", value["dry_run"], "' != ''"])
    simulated = PythonExpression(["'", value["robot"], "' == 'sim'"])
    return LaunchDescription(
        [
            *(SetEnvironmentVariable(key, text) for key, text in environment().items()),
            *(DeclareLaunchArgument(key, default_value=d, description=text) for key, (d, text) in ARGUMENTS.items()),
            node("gate", ("robot",), condition=IfCondition(PythonExpression(["not (", asked, ")"]))),
            node("gate", ("robot", "dry_run"), condition=IfCondition(asked)),
            node("controller", ("robot", "weights", "mode", "instruction", "autostart")),
            node("sim", ("task", "seed"), condition=IfCondition(simulated)),
        ]
    )
