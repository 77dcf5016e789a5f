"""The two cameras of the table and how their intrinsics come about. Optical frame x right, y down, z forward."""

from __future__ import annotations

import numpy as np

from embodied.errors import UserError
from embodied.geometry import Matrix, look_at, pose
from embodied.spec import CameraSpec

FRONT_EYE = (1.15, 0.0, 0.80)
FRONT_TARGET = (0.455, 0.0, 0.0)
# The workspace, and towers of four on it, fill a 5:3 picture also when the pose jitters (sim/randomise.py).
FRONT_FOV_DEG = 41.0
WRIST_FOV_DEG = 74.0
SIZES = {"front": (320, 192), "wrist": (192, 192)}  # pixels, width and height


def pinhole(
    size: tuple[int, int], fov_deg: float, parent_from_cam: Matrix, parent: str = "base", depth: bool = True
) -> CameraSpec:
    """A picture of (width, height) square pixels with the optical axis in its middle; fov_deg is from left to right."""
    width, height = size
    focal = width / 2 / np.tan(np.radians(fov_deg) / 2)
    return CameraSpec(width, height, focal, focal, width / 2, height / 2, parent_from_cam, parent, depth)


def front(
    size: tuple[int, int] = SIZES["front"],
    eye: tuple[float, ...] = FRONT_EYE,
    target: tuple[float, ...] = FRONT_TARGET,
) -> CameraSpec:
    return pinhole(size, FRONT_FOV_DEG, look_at(eye, target))


def wrist(size: tuple[int, int] = SIZES["wrist"]) -> CameraSpec:
    """On the hand: 8 cm beside the fingers and 7 cm above their tips, tilted towards them, so that the tips are in the
    lower half of the picture and what they go for is in the middle.

    Hand frame: origin at the fingertips' midpoint, z down along the fingers, y along their opening (x y z yaw of the
    state `arm`; embodied.control.arm.down makes the pose).
    """
    eye, tilt = np.array([0.08, 0.0, -0.07]), np.radians(30.0)
    # Picture's up is the hand's +x; the axis leans from +z towards -x.
    c, s = np.cos(tilt), np.sin(tilt)
    hand_from_cam = pose(eye)
    forward, up = np.array([-s, 0.0, c]), np.array([c, 0.0, s])
    hand_from_cam[:3, :3] = np.stack([np.cross(forward, up), -up, forward], axis=1)
    return pinhole(size, WRIST_FOV_DEG, hand_from_cam, "hand")


def cameras(names: tuple[str, ...], sizes: dict[str, tuple[int, int]] | None = None) -> dict[str, CameraSpec]:
    """The named cameras; UserError for an unknown name."""
    made = {"front": front, "wrist": wrist}
    for name in names:
        if name not in made:
            raise UserError(f"no camera {name!r}; choose from {', '.join(made)}")
    return {name: made[name]((sizes or SIZES)[name]) for name in names}
