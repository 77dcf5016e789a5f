"""Where a dashcam sits and how it sees: CameraSpecs from what a recording tells, or from common values, marked as such.

Vehicle frame: x forward, y left, z up, origin on the road under the reference point of the pose.
"""

from __future__ import annotations

import numpy as np

from embodied.errors import UserError
from embodied.geometry import Matrix, look_at
from embodied.spec import CameraSpec

HEIGHT_M, FOV_DEG = 1.35, 62.0  # of a windscreen camera where nothing is known


def mount(x_m: float, y_m: float, height_m: float, pitch_rad: float = 0.0) -> Matrix:
    """base_from_cam of a camera that looks forward, `pitch_rad` downwards."""
    eye = (x_m, y_m, height_m)
    return look_at(eye, (x_m + np.cos(pitch_rad), y_m, height_m - np.sin(pitch_rad)))


def dashcam(
    width: int, height: int, focal_px: float = 0.0, height_m: float = HEIGHT_M, x_m: float = 0.0, y_m: float = 0.0,
    pitch_rad: float = 0.0, cx: float | None = None, cy: float | None = None,
) -> CameraSpec:  # fmt: skip
    """focal_px 0: FOV_DEG from left to right. cx, cy: the picture's middle where not given."""
    focal = focal_px or width / 2 / np.tan(np.radians(FOV_DEG) / 2)
    return CameraSpec(
        width, height, focal, focal, width / 2 if cx is None else cx, height / 2 if cy is None else cy,
        mount(x_m, y_m, height_m, pitch_rad),
    )  # fmt: skip


def told(width: int, height: int, camera: str) -> tuple[CameraSpec, str]:
    """(camera, "given" or "assumed") of a text `f=910 height=1.2 pitch=2`: pixels, metres, degrees downwards."""
    known = {"f": 0.0, "height": HEIGHT_M, "pitch": 0.0}
    # A film's width is seen under 19 to 136 degrees; beyond that the driver's own view of the picture is next to nothing, or huge.
    ranges = {"f": (0.2 * width, 3.0 * width), "height": (0.05, 5.0), "pitch": (-45.0, 45.0)}
    for part in camera.split():
        name, _, value = part.partition("=")
        try:
            if name not in known:
                raise ValueError
            known[name] = float(value)
        except ValueError:
            raise UserError(f"camera={camera!r}: {part!r} is not one of f=, height=, pitch= and a number") from None
        low, high = ranges[name]
        if not low <= known[name] <= high:
            unit = {"f": f"pixels, of pictures {width} wide", "height": "metres", "pitch": "degrees"}[name]
            raise UserError(f"camera={camera!r}: {part} is outside {low:g} to {high:g} {unit}; mend it or leave it out")
    made = dashcam(width, height, known["f"], known["height"], pitch_rad=np.radians(known["pitch"]))
    return made, "given" if camera else "assumed"
