"""ros2 launch embodied_planner arm.launch.py robot:=sim instruction:="put the red block in the blue bowl"

The gate and the planner of one robot; for robot:=sim also the simulator behind the same topics, with fake:=true in place of robot
or simulator an arm that does what it is sent and sees nothing; with out:=... a recorder.
"""

from launch import LaunchDescription
from ros_nodes.launching import FAKE, PRIORITY, asked, description, node, simulated

ARGUMENTS = {
    "robot": ("sim", "a shipped robot (sim, franka_fr3, ur5e, xarm7, so101), or the path of its .yaml"),
    "instruction": ("", "what to do at once; later ones are taken from the topic controller/instruction"),
    "weights": ("tabletop", "name of shipped weights or a folder"),
    "mode": ("skills", "skills, visuomotor"),
    "dry_run": ("", "true: check and report, but send nothing; empty: what the robot's file says"),
    "speed_share": ("1.0", "of all speed limits, 0 to 1"),
    "fake": FAKE,
    "priority": PRIORITY,
    "autostart": ("true", "configure and activate the controller at once"),
    "task": ("", "whose table the simulator lays; empty: one with what the instruction names"),
    "seed": ("0", "which table"),
    "out": ("", "folder of a dataset to record into"),
    "keep": ("succeeded", "which runs are recorded: succeeded, all"),
}


def generate_launch_description() -> LaunchDescription:
    return description(
        ARGUMENTS,
        node("gate", ("robot", "speed_share", "fake", "priority", "use_sim_time"), optional=("dry_run",)),
        node(
            "controller",
            ("robot", "weights", "mode", "instruction", "speed_share", "autostart", "priority", "use_sim_time"),
        ),
        node("sim", ("task", "instruction", "seed", "use_sim_time"), when=simulated(True)),
        node("fake", ("robot", "use_sim_time"), when=simulated(False)),
        node("record", ("robot", "out", "keep", "use_sim_time"), when=asked("out")),
    )
