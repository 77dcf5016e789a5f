"""A pen in the robot's hand draws what it is given: a picture or an SVG, as trajectories through the gate.

    python -m ros_nodes.draw_node --ros-args -p robot:=sim
    ros2 topic pub --once /draw/picture std_msgs/msg/String "{data: examples/boat.png}"

~/picture (String, latched): the path of a picture or SVG on this machine, or the text of an SVG. ~/image (Image): the same as a
message. Services ~/pause (when the stroke is drawn, the pen up), ~/resume, ~/cancel (at once). ~/status (JSON, latched): state,
strokes drawn and in all, why not. It takes the controller's place before the gate: start one of the two.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
import time
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.duration import Duration
from rclpy.node import Node
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Empty, String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from embodied.control.beside import Beside
from embodied.draw.drawing import Drawing
from embodied.draw.make import Plan, drawing
from embodied.draw.sheet import laid
from embodied.draw.timing import Pace, estimate
from embodied.draw.trace import Style
from embodied.errors import UserError
from policies.draw import PenPolicy
from policies.pen_stream import PenStream
from ros_nodes import wire
from ros_nodes.description import described
from ros_nodes.process import LATCHED, NEWEST, RELIABLE, live, parameter, ros_s

ROWS_HZ = 50.0
TICK_S, BEAT_S = 0.05, 0.02
PARAMETERS: dict[str, tuple[Any, str]] = {
    "robot": ("sim", "a shipped robot, or the path of its .yaml"),
    "pen": (0.09, "m from the robot's tip to the pen's"),
    "grip": (0.004, "opening of the hand that holds the pen, m"),
    "page": ("A4", "see embodied draw --help; an SVG keeps its own size with image"),
    "mode": ("auto", "line, fill, tone or auto"),
    "pen_mm": (0.5, "width of the line, mm"),
    "x": (0.45, "m, of the page's middle in the base frame"),
    "y": (0.0, "m, of the same"),
    "z": (0.0, "m, height of the paper in the base frame"),
    "turn": (0.0, "rad, of the page; 0: its bottom edge towards +x"),
    "picture": ("", "path of a picture or SVG to draw as soon as the joints are known"),
    "speed": (100.0, "mm/s on paper"),
    "travel": (250.0, "mm/s of the raised pen"),
}


class DrawNode(Node):
    """One pen."""

    def __init__(self) -> None:
        super().__init__("draw")
        self.given = {key: parameter(self, key, *rest) for key, rest in PARAMETERS.items()}
        self.robot = described(str(self.given["robot"]))
        arm = self.robot.new_arm(float(self.given["pen"]))
        self.pace = Pace(float(self.given["speed"]), float(self.given["travel"]))
        if min(self.pace.ink, self.pace.travel) <= 0 or float(self.given["pen"]) < 0:
            raise UserError("speed, travel and pen have to be above 0")
        self.stream = PenStream(PenPolicy(arm, ROWS_HZ, self.pace))
        self.at: np.ndarray | None = None
        self.why, self.told, self.seconds = "", "", 0.0
        self.waiting: str | Image = str(self.given["picture"])
        self.kept = tempfile.TemporaryDirectory()
        self.folder, self.tracer = Path(self.kept.name), Beside("tracer")
        self.tracing: Future[Drawing] | None = None
        self.out = self.create_publisher(JointTrajectory, "controller/command", RELIABLE)
        self.beat = self.create_publisher(Empty, "controller/heartbeat", RELIABLE)
        self.status = self.create_publisher(String, "~/status", LATCHED)
        self.create_subscription(JointState, self.robot.topic("joint_states"), self.joints, RELIABLE)
        self.create_subscription(String, "~/picture", self.picture, LATCHED)
        self.create_subscription(Image, "~/image", self.image, NEWEST)
        self.create_subscription(String, "gate/status", self.heed, LATCHED)
        for name in ("pause", "resume", "cancel"):
            self.create_service(Trigger, f"~/{name}", getattr(self, name))
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(BEAT_S, lambda: self.beat.publish(Empty()), clock=steady)
        self.create_timer(TICK_S, self.tick, clock=steady)

    def joints(self, message: JointState) -> None:
        by_name = dict(zip(message.name, message.position, strict=False))
        if all(math.isfinite(by_name.get(name, math.nan)) for name in self.robot.joints):
            self.at = np.array([by_name[name] for name in self.robot.joints])

    def heed(self, message: String) -> None:
        """What the gate has stopped is over: after a reset nothing goes on by itself."""
        if (fault := wire.said(message.data).get("fault")) and self.stream.moving:
            self.stream.stop(f"gate: {fault}")
            self.complain(self.stream.why)

    # --- what to draw

    def picture(self, message: String) -> None:
        """Drawn as soon as the joints are known; a latched message is often here before them."""
        self.waiting = message.data

    def image(self, message: Image) -> None:
        """The newest that comes while nothing is drawn; of a camera's stream one is enough."""
        if not self.stream.moving:
            self.waiting = message

    def trace(self, what: str | Image) -> None:
        """Begin to trace it, in a thread of its own: the gate goes on hearing of us, and so do the services."""
        self.why = ""
        if self.stream.moving:
            return self.complain("a drawing is under way; call ~/cancel first")
        plan = Plan(
            str(self.given["page"]), pen_mm=float(self.given["pen_mm"]), style=Style(str(self.given["mode"])), pace=self.pace
        )  # fmt: skip
        self.tracing = self.tracer.submit(lambda: drawing(self.source(what), plan)[0])

    def source(self, what: str | Image) -> Path:
        """The file that shows it."""
        if isinstance(what, str) and not what.lstrip().startswith("<"):
            return Path(what)
        if isinstance(what, str):
            made = self.folder / "drawing.svg"
            made.write_text(what)
            return made
        from PIL import Image as Pictures

        made, seen = self.folder / "image.png", wire.picture(what)
        if seen.ndim != 3:
            raise UserError(f"an image of encoding {what.encoding!r} is no picture to draw; send rgb8 or mono8")
        Pictures.fromarray(seen).save(made)
        return made

    def begin(self, made: Drawing, at: np.ndarray) -> None:
        """Lay it on the page and move."""
        strokes = [stroke for layer in made.layers for stroke in layer.strokes()]
        x, y, z, turn = (float(self.given[key]) for key in ("x", "y", "z", "turn"))
        self.stream.begin(strokes, laid(made.width, made.height, (x, y), turn, z), at)
        self.seconds = estimate(strokes, pace=self.pace).total_s

    # --- what the arm does

    def tick(self) -> None:
        if self.at is not None:
            if self.waiting and self.tracing is None:
                what, self.waiting = self.waiting, ""
                self.trace(what)
            if self.tracing is not None and self.tracing.done():
                done, self.tracing = self.tracing, None
                try:
                    self.begin(done.result(), self.at)
                except (UserError, OSError, ValueError) as error:  # ValueError: a path that can be none
                    self.complain(str(error))
            self.move(self.at)
        self.say()

    def move(self, at: np.ndarray) -> None:
        """Send what is due."""
        moving = self.stream.moving
        due, rows = self.stream.next(time.monotonic(), at)
        if moving and self.stream.state == "stopped":
            self.hold()
            self.complain(self.stream.why)
        if len(rows):
            full = np.column_stack([rows, np.full(len(rows), self.robot.grip(float(self.given["grip"])))])
            self.out.publish(wire.trajectory_message(self.robot.names, np.maximum(due, 1e-3), full, ros_s(self)))

    def say(self) -> None:
        """~/status, when it changes."""
        state = self.stream
        told = {
            "state": state.state,
            "done": state.done,
            "strokes": len(state.strokes),
            "seconds": round(self.seconds),
            "why": self.why,
        }
        if (text := json.dumps(told)) != self.told:
            self.told = text
            self.status.publish(String(data=text))

    def hold(self) -> None:
        """A trajectory without points: the gate holds the arm where it is measured."""
        self.out.publish(
            wire.trajectory_message(self.robot.names, np.zeros(0), np.zeros((0, len(self.robot.names))), ros_s(self))
        )

    def pause(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self.stream.paused = True
        response.success, response.message = True, "pauses when the stroke is drawn; ~/resume goes on"
        return response

    def resume(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self.stream.paused = False
        response.success = True
        return response

    def cancel(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self.waiting, self.tracing = "", None
        self.stream.cancel()
        self.hold()
        response.success = True
        return response

    def complain(self, why: str) -> None:
        self.why = why
        self.get_logger().error(why)

    def failed(self, why: str) -> None:
        """What should not happen: nothing goes on."""
        self.stream.stop(why)
        self.hold()
        self.complain(why)

    def leave(self) -> None:
        self.stream.cancel()
        self.hold()
        self.out.wait_for_all_acked(Duration(seconds=0.5))
        self.kept.cleanup()


def main() -> int:
    return live(DrawNode)


if __name__ == "__main__":
    sys.exit(main())
