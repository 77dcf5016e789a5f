"""highway-env's roads as a Body: a car that was not written here, through the same loop (Leurent 2018,
github.com/Farama-Foundation/ HighwayEnv). Needs the extra `highway`.

highway-env's y points right and its headings turn clockwise; here left is positive, as everywhere.
"""

from __future__ import annotations

import os
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embodied.data import drives
from embodied.drive.replay import CLOCK
from embodied.drive.state import HISTORY_S
from embodied.errors import UserError
from embodied.spec import BodySpec, CameraSpec, Channels
from embodied.types import Command, Observation

RATE_HZ, DURATION_S = 20.0, 30.0
ACCEL, STEER = (-6.0, 3.0), 0.5  # m/s^2, rad at the road wheels
ROWS = round(HISTORY_S * RATE_HZ) + 1
OTHERS = 5
KINDS = {"highway": "highway-v0", "racetrack": "racetrack-v1"}
LOOKED_M = (5.0, 10.0, 15.0, 20.0, 30.0, 40.0)
ACTION = Channels(("accel", "steer"), ("m/s^2", "rad"), (ACCEL[0], -STEER), (ACCEL[1], STEER), RATE_HZ)
# Of the lane: how far the car is left of its middle, the speed that is allowed, and its middle ahead as seen from the car.
LANE = Channels(
    ("left", "limit", *(f"{axis}_{m:.0f}" for m in LOOKED_M for axis in "xy")), ("m", "m/s", *("m", "m") * len(LOOKED_M)),
    (-50.0, 0.0, *(-60.0, -60.0) * len(LOOKED_M)), (50.0, 60.0, *(60.0, 60.0) * len(LOOKED_M)), RATE_HZ,
)  # fmt: skip
# Of the nearest vehicles, nearest first: 1 where there is one, where it is and how fast, all as seen from this car.
AROUND = Channels(
    tuple(f"{name}_{k}" for k in range(OTHERS) for name in ("there", "ahead", "left", "forward", "leftward")),
    ("1", "m", "m", "m/s", "m/s") * OTHERS, (0.0, -300.0, -50.0, -60.0, -60.0) * OTHERS, (1.0, 300.0, 50.0, 60.0, 60.0) * OTHERS,
    RATE_HZ,
)  # fmt: skip


