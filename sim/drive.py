"""Driving as a Body: a road, traffic, a dashcam, a sentence to carry out. Same seed, same rollout, bit for bit.

Nothing here is moved by Bullet's solver: poses follow from sim/car.py and sim/traffic.py, Bullet holds the shapes, finds the
collisions and draws the pictures.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embodied.data import drives
from embodied.data.sources.lerobot_drive import OWN, own_camera
from embodied.drive import above
from embodied.drive.replay import CLOCK
from embodied.drive.state import HISTORY_S
from embodied.errors import UserError
from embodied.geometry import Matrix
from embodied.spec import BodySpec, CameraSpec, Channels
from embodied.types import Command, Observation
from sim import car as cars
from sim import road as roads
from sim import traffic as others
from sim.bodywork import field, hull, lamps, saloon, walker
from sim.lidar import scan
from sim.shapes import Mesh, box_mesh
from sim.world import FAR_AWAY, Frame, Light, World

RATE_HZ = 20.0
SIZE = (160, 96)  # px
ROWS = round(HISTORY_S * RATE_HZ) + 1
ACTION = Channels(
    ("accel", "steer"), ("m/s^2", "rad"), (-cars.BRAKE_MPS2, -cars.STEER_RAD), (cars.GAS_MPS2, cars.STEER_RAD), RATE_HZ
)
MAX_TICKS = 1600
STOP_GAP_M = (1.0, 8.0)  # between bumpers, behind the car that was named
TELLINGS = {
    "left": ("turn left at the junction", "take the road to the left at the crossing", "go left at the next junction"),
    "right": (
        "turn right at the junction",
        "take the road to the right at the crossing",
        "go right at the next junction",
    ),
    "straight": ("go straight on at the junction", "cross the junction", "drive straight over the crossing"),
    "stop": (
        "stop behind the {colour} car",
        "come to a stop behind the {colour} car",
        "pull up behind the {colour} car",
    ),
    "follow": ("drive on", "follow the road", "keep to the road until its end"),
}
KINDS = tuple(TELLINGS)
LAMP_RGBA = (1.0, 0.05, 0.05, 1.0)


@dataclass(frozen=True)
class Sky:
    """Light and air. fog: 1/m, how fast the view fades into `air`."""

    name: str
    light: Light
    air: tuple[float, float, float]
    fog: float


SKIES = (
    Sky("day", Light((0.3, 0.4, 1.0), (1.0, 1.0, 1.0), 0.65, 0.45), (168, 200, 232), 0.003),
    Sky("dusk", Light((1.0, 0.2, 0.35), (1.0, 0.78, 0.62), 0.48, 0.42), (138, 104, 108), 0.006),
    Sky("fog", Light((0.1, 0.1, 1.0), (1.0, 1.0, 1.0), 0.75, 0.15), (190, 192, 194), 0.035),
)


class DriveBody:
    """embodied.protocols.Body. kind: one of KINDS, or "" for the seed to choose; sky likewise. size: of the dashcam, px.

    labels: observations also carry `pose` and `truth` (embodied.data.drives), for recordings; a driver gets neither.
    look: whether observations have pictures.  lamps: whether the car ahead shows that it brakes.  lidar: whether observations
    have what a lidar on the roof measures, from above (embodied.drive.above).
    road, traffic, car, s: privileged, for the expert and for tests."""

    def __init__(
        self, kind: str = "", sky: str = "", size: tuple[int, int] = SIZE, labels: bool = False, look: bool = True,
        gui: bool = False, lamps: bool = True, lidar: bool = False,
    ) -> None:  # fmt: skip
        if kind and kind not in KINDS:
            raise UserError(f"unknown kind {kind!r}; choose from {', '.join(KINDS)}")
        if sky and sky not in [one.name for one in SKIES]:
            raise UserError(f"unknown sky {sky!r}; choose from {', '.join(one.name for one in SKIES)}")
        self.kind, self.sky_name, self.labels, self.look, self.lamps = kind, sky, labels, look, lamps
        self.lidar = lidar
        self.world = World(gui, near_m=0.3, far_m=180.0)
        self.camera = own_camera(*size)
        self._bodies: list[int] = []
        self._hull = self.world.add(box_mesh((0.01, 0.01, 0.01)), [hull()], (0, 0, 0, 1))
        self._ground = self.world.add(field(), [], (0.36, 0.47, 0.27, 1.0))
        self._seeds = np.random.default_rng(0)
        self.seed, self.tick, self.goal = 0, 0, ""

    # --- Body

    @property
    def spec(self) -> BodySpec:
        names = ("speed", "accel", "yaw_rate", "steer")
        states = dict(drives.body_spec("sim", RATE_HZ, names, pose=self.labels, truth=self.labels).states)
        cameras = {"front": self.camera} if self.look else {}
        facts = {above.NAME: above.SAID} if self.lidar else {}
        return BodySpec(OWN, cameras, {**states, **({} if self.labels else {"clock": CLOCK})}, ACTION, facts)

    def reset(self, seed: int | None = None) -> Observation:
        """A new road. The seed decides all of it; without one, the next of the last seed's series."""
        if seed is None:
            seed = int(self._seeds.integers(10_000_000))
        else:
            self._seeds = np.random.default_rng([seed, 3])
        self.seed, rng = seed, np.random.default_rng([seed, 7])
        kind = self.kind or str(rng.choice(KINDS))
        self.told = kind
        self.sky = next((s for s in SKIES if s.name == self.sky_name), None) or SKIES[int(rng.integers(len(SKIES)))]
        self.road = roads.draw(rng, kind if kind in roads.TURNS else "")
        self.cruise = float(rng.uniform(7.0, 12.5))
        colour = str(rng.choice(list(cars.COLOURS))) if kind == "stop" else ""
        self.traffic = others.draw(rng, self.road, self.cruise, colour)
        self.goal = str(rng.choice(TELLINGS[kind])).format(colour=colour)
        self.car = cars.Car(speed=float(rng.uniform(0.3, 0.9)) * self.cruise)
        self.s, self.left, self.tick, self.off_ticks = 0.0, 0.0, 0, 0
        self.collided, self.ended = "", ""
        self.nearest_m, self.way_m = 20.0, 0.0
        self._rows: deque[NDArray[np.float32]] = deque([self.car.sensed] * ROWS, ROWS)
        self._build()
        self._arrange()
        return self.observe()

    @property
    def now_s(self) -> float:
        return self.tick / RATE_HZ

    @property
    def progress(self) -> float:
        """Share of the route, in [0, 1]."""
        return float(np.clip(self.s / self.road.route.length, 0.0, 1.0))

    @property
    def ego(self) -> dict[str, float]:
        return dict(zip(self.spec.states["ego"].names, map(float, self._rows[-1]), strict=True))

    def observe(self) -> Observation:
        states: dict[str, Any] = {"ego": np.stack(self._rows)}
        if self.labels:
            ttc, reason = self.danger()
            states["pose"] = np.array([[self.car.x, self.car.y, self.car.yaw]], np.float32)
            states["truth"] = np.array([[0.0, float(others.is_hazard(ttc)), ttc, reason]], np.float32)
        else:
            states["clock"] = (np.arange(1 - ROWS, 1, dtype=np.float32) / np.float32(RATE_HZ))[:, None]
        images = {"front": self.picture()} if self.look else {}
        return Observation(self.now_s, images | ({above.NAME: self.scan()} if self.lidar else {}), states)

    def apply(self, command: Command) -> Command:
        """One tick (0.05 s). The command is clipped; actuators follow with lag."""
        values = np.asarray(command.values, np.float32)
        if values.shape != (2,) or not np.all(np.isfinite(values)):
            raise UserError(f"command {values.tolist()} must be 2 finite numbers: {ACTION.names}")
        sent = ACTION.clip(values)
        before = (self.car.x, self.car.y)
        self.car.drive(float(sent[0]), float(sent[1]))
        self.way_m += float(np.hypot(self.car.x - before[0], self.car.y - before[1]))
        self.tick += 1
        self.s, self.left = self.road.route.locate(np.array([self.car.x, self.car.y]), self.s)
        self.traffic.step(self.now_s, self.car, self.s, self.road)
        self._arrange()
        self._judge()
        self._rows.append(self.car.sensed)
        return Command(command.t_s, sent)

    def close(self) -> None:
        self.world.close()

    # --- what has come of it

    def danger(self) -> tuple[float, int]:
        """(time to collision s, index in REASONS) if nobody acts; see sim.traffic.danger."""
        return others.danger(self.car, self.s, self.traffic, self.road)

    def success(self) -> bool:
        """Arrived: at the end of the route, or standing behind the car that was named, without collision and on the road."""
        return self.ended == "arrived"

    def _judge(self) -> None:
        if self.road.off_road(np.array([self.car.x, self.car.y])):
            self.off_ticks += 1
        for name, body, here in self._movers:
            gap = self.world.distance(self._hull, body, 20.0) if here else 20.0
            self.nearest_m = min(self.nearest_m, gap)
            if gap <= 0.0:
                self.collided = self.collided or name
        if self.ended:
            return
        if self.collided:
            self.ended = "collision"
        elif self.off_ticks:
            self.ended = "off the road"
        elif self._arrived():
            self.ended = "arrived"
        elif self.tick >= MAX_TICKS:
            self.ended = "late"

    def _arrived(self) -> bool:
        if self.traffic.standing is None:
            return self.s >= self.road.route.length - 1.0
        gap = self.traffic.standing[0] - cars.REAR_M - (self.s + cars.LENGTH_M - cars.REAR_M)
        return self.car.speed < 0.1 and STOP_GAP_M[0] <= gap <= STOP_GAP_M[1]

    # --- shapes and pictures

    def _build(self) -> None:
        for body in self._bodies:
            self.world.remove(body)
        self._bodies = []
        tones = {"asphalt": (0.30, 0.30, 0.32, 1.0), "paint": (0.93, 0.93, 0.90, 1.0)}
        for name, mesh in roads.surfaces(self.road).items():
            self._bodies.append(self._put(mesh, [], tones[name]))
        self._cars: dict[str, int] = {}
        named = {"lead": self.traffic.lead.colour} if self.traffic.lead else {}
        named |= {"standing": self.traffic.standing[1]} if self.traffic.standing else {}
        named |= {f"parked {k}": spot[2] for k, spot in enumerate(self.traffic.parked)}
        for name, colour in named.items():
            self._cars[name] = self._put(saloon(), [hull()], (*cars.COLOURS[colour], 1.0))
            self._bodies.append(self._cars[name])
        self._people = [
            self._put(walker(), [("cylinder", (others.PERSON_M, 1.7), (0.0, 0.0, 0.85), 0.0)], (*person.colour, 1.0))
            for person in self.traffic.people
        ]
        self._bodies += self._people
        self._lit = self._put(lamps(), [], LAMP_RGBA) if self.traffic.lead and self.lamps else None
        self._bodies += [] if self._lit is None else [self._lit]

    def _put(self, mesh: Mesh, hulls: list[Any], rgba: tuple[float, ...]) -> int:
        body = self.world.add(mesh, hulls, rgba)  # type: ignore[arg-type]
        self.world.place(body, (0.0, 0.0, 0.0))
        return body

    def _arrange(self) -> None:
        """Every body where it is at this tick."""
        route = self.road.route
        _stand(self.world, self._hull, np.array([self.car.x, self.car.y, self.car.yaw]))
        self.world.place(self._ground, (self.car.x, self.car.y, -0.03), _turned(self.car.yaw))
        self._movers: list[tuple[str, int, bool]] = []
        for name, body in self._cars.items():
            if name == "lead":
                assert self.traffic.lead is not None
                here, pose = self.traffic.lead.s < route.length + 25, route.at(self.traffic.lead.s)
            elif name == "standing":
                assert self.traffic.standing is not None
                here, pose = True, route.at(self.traffic.standing[0])
            else:
                s, left, _ = self.traffic.parked[int(name.split()[1])]
                here, pose = True, route.at(s, left)
            self._show(body, pose if here else None)
            if name == "lead" and self._lit is not None:
                self._show(self._lit, pose if here and self.traffic.lead.braking else None)  # type: ignore[union-attr]
            self._movers.append((name, body, here))
        for k, (person, body) in enumerate(zip(self.traffic.people, self._people, strict=True)):
            where = route.at(person.s, person.left)
            self.world.place(body, (where[0], where[1], 0.0), _turned(where[2] + np.pi / 2 * -person.side))
            self._movers.append((f"person {k}", body, True))

    def _show(self, body: int, pose: NDArray[np.float64] | None) -> None:
        """A car's body, or a part of it, with its rear axle at this pose; None: out of sight."""
        if pose is None:
            self.world.place(body, FAR_AWAY)
        else:
            _stand(self.world, body, pose)

    @property
    def base_from_car(self) -> Matrix:
        """4 4, of the rear axle on the ground."""
        made, (c, s) = np.eye(4), (np.cos(self.car.yaw), np.sin(self.car.yaw))
        made[:2, :2], made[:2, 3] = [[c, -s], [s, c]], (self.car.x, self.car.y)
        return made

    def look_out(self, size: tuple[int, int] | None = None) -> Frame:
        """The dashcam's picture through the air of this day, with the depth and the bodies that it shows: labels, not senses."""
        spec = self.camera if size is None else own_camera(*size)
        frame = self.world.look(spec, self.base_from_car @ spec.parent_from_cam, self.sky.light)
        clear = np.where(frame.bodies < 0, 0.0, np.exp(-self.sky.fog * frame.depth))[..., None]
        seen = np.round(frame.image * clear + np.array(self.sky.air) * (1 - clear)).astype(np.uint8)
        return replace(frame, image=seen)

    def picture(self, size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
        """What the dashcam sees, uint8 H W 3."""
        return self.look_out(size).image

    def scan(self) -> NDArray[np.uint8]:
        """The lidar's picture from above, embodied.drive.above."""
        self.world.place(self._hull, FAR_AWAY)  # nobody sees himself
        points = scan(
            self.world, (self.car.x, self.car.y, self.car.yaw), np.random.default_rng([self.seed, self.tick, 13])
        )
        _stand(self.world, self._hull, np.array([self.car.x, self.car.y, self.car.yaw]))
        return above.raster(points)

    def film_camera(self, size: tuple[int, int]) -> CameraSpec:
        """Of `picture(size)`."""
        return own_camera(*size)

    def shown(self) -> dict[int, tuple[str, float, float]]:
        """Body -> (what it is: asphalt, paint, car or person; its speed along the road and to the left, m/s). Labels."""
        made = {self._bodies[k]: (name, 0.0, 0.0) for k, name in enumerate(("asphalt", "paint"))}
        for name, body in self._cars.items():
            lead = self.traffic.lead if name == "lead" else None
            made[body] = ("car", lead.speed if lead else 0.0, 0.0)
        if self._lit is not None:
            made[self._lit] = made[self._cars["lead"]]
        for person, body in zip(self.traffic.people, self._people, strict=True):
            walks = person.walking and not person.over
            made[body] = ("person", 0.0, -person.side * person.pace if walks else 0.0)
        return made


def _turned(yaw: float) -> tuple[float, float, float, float]:
    return (0.0, 0.0, float(np.sin(yaw / 2)), float(np.cos(yaw / 2)))


def _stand(world: World, body: int, pose: NDArray[np.float64]) -> None:
    """A car's body with its rear axle at this pose (x, y, yaw)."""
    world.place(body, (float(pose[0]), float(pose[1]), 0.0), _turned(float(pose[2])))
