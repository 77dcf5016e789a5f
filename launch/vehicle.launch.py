"""ros2 launch embodied_planner vehicle.launch.py robot:=sim_car driver:=cruise instruction:="drive on"

The gate of a vehicle, with driver:=... its controller, and for robot:=sim_car the simulated car behind the same
topics. Without a driver, TwistStamped on controller/twist comes from elsewhere.
"""

from launch.substitutions import LaunchConfiguration, PythonExpression

from launch import LaunchDescription
from ros_nodes.launching import PRIORITY, asked, description, node

ARGUMENTS = {
    "robot": ("sim_car", "a shipped vehicle (sim_car, diff_drive, car), or the path of its .yaml"),
    "driver": ("", "who drives: a name of the group driver, for example cruise; empty: nobody of ours"),
    "instruction": ("", "what the driver is told at once; later ones are taken from the topic controller/instruction"),
    "dry_run": ("", "true: check and report, but send nothing; empty: what the vehicle's file says"),
    "dead_man": ("", "false: drive without anybody at the switch; empty: what the vehicle's file says"),
    "speed_share": ("1.0", "of the file's speeds, 0 to 1"),
    "autostart": ("true", "configure and activate the driver at once"),
    "priority": PRIORITY,
    "kind": ("follow", "of the simulated route: left, right, straight, stop, follow"),
    "seed": ("0", "which simulated road"),
}


def generate_launch_description() -> LaunchDescription:
    simulated = PythonExpression(["'", LaunchConfiguration("robot"), "' == 'sim_car'"])
    return description(
        ARGUMENTS,
        node("vehicle_gate", ("robot", "speed_share", "priority", "use_sim_time"), optional=("dry_run", "dead_man")),
        node(
            "driver", ("robot", "driver", "instruction", "autostart", "priority", "use_sim_time"), when=asked("driver")
        ),
        node("sim_car", ("kind", "seed", "use_sim_time"), when=simulated),
    )
