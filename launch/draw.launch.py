"""ros2 launch embodied_planner draw.launch.py robot:=ur5e pen:=0.12 page:=A4 x:=0.45 picture:=boat.svg

The gate and a pen: what is published on draw/picture is drawn. `picture` is drawn at once. For robot:=sim also the simulated arm,
with fake:=true an arm without physics or hardware in the robot's place.
"""

from launch import LaunchDescription
from ros_nodes.launching import FAKE, PRIORITY, description, node, simulated

ARGUMENTS = {
    "robot": ("sim", "a shipped robot, or the path of its .yaml"),
    "pen": ("0.09", "m from the robot's tip to the pen's"),
    "pen_mm": ("0.5", "width of the line, mm"),
    "page": ("A4", "page of the drawing"),
    "mode": ("auto", "line, fill, tone or auto"),
    "x": ("0.45", "m, of the page's middle in the base frame"),
    "y": ("0.0", "m, of the same"),
    "z": ("0.0", "m, height of the paper in the base frame"),
    "turn": ("0.0", "rad, of the page"),
    "dry_run": ("", "check and report, send nothing; empty: as the robot's file says"),
    "picture": ("", "what to draw at once"),
    "speed_share": ("1.0", "of all speed limits, 0 to 1"),
    "priority": PRIORITY,
    "fake": FAKE,
}


def generate_launch_description() -> LaunchDescription:
    draw = ("robot", "pen", "pen_mm", "page", "mode", "x", "y", "z", "turn", "picture", "priority", "use_sim_time")
    return description(
        ARGUMENTS,
        node("gate", ("robot", "speed_share", "fake", "priority", "use_sim_time"), ("dry_run",)),
        node("draw", draw),
        node("sim", ("use_sim_time",), when=simulated(True)),
        node("fake", ("robot", "use_sim_time"), when=simulated(False)),
    )