class HighwayBody:
    """embodied.protocols.Body. Senses its own motion (`ego`, with `clock`), its lane and the vehicles around it; no camera.

    It arrives when it has driven DURATION_S without touching anything or leaving the road."""

    def __init__(self, kind: str = "highway") -> None:
        if kind not in KINDS:
            raise UserError(f"unknown kind {kind!r}; choose from {', '.join(KINDS)}")
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
        try:
            import gymnasium
            import highway_env  # noqa: F401  registers the ids
        except ImportError:
            raise UserError("this needs 'highway_env'; run: pip install 'embodied-planner[highway]'") from None
        settings = {
            "action": {"type": "ContinuousAction", "acceleration_range": list(ACCEL), "steering_range": [-STEER, STEER]},
            "observation": {"type": "Kinematics", "normalize": False, "vehicles_count": 1 + OTHERS},
            "simulation_frequency": round(RATE_HZ), "policy_frequency": round(RATE_HZ), "duration": DURATION_S,
            "offscreen_rendering": True, "screen_width": 640, "screen_height": 160, "scaling": 5.0,
        }  # fmt: skip
        self.kind, self.goal = kind, "drive on"
        self._env: Any = gymnasium.make(
            KINDS[kind], render_mode="rgb_array", config=settings, disable_env_checker=True
        ).unwrapped
        self.spec = BodySpec("highway-car", {}, {
            "ego": drives.body_spec("highway", RATE_HZ, ("speed", "accel", "yaw_rate", "steer"), pose=False).states["ego"],
            "clock": CLOCK, "lane": LANE, "around": AROUND,
        }, ACTION, {"source": "highway-env", "steer": "road"})  # fmt: skip

    def reset(self, seed: int | None = None) -> Observation:
        """The seed decides the traffic."""
        self._env.reset(seed=seed)
        self.tick, self.way_m, self.off_ticks = 0, 0.0, 0
        self.ended, self.collided, self._accel, self._steer = "", "", 0.0, 0.0
        self._yaw = self._turned()
        self._rows: deque[NDArray[np.float32]] = deque([self._sensed(0.0)] * ROWS, ROWS)
        return self.observe()

    @property
    def now_s(self) -> float:
        return self.tick / RATE_HZ

    @property
    def progress(self) -> float:
        return min(1.0, self.now_s / DURATION_S) if self.ended != "arrived" else 1.0

    @property
    def left(self) -> float:
        """m to the left of the lane's middle."""
        car = self._env.vehicle
        return -float(car.lane.local_coordinates(car.position)[1])

    @property
    def ego(self) -> dict[str, float]:
        return dict(zip(self.spec.states["ego"].names, map(float, self._rows[-1]), strict=True))

    def observe(self) -> Observation:
        clock = (np.arange(1 - ROWS, 1, dtype=np.float32) / np.float32(RATE_HZ))[:, None]
        states = {"ego": np.stack(self._rows), "clock": clock, "lane": self._lane(), "around": self._around()}
        return Observation(self.now_s, {}, states)

    def apply(self, command: Command) -> Command:
        """One tick. The command is clipped; highway-env's car follows at once."""
        sent = ACTION.clip(np.asarray(command.values, np.float32))
        before = self._env.vehicle.position.copy()
        low, high = ACCEL
        share = np.array([2 * (sent[0] - low) / (high - low) - 1, -sent[1] / STEER])
        _, _, terminated, truncated, _ = self._env.step(share)
        car = self._env.vehicle
        self.tick += 1
        self.way_m += float(np.hypot(*(car.position - before)))
        self.off_ticks += not car.on_road
        self._accel, self._steer = float(sent[0]), float(sent[1])
        self._rows.append(self._sensed((self._turned() - self._yaw) * RATE_HZ))
        self._yaw = self._turned()
        if not self.ended:
            if car.crashed:
                self.ended = self.collided = "collision"
            elif not car.on_road:
                self.ended = "off the road"
            elif terminated or truncated or self.now_s >= DURATION_S:
                self.ended = "arrived"
        return Command(command.t_s, sent)

    def success(self) -> bool:
        return self.ended == "arrived"

    def close(self) -> None:
        self._env.close()

    def picture(self, size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
        """The road from above, for people."""
        return np.ascontiguousarray(self._env.render())

    def film_camera(self, size: tuple[int, int]) -> CameraSpec | None:
        """None: paths are not drawn on a view from above."""
        return None

    # --- inside

    def _turned(self) -> float:
        return -float(self._env.vehicle.heading)

    def _sensed(self, yaw_rate: float) -> NDArray[np.float32]:
        turn = (yaw_rate * RATE_HZ**-1 + np.pi) % (2 * np.pi) - np.pi
        return np.array([self._env.vehicle.speed, self._accel, turn * RATE_HZ, self._steer], np.float32)

    def _seen_from_car(self, vectors: NDArray[np.floating]) -> NDArray[np.floating]:
        """(n, 2) of highway-env's axes as forward and left."""
        c, s = np.cos(self._env.vehicle.heading), np.sin(self._env.vehicle.heading)
        return vectors @ np.array([[c, s], [s, -c]])

    def _lane(self) -> NDArray[np.float32]:
        car, network = self._env.vehicle, self._env.road.network
        route = [car.lane_index]
        for _ in LOOKED_M[:4]:
            route.append(network.next_lane(route[-1], position=car.position, np_random=np.random.RandomState(0)))
        along, right = car.lane.local_coordinates(car.position)
        ahead = [network.position_heading_along_route(route, along + m, 0.0, car.lane_index)[0] for m in LOOKED_M]
        limit = car.lane.speed_limit or 30.0
        return np.array([[-right, limit, *self._seen_from_car(np.array(ahead) - car.position).ravel()]], np.float32)

    def _around(self) -> NDArray[np.float32]:
        car = self._env.vehicle
        made = np.zeros((OTHERS, 5), np.float32)
        near = self._env.road.close_objects_to(car, 150.0, count=OTHERS, see_behind=True, sort=True)
        for k, other in enumerate(near):
            gaps = np.array([other.position - car.position, other.velocity - car.velocity])
            made[k] = (1.0, *self._seen_from_car(gaps).ravel())
        return made.reshape(1, -1)
