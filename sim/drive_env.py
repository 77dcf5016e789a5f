"""DriveBody as the gymnasium environment `Embodied/Drive-v0`; observations carry LeRobot's keys."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from embodied.drive import above
from embodied.errors import UserError
from embodied.types import Command, Observation
from sim.drive import ACTION, RATE_HZ, SIZE, DriveBody


class DriveEnv(gymnasium.Env[Any, Any]):
    """Drive where the sentence says, 20 Hz. Action: acceleration (m/s^2) and angle of the road wheels (rad), SI units.

    Observation: "observation.state" float32 (4,), speed accel yaw_rate steer; "observation.images.front" uint8 H W 3, unless
    cameras=(), and "observation.images.lidar" where cameras holds "lidar" (embodied.drive.above). Reward 1 and terminated on
    arrival; terminated without reward on a collision or off the road; truncated after sim.drive.MAX_TICKS. info: "task", "success",
    "ended", "nearest_m" (smallest distance to anything so far, 20 at most), "way_m", "progress" in [0, 1].  kind, sky: see
    sim.drive.DriveBody."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": round(RATE_HZ)}

    def __init__(
        self,
        kind: str = "",
        sky: str = "",
        cameras: tuple[str, ...] = ("front",),
        size: tuple[int, int] = SIZE,
        render_mode: str | None = None,
    ) -> None:
        if render_mode not in (None, "rgb_array"):
            raise UserError(f"render_mode {render_mode!r} is not there; choose 'rgb_array' or None")
        if not set(cameras) <= {"front", above.NAME}:
            raise UserError(f"cameras={cameras} must be of 'front' and '{above.NAME}'")
        self.render_mode = render_mode
        self.body = DriveBody(kind, sky, size, look="front" in cameras, lidar=above.NAME in cameras)
        box: dict[str, spaces.Space[Any]] = {"observation.state": spaces.Box(-100.0, 100.0, (4,), np.float32)}
        for camera, (width, height) in {"front": size, above.NAME: (above.COLUMNS, above.ROWS)}.items():
            if camera in cameras:
                box[f"observation.images.{camera}"] = spaces.Box(0, 255, (height, width, 3), np.uint8)
        self.observation_space = spaces.Dict(box)
        low, high = (np.array(edge, np.float32) for edge in (ACTION.low, ACTION.high))
        self.action_space = spaces.Box(low, high, dtype=np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """A given seed decides the episode; without one, the next of the last seed's series."""
        super().reset(seed=seed)
        obs = self.body.reset(int(self.np_random.integers(10_000_000)) if seed is None else seed)
        return self._pack(obs), self._info()

    def step(self, action: NDArray[np.float32]) -> tuple[dict[str, NDArray[Any]], float, bool, bool, dict[str, Any]]:
        self.body.apply(Command(self.body.now_s, np.asarray(action, np.float32)))
        done = self.body.ended in ("arrived", "collision", "off the road")
        packed = self._pack(self.body.observe())
        return packed, float(self.body.success()), done, self.body.ended == "late", self._info()

    def render(self) -> NDArray[np.uint8] | None:  # type: ignore[override]
        return self.body.picture() if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        self.body.close()

    def _info(self) -> dict[str, Any]:
        body = self.body
        made = {"task": body.goal, "success": body.success(), "ended": body.ended, "progress": body.progress}
        return made | {"nearest_m": float(body.nearest_m), "way_m": float(body.way_m)}

    @staticmethod
    def _pack(obs: Observation) -> dict[str, NDArray[Any]]:
        packed: dict[str, NDArray[Any]] = {"observation.state": obs.states["ego"][-1]}
        return packed | {f"observation.images.{name}": picture for name, picture in obs.images.items()}
