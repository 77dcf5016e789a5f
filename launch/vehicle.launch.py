"""ros2 launch embodied_planner vehicle.launch.py robot:=diff_drive dry_run:=true

The gate of a vehicle: TwistStamped on controller/twist in, velocities within limits out while somebody holds the switch.
"""

from launch import LaunchDescription
from ros_nodes.launching import description, node

ARGUMENTS = {
    "robot": ("diff_drive", "a shipped vehicle (diff_drive, car), or the path of its .yaml"),
    "dry_run": ("", "true: check and report, but send nothing; empty: what the vehicle's file says"),
    "dead_man": ("", "false: drive without anybody at the switch; empty: what the vehicle's file says"),
    "speed_share": ("1.0", "of the file's speeds, 0 to 1"),
}


def generate_launch_description() -> LaunchDescription:
    return description(
        ARGUMENTS, node("vehicle_gate", ("robot", "speed_share", "use_sim_time"), optional=("dry_run", "dead_man"))
    )
