"""ros2 launch embodied_planner sim.launch.py task:=place-in-bowl seed:=3

The simulated arm, table and cameras alone, for a planner that runs elsewhere.
"""

from launch import LaunchDescription
from ros_nodes.launching import description, node

ARGUMENTS = {
    "task": ("", "whose table to lay; empty: one with what the instruction names, or else place-in-bowl's"),
    "instruction": ("", "what the table is to be laid for, when no task is given"),
    "split": ("seen", "which part of the scenes"),
    "seed": ("0", "which table"),
    "disturb": ("0.0", "probability that an episode is disturbed"),
    "picture_hz": ("5.0", "pictures a second of each camera"),
}


def generate_launch_description() -> LaunchDescription:
    return description(ARGUMENTS, node("sim", (*ARGUMENTS, "use_sim_time")))
