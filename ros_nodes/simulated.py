"""What a simulated world's node has whatever it simulates: clock, stamps, cameras, a tick that nobody's clock stops."""

from __future__ import annotations

import time
from typing import Any

from geometry_msgs.msg import PoseStamped
from rclpy.clock import Clock as SteadyClock
from rclpy.clock_type import ClockType
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import String
from std_srvs.srv import Trigger

from embodied.spec import CameraSpec
from ros_nodes import wire
from ros_nodes.process import LATCHED, NEWEST, parameter

CLOCK_S = 0.02  # s between messages on /clock


class Simulated(Node):
    """A world in step with the machine's time. Its own part is `lay`, `tick` and `body`."""

    body: Any  # embodied.protocols.Body with a goal and a success
    untested = ""  # why nobody can say whether this scene's goal is reached

    def __init__(self, parameters: dict[str, tuple[Any, str]]) -> None:
        super().__init__("sim")
        self.set = {key: parameter(self, key, value, says) for key, (value, says) in parameters.items()}
        self.began, self.simulated = time.monotonic(), bool(self.get_parameter("use_sim_time").value)
        self.clock_said = self.create_publisher(Clock, "/clock", NEWEST)
        self.goal = self.create_publisher(String, "~/goal", LATCHED)
        self.cameras = dict[tuple[str, str], Any]()
        self.create_service(Trigger, "~/reset", self.reset)
        self.create_service(Trigger, "~/success", self.tell)
        self.episode = 0

    def camera(self, name: str, depth: bool) -> None:
        """The topics of a camera."""
        kinds: dict[str, Any] = {"image_raw": (Image, NEWEST)} | ({"depth": (Image, NEWEST)} if depth else {})
        kinds |= {"camera_info": (CameraInfo, LATCHED), "pose": (PoseStamped, LATCHED)}
        for kind, (message, qos) in kinds.items():
            self.cameras[name, kind] = self.create_publisher(message, f"camera/{name}/{kind}", qos)

    def go(self, rate_hz: float) -> None:
        """Begin: the first scene, and ticks."""
        self.lay()
        steady = SteadyClock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(1 / rate_hz, self.tick, clock=steady)
        self.create_timer(CLOCK_S, self.say_clock, clock=steady)

    def lay(self) -> None:
        """The scene of this episode."""
        raise NotImplementedError

    def tick(self) -> None:
        raise NotImplementedError

    def world_s(self) -> float:
        return time.monotonic() - self.began

    def now(self) -> float:
        """Of stamps, s."""
        return self.world_s() if self.simulated else time.time()

    def say_clock(self) -> None:
        self.clock_said.publish(Clock(clock=wire.stamp(self.world_s())))

    def describe(self, name: str, spec: CameraSpec) -> None:
        """Where a camera is and what it is."""
        now = self.now()
        self.cameras[name, "camera_info"].publish(wire.camera_message(spec, name, now))
        self.cameras[name, "pose"].publish(wire.placed_message(spec.parent_from_cam, spec.parent, now))

    def reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self.episode += 1
        self.lay()
        response.success, response.message = True, self.body.goal
        return response

    def tell(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success = not self.untested and bool(self.body.success())
        response.message = self.untested or self.body.goal
        return response

    def failed(self, why: str) -> None:
        self.get_logger().error(why)

    def leave(self) -> None:
        self.body.close()
