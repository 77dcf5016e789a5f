"""A body's cameras: one look per camera and moment, shared by everyone who asks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embodied.errors import UserError
from embodied.spec import CameraSpec
from sim.camera import SIZES, cameras, front
from sim.randomise import Look
from sim.robots import Robot
from sim.world import Frame, World


class Eyes:
    """cameras: name -> CameraSpec, whose poses hold until the next `set`."""

    def __init__(
        self, world: World, robot: Robot, names: tuple[str, ...], sizes: Mapping[str, tuple[int, int]] | None
    ) -> None:
        self.world, self.robot = world, robot
        self._sizes = {**SIZES, **(sizes or {})}
        self.cameras = cameras(names, self._sizes)
        self.moment = 0
        self._frames: dict[str, tuple[int, Frame]] = {}

    def set(self, look: Look) -> None:
        """Take the light and the front camera's pose of this look."""
        self._light = look.light
        self._front = front(self._sizes["front"], look.eye, look.target)
        if "front" in self.cameras:
            self.cameras = {**self.cameras, "front": self._front}
        self.moved()

    def moved(self) -> None:
        """The world is another one now; what was seen is past."""
        self.moment += 1

    def frame(self, camera: str) -> Frame:
        """What the camera sees at this moment; UserError for an unknown one."""
        if camera not in self.cameras:
            raise UserError(f"no camera {camera!r}; this body has {', '.join(self.cameras) or 'none'}")
        known = self._frames.get(camera)
        if known is None or known[0] != self.moment:
            spec: CameraSpec = self.cameras[camera]
            carried = spec.parent == "hand"
            base_from_cam = self.robot.hand() @ spec.parent_from_cam if carried else spec.parent_from_cam
            known = (self.moment, self.world.look(spec, base_from_cam, self._light))
            self._frames[camera] = known
        return known[1]

    def pictures(self, part: str, lazy: bool) -> Mapping[str, NDArray[Any]]:
        """part: "image" or "depth" of every camera; lazy: made when first looked at, before the next moment."""
        if lazy:
            return _Unlooked(self, part)
        return {name: getattr(self.frame(name), part) for name in self.cameras}

    def picture(self, width: int, height: int) -> NDArray[np.uint8]:
        """The front view in any size, uint8 H W 3: the same pose, and the same horizontal and vertical opening."""
        spec = self._front
        kx, ky = width / spec.width, height / spec.height
        large = replace(
            spec, width=width, height=height, fx=spec.fx * kx, fy=spec.fy * ky, cx=spec.cx * kx, cy=spec.cy * ky
        )
        return self.world.look(large, spec.parent_from_cam, self._light).image


class _Unlooked(Mapping[str, NDArray[Any]]):
    """Pictures of one moment, each made when first looked at."""

    def __init__(self, eyes: Eyes, part: str) -> None:
        self._eyes, self._part, self._moment = eyes, part, eyes.moment
        self._seen: dict[str, NDArray[Any]] = {}

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self._eyes.cameras:
            raise KeyError(name)
        if name not in self._seen:
            if self._moment != self._eyes.moment:
                raise UserError(f"camera {name!r} was looked at after the world had moved on; use SimBody(lazy=False)")
            self._seen[name] = getattr(self._eyes.frame(name), self._part)
        return self._seen[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._eyes.cameras)

    def __len__(self) -> int:
        return len(self._eyes.cameras)
