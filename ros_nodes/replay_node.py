"""A recorded drive as a vehicle's topics, as it was recorded, and what a driver says of it.

    python -m ros_nodes.replay_node --ros-args -p drive:=sample -p driver:=relaxing

`drive`: whatever a reader of embodied/data/sources knows, a rosbag2 too. Publishes camera/<n>/{image_raw, camera_info, pose} (with
`compressed` JPEG in place of raw), odom, and of the driver ~/path, ~/decision and ~/hazard, at recorded speed times `rate`.
~/pause, ~/resume; with `loop` it begins anew at its end. ~/status (JSON, latched) says once a second how far it is.

Stamps are now; with `clock` they are the recording's own seconds, counted on through every round, and /clock says them, so that
nodes with use_sim_time live in the recording. Reading and the driver have a thread; the executor only takes services.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from itertools import count
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import String
from std_srvs.srv import Trigger

from embodied import registry
from embodied.data import drives
from embodied.drive import sample
from embodied.drive.replay import CLOCK
from embodied.drive.state import Past, motion
from embodied.errors import UserError
from embodied.spec import BodySpec
from embodied.types import Observation
from ros_nodes import wire
from ros_nodes.forecasts import Forecasts
from ros_nodes.process import LATCHED, NEWEST, WHOLE, live, parameter, ros_s

PARAMETERS: dict[str, tuple[Any, str]] = {
    "drive": ("sample", "file or folder of the recording; sample: the one that ships"),
    "source": ("", "which reader; empty: the first that knows the layout"),
    "topics": (
        "",
        "of a bag: image=/camera odom=/odom imu=/imu twist=/vel fix=/gps cloud=/points; empty: the one of the right type",
    ),
    "only": ("", "of several drives, the first whose name holds this"),
    "driver": ("relaxing", "who drives along: a name of the group driver; empty: nobody"),
    "rate": (1.0, "recorded seconds a second"),
    "loop": (False, "begin anew at the end"),
    "paused": (False, "begin with ~/resume"),
    "clock": (False, "publish /clock, and stamp with it"),
    "compressed": (False, "pictures as JPEG"),
}
FIRST_S = 1.0  # of /clock: at 0 it would not have begun


class ReplayNode(Node):
    """One recording."""

    def __init__(self) -> None:
        super().__init__("replay")
        self.set = {key: parameter(self, key, value, says) for key, (value, says) in PARAMETERS.items()}
        if not 0 < float(self.set["rate"]) <= 100:
            raise UserError(f"rate={self.set['rate']} must be above 0, 100 at most")
        self.drive = self.found()
        out = self.create_publisher
        self.clock, self.odometry = out(Clock, "/clock", NEWEST), out(Odometry, "odom", WHOLE)
        kind, end = (CompressedImage, "image_raw/compressed") if self.set["compressed"] else (Image, "image_raw")
        self.pictures = {name: out(kind, f"camera/{name}/{end}", NEWEST) for name in self.drive.spec.cameras}
        self.described = [
            (out(CameraInfo, f"camera/{name}/camera_info", LATCHED), out(PoseStamped, f"camera/{name}/pose", LATCHED))
            for name in self.drive.spec.cameras
        ]
        self.status = out(String, "~/status", LATCHED)
        self.driver = registry.build("driver", str(self.set["driver"])) if self.set["driver"] else None
        self.forecasts = Forecasts(self)
        for name in ("pause", "resume"):
            self.create_service(Trigger, f"~/{name}", getattr(self, name))
        self.changed = threading.Condition()
        self.ended, self.due_s = False, time.monotonic()
        self.paused_s = self.due_s if self.set["paused"] else 0.0  # since when, 0 when not
        self.state, self.why, self.rounds = "paused" if self.paused_s else "playing", "", 0
        self.t_s = self.length_s = self.offset_s = self.said_s = 0.0
        self.thread = threading.Thread(target=self.play, daemon=True)
        self.thread.start()

    def found(self) -> drives.Drive:
        where = str(self.set["drive"])
        where = sample() if where == "sample" else where
        only, reading = str(self.set["only"]), drives.Reading(topics=str(self.set["topics"]))
        all_ = drives.read(where, str(self.set["source"]), reading)
        if not (named := [one for one in all_ if only in one.name]):
            raise UserError(
                f"no drive at {where} has {only!r} in its name; there are {', '.join(d.name for d in all_)}"
            )
        return named[0]

    # --- the recording, in its thread

    def play(self) -> None:
        try:
            self.describe()
            self.say()
            for self.rounds in count():
                if not self.once() or not self.set["loop"]:
                    break
            self.state = "finished"
        except Exception as error:  # a recording that breaks off
            self.state, self.why = "failed", str(error) if isinstance(error, UserError) else repr(error)
            self.get_logger().error(self.why)
        if not self.ended:
            self.say()

    def once(self) -> bool:
        """From the beginning to the end; False when the node ends."""
        states = {name: channels for name, channels in self.drive.spec.states.items() if name == "ego"}
        spec = self.drive.spec
        spec = BodySpec(spec.name, spec.cameras, {**states, "clock": CLOCK}, spec.action, spec.facts)
        if self.driver is not None:
            self.driver.begin(spec)
        past, before = Past(), None
        for obs in self.drive.stream():
            if not self.wait((obs.t_s - (obs.t_s if before is None else before)) / float(self.set["rate"])):
                return False
            before = self.t_s = obs.t_s
            past.add(obs.t_s, obs.states["ego"][-1] if "ego" in states else None)
            self.tell(obs, Observation(obs.t_s, obs.images, past.states()), spec)
            if time.monotonic() - self.said_s >= 1.0:
                self.say()
        if before is None:
            raise UserError(f"the drive {self.drive.name!r} has no moment where all its parts are recorded")
        self.length_s = self.t_s
        self.due_s += 1 / spec.action.rate_hz / float(self.set["rate"])
        self.offset_s += self.t_s + 1 / spec.action.rate_hz
        return True

    def wait(self, after_s: float) -> bool:
        """Until the next moment, after_s behind the last, is due and nobody has paused; False when the node ends."""
        with self.changed:
            self.due_s += after_s
            while not self.ended and (self.paused_s or time.monotonic() < self.due_s):
                self.changed.wait(None if self.paused_s else self.due_s - time.monotonic())
            return not self.ended

    def tell(self, raw: Observation, seen: Observation, spec: BodySpec) -> None:
        """One moment. raw: with the recorded pose; seen: what a driver gets."""
        now = ros_s(self)
        if self.set["clock"]:
            now = FIRST_S + self.offset_s + raw.t_s
            self.clock.publish(Clock(clock=wire.stamp(now)))
        moves = motion(seen, spec.states)
        pose = raw.states["pose"][-1] if "pose" in raw.states else None
        if moves.known or pose is not None:
            twist = np.array([moves.speed, 0.0, moves.yaw_rate]) if moves.known else None
            self.odometry.publish(wire.odometry_message(pose, twist, now))
        made = wire.compressed_message if self.set["compressed"] else wire.image_message
        for name, topic in self.pictures.items():
            if topic.get_subscription_count() and name in raw.images:  # what nobody looks at is not decoded
                topic.publish(made(raw.images[name], name, now))
        if self.driver is not None:
            self.forecasts.tell(self.driver(seen), now)

    def describe(self) -> None:
        """The cameras, once."""
        for (name, spec), (info, pose) in zip(self.drive.spec.cameras.items(), self.described, strict=True):
            now = FIRST_S if self.set["clock"] else ros_s(self)
            info.publish(wire.camera_message(spec, name, now))
            pose.publish(wire.placed_message(spec.parent_from_cam, spec.parent, now))

    def say(self) -> None:
        """How far it is. length_s: of the drive, known after the first round."""
        self.said_s = time.monotonic()
        told = {
            "state": self.state,
            "drive": self.drive.name,
            "t_s": round(self.t_s, 3),
            "length_s": self.length_s or None,
        }
        self.status.publish(String(data=json.dumps({**told, "rounds": self.rounds, "why": self.why})))

    # --- services

    def pause(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        with self.changed:
            if self.state == "playing":
                self.state, self.paused_s = "paused", time.monotonic()
        return self.answer("paused", response)

    def resume(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        with self.changed:
            if self.state == "paused":
                self.due_s += time.monotonic() - self.paused_s  # all that follows comes so much later
                self.state, self.paused_s = "playing", 0.0
            self.changed.notify_all()
        return self.answer("playing", response)

    def answer(self, wanted: str, response: Trigger.Response) -> Trigger.Response:
        response.success, response.message = self.state == wanted, f"{self.state} at {self.t_s:.1f} s"
        self.say()
        return response

    def failed(self, why: str) -> None:
        self.get_logger().error(why)

    def leave(self) -> None:
        with self.changed:
            self.ended = True
            self.changed.notify_all()
        self.thread.join(timeout=2.0)


def main() -> int:
    return live(ReplayNode)


if __name__ == "__main__":
    sys.exit(main())
