"""ros2 launch embodied_planner replay.launch.py drive:=my_bag rate:=0.5 loop:=true

A recorded drive as camera and odometry, with the path, decision and hazard of a driver.
"""

from launch import LaunchDescription
from ros_nodes.launching import description, node

ARGUMENTS = {
    "drive": ("sample", "file or folder of the recording, a rosbag2 too; sample: the one that ships"),
    "source": ("", "which reader; empty: the first that knows the layout"),
    "topics": (
        "",
        "of a bag: image=/camera odom=/odom imu=/imu twist=/vel fix=/gps cloud=/points; empty: the one of the right type",
    ),
    "only": ("", "of several drives, the first whose name holds this"),
    "driver": ("relaxing", "who drives along; empty: nobody"),
    "rate": ("1.0", "recorded seconds a second"),
    "loop": ("false", "begin anew at the end"),
    "paused": ("false", "begin with the service replay/resume"),
    "clock": ("false", "publish /clock, and stamp with it"),
    "compressed": ("false", "pictures as JPEG"),
}


def generate_launch_description() -> LaunchDescription:
    return description(ARGUMENTS, node("replay", tuple(ARGUMENTS)))
