"""A vehicle behind topics as a Body: odometry and pictures in, velocities out to its gate."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
from geometry_msgs.msg import TwistStamped
from rclpy.node import Node

from embodied.control.clock import NewsClock
from embodied.data import clouds
from embodied.data.drives import EGO, Pictures
from embodied.drive import above
from embodied.drive.replay import CLOCK
from embodied.drive.state import Past
from embodied.errors import UserError
from embodied.spec import BodySpec, Channels
from embodied.types import Command, Observation
from ros_nodes import wire
from ros_nodes.body import NEAR_S, subscribe
from ros_nodes.cameras import Cameras, Topics
from ros_nodes.outlet import Outlet
from ros_nodes.process import RELIABLE, ros_s
from ros_nodes.robots import RATE_HZ
from ros_nodes.vehicles import Vehicle

MEASURED = ("speed", "yaw_rate")
POINTS_S = 0.5  # a lidar's turn that is older is none


class VehicleWire(Cameras):
    """A vehicle's topics: what came in, and the way out. Of the executor's thread, read from any.
    clock: ticks with the odometry."""

    frame = "base_link"

    def __init__(self, node: Node, vehicle: Vehicle) -> None:
        super().__init__(vehicle.cameras, vehicle.cameras, vehicle.mounts)
        self.node, self.vehicle, self.clock = node, vehicle, NewsClock(NEAR_S)
        self._past, self._points = Past(), (-np.inf, None)
        self.out = Outlet(node.create_publisher(TwistStamped, "controller/twist", RELIABLE))
        units, low, high = zip(*(EGO[name] for name in MEASURED), strict=True)
        most = np.array(vehicle.speed)
        self._states = {"ego": Channels(MEASURED, units, low, high, RATE_HZ), "clock": CLOCK}
        self._action = Channels(
            ("forward", "left", "turn"), ("m/s", "m/s", "rad/s"), tuple(-most), tuple(most), RATE_HZ
        )
        subscribe(node, self)

    def topics(self) -> Topics:
        ours: Topics = [("odom", "Odometry", "reliable", self.take_odometry)]
        ours += [("points", "PointCloud2", "newest", self.take_points)] if self.vehicle.lidar else []
        return [(self.vehicle.topic(topic), *rest) for topic, *rest in ours + super().topics()]  # type: ignore[misc]

    def take_odometry(self, message: Any) -> None:
        forward, _, turn = wire.twist(message.twist.twist).tolist()
        if not (math.isfinite(forward) and math.isfinite(turn)):
            return  # as if it had not come; the gate calls it a fault
        with self._lock:
            self._past.add(self.now_s(), np.array([forward, turn], np.float32))
        self.clock.tell()

    def take_points(self, message: Any) -> None:
        """One turn of a lidar; read later, by whoever wants it."""
        with self._lock:
            self._points = self.now_s(), message

    def lacks(self, since_s: float = -np.inf) -> str:
        """What has not arrived yet, in words; nothing when all has, pictures after `since_s`."""
        odometry = [] if self._past.newest_s > -np.inf else [self.vehicle.topic("odom")]
        return "; ".join(odometry + self.missing(since_s))

    @property
    def spec(self) -> BodySpec:
        """UserError for what is missing, and for a camera that does not show what its CameraInfo says."""
        if lacking := self.lacks():
            raise UserError(f"nothing came yet on {lacking}")
        facts = {above.NAME: above.SAID} if self.vehicle.lidar else {}
        return BodySpec(self.vehicle.name, self.specs(), self._states, self._action, facts)

    def observe(self) -> Observation:
        """Its time is that of the odometry, or of a camera that has stopped. A lidar that is silent is left out: drivers may do
        without."""
        with self._lock:
            t_s, states, (turned_s, points) = self._past.newest_s, self._past.states(), self._points
        t_s, seen, depth = self.see(t_s)
        if self.now_s() - turned_s <= POINTS_S:
            shots = {name: partial(seen.__getitem__, name) for name in seen}
            seen = Pictures({**shots, above.NAME: lambda: above.raster(clouds.cloud(points))})
        return Observation(t_s, seen, states, depth)

    def body(self) -> VehicleBody:
        """For one run."""
        return VehicleBody(self)

    def message(self, twist: np.ndarray) -> TwistStamped:
        return wire.twist_message(twist, self.frame, ros_s(self.node))

    def stand_still(self, who: object = None) -> None:
        """Zeros; what a run still has to say after that is not sent. who: only if that run is still in charge."""
        self.out.stop(self.message(np.zeros(3)), who)


class VehicleBody:
    """embodied.protocols.Body over these topics, for one run: it sends from `reset` until another run begins or the vehicle is told
    to stand still. Time is the machine's monotonic clock, counted on receipt."""

    def __init__(self, topics: VehicleWire) -> None:
        self.topics = topics
        self._spec: BodySpec | None = None

    @property
    def spec(self) -> BodySpec:
        """What it was at the reset, whatever cameras say of themselves later."""
        return self.topics.spec if self._spec is None else self._spec

    def reset(self, seed: int | None = None) -> Observation:
        """The world is as it is."""
        self._spec = self.topics.spec
        self.topics.out.take(self)
        return self.observe()

    def observe(self) -> Observation:
        return self.topics.observe()

    def apply(self, command: Command) -> Command:
        values = self.spec.action.clip(np.asarray(command.values, float))
        self.topics.out.send(self, self.topics.message(values))
        return Command(command.t_s, values)

    def close(self) -> None:
        self.topics.stand_still(self)
