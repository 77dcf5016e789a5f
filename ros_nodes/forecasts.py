"""What a driver says, as messages: its path, its decision, its hazard."""

from __future__ import annotations

from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped
from nav_msgs.msg import Path
from std_msgs.msg import Float32, String

from embodied.drive.forecast import Forecast
from embodied.drive.paths import TIMES
from ros_nodes import wire
from ros_nodes.process import WHOLE


class Forecasts:
    """~/path (base_link, poses stamped with when they are due), ~/decision and ~/hazard of a node."""

    def __init__(self, node: Any, frame: str = "base_link") -> None:
        out, self.frame = node.create_publisher, frame
        self._path, self._decision = out(Path, "~/path", WHOLE), out(String, "~/decision", WHOLE)
        self._hazard = out(Float32, "~/hazard", WHOLE)

    def tell(self, said: Forecast, time_s: float) -> None:
        self._path.publish(path_message(said.path, self.frame, time_s))
        self._decision.publish(String(data=said.decision))
        self._hazard.publish(Float32(data=float(said.hazard)))


def path_message(path: np.ndarray, frame: str, time_s: float) -> Path:
    """path (STEPS, 2), m, in the vehicle frame of time_s; a pose looks where the next one lies."""
    poses = list[PoseStamped]()
    ways = np.diff(path, axis=0, append=2 * path[-1:] - path[-2:-1])
    for due, (x, y), half in zip(TIMES.tolist(), path.tolist(), (np.arctan2(*ways.T[::-1]) / 2).tolist(), strict=True):
        pose = PoseStamped()
        pose.header.frame_id, pose.header.stamp = frame, wire.stamp(time_s + due)
        pose.pose.position.x, pose.pose.position.y = x, y
        pose.pose.orientation.z, pose.pose.orientation.w = float(np.sin(half)), float(np.cos(half))
        poses.append(pose)
    out = Path(poses=poses)
    out.header.frame_id, out.header.stamp = frame, wire.stamp(time_s)
    return out
