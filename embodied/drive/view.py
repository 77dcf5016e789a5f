"""The dashcam's picture as the network sees it: one virtual camera for every real one, so that an angle is always as many pixels.

160 x 64 px, 114 px of focal length, looking along the car with the horizon on row 8: what lies above 4 degrees is sky. It is the
simulator's own dashcam cut to its road, pixel for pixel; another camera's picture is scaled and shifted to it (not turned about its
axis), as openpilot does with its calibrated frames. What that camera does not see is filled with the picture's edge.
"""

from __future__ import annotations

import numpy as np

from embodied.data.dashcam import dashcam
from embodied.spec import CameraSpec
from embodied.types import Image

WIDTH, HEIGHT, HORIZON = 160, 64, 8
FOCAL = WIDTH / 2 / np.tan(np.radians(35.0))


def window(camera: CameraSpec) -> tuple[int, int, int, int]:
    """left, top, right, bottom of the view in the camera's pixels; it may reach beyond the picture."""
    ahead = camera.parent_from_cam[:3, :3].T @ np.array([1.0, 0.0, 0.0])
    u, v = camera.cx + camera.fx * ahead[0] / ahead[2], camera.cy + camera.fy * ahead[1] / ahead[2]
    x, y = camera.fx / FOCAL, camera.fy / FOCAL
    left, top = round(u - x * WIDTH / 2), round(v - y * HORIZON)
    return left, top, left + round(x * WIDTH), top + round(y * HEIGHT)


def view(picture: Image, camera: CameraSpec | None = None) -> Image:
    """uint8 (HEIGHT, WIDTH, 3). camera: of the picture; None: an assumed dashcam."""
    height, width, _ = picture.shape
    left, top, right, bottom = window(camera or dashcam(width, height))
    cut = picture.take(np.arange(top, bottom), 0, mode="clip").take(np.arange(left, right), 1, mode="clip")
    if cut.shape[:2] == (HEIGHT, WIDTH):
        return cut
    from PIL import Image as Pictures

    return np.asarray(Pictures.fromarray(cut).resize((WIDTH, HEIGHT), Pictures.Resampling.BILINEAR))
