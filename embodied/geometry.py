"""Poses and pinhole projection. 4 4 matrices named a_from_b; quaternions x y z w; optical frame x right, y down, z forward."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from embodied.spec import CameraSpec
from embodied.types import Point

Matrix = NDArray[np.float64]


def pose(position: NDArray[np.floating] | tuple[float, ...], quaternion: tuple[float, ...] = (0, 0, 0, 1)) -> Matrix:
    """4 4 pose from a position (3,) in metres and a unit quaternion (4,) x y z w."""
    x, y, z, w = np.asarray(quaternion, float) / np.linalg.norm(quaternion)
    out = np.eye(4)
    out[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    out[:3, 3] = position
    return out


def inverse(a_from_b: Matrix) -> Matrix:
    """b_from_a of a rigid pose."""
    out = np.eye(4)
    out[:3, :3] = a_from_b[:3, :3].T
    out[:3, 3] = -a_from_b[:3, :3].T @ a_from_b[:3, 3]
    return out


def look_at(eye: tuple[float, ...], target: tuple[float, ...], up: tuple[float, ...] = (0.0, 0.0, 1.0)) -> Matrix:
    """parent_from_cam of a camera at `eye` that looks at `target` (metres), optical frame."""
    forward = np.subtract(target, eye)
    forward = forward / np.linalg.norm(forward)
    right = np.cross(forward, up)
    right = right / np.linalg.norm(right)
    out = np.eye(4)
    out[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    out[:3, 3] = eye
    return out


def project(camera: CameraSpec, base_from_cam: Matrix, points: NDArray[np.floating]) -> NDArray[np.float64]:
    """points (..., 3) in the base frame -> (..., 3): u, v normalised to [0, 1] in view, and depth in metres."""
    cam = (np.asarray(points, float) - base_from_cam[:3, 3]) @ base_from_cam[:3, :3]
    z = np.where(np.abs(cam[..., 2]) < 1e-9, 1e-9, cam[..., 2])
    u = (camera.fx * cam[..., 0] / z + camera.cx) / camera.width
    v = (camera.fy * cam[..., 1] / z + camera.cy) / camera.height
    return np.stack([u, v, cam[..., 2]], axis=-1)


def deproject(
    camera: CameraSpec, base_from_cam: Matrix, uv: NDArray[np.floating], depth_m: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Normalised uv (..., 2) and depth along the optical axis (...) in metres -> points (..., 3) in the base frame."""
    x = (uv[..., 0] * camera.width - camera.cx) / camera.fx * depth_m
    y = (uv[..., 1] * camera.height - camera.cy) / camera.fy * depth_m
    cam = np.stack([x, y, depth_m], axis=-1)
    return cam @ base_from_cam[:3, :3].T + base_from_cam[:3, 3]


def on_plane(camera: CameraSpec, base_from_cam: Matrix, point: Point, height_m: float) -> NDArray[np.float64]:
    """Where the ray through `point` meets the horizontal plane z = height_m of the base frame, (3,)."""
    far = deproject(camera, base_from_cam, np.array([point.u, point.v]), np.array(1.0))
    eye = base_from_cam[:3, 3]
    ray = far - eye
    return eye + ray * (height_m - eye[2]) / ray[2]


def grounded(camera: CameraSpec, point: Point, depth: NDArray[np.floating] | None) -> NDArray[np.float64]:
    """Where a fixed camera's `point` lies in the base frame, (3,): by its depth picture (H W, m; 0 unknown), else on the table."""
    if depth is not None:
        rows, cols = depth.shape
        metres = float(depth[min(rows - 1, int(point.v * rows)), min(cols - 1, int(point.u * cols))])
        if metres > 0:
            uv = np.array([point.u, point.v])
            return deproject(camera, camera.parent_from_cam, uv, np.array(metres))
    return on_plane(camera, camera.parent_from_cam, point, 0.0)


def fitted(camera: CameraSpec, width: int, height: int) -> CameraSpec:
    """The camera whose pictures are this one's, cut around the middle to another shape and brought to another size in pixels."""
    scale = max(width / camera.width, height / camera.height)
    cut_x, cut_y = (camera.width * scale - width) / 2, (camera.height * scale - height) / 2
    return replace(
        camera, width=width, height=height, fx=camera.fx * scale, fy=camera.fy * scale,
        cx=camera.cx * scale - cut_x, cy=camera.cy * scale - cut_y,
    )  # fmt: skip


def points_of_depth(camera: CameraSpec, base_from_cam: Matrix, depth: NDArray[np.floating]) -> NDArray[np.float64]:
    """Depth picture H W in metres -> H W 3 points in the base frame."""
    rows, cols = depth.shape
    v, u = np.mgrid[0:rows, 0:cols] + 0.5
    return deproject(camera, base_from_cam, np.stack([u / cols, v / rows], axis=-1), depth)


def wrap(angle_rad: float, period_rad: float = 2 * np.pi) -> float:
    """angle moved into [-period/2, period/2)."""
    return float((angle_rad + period_rad / 2) % period_rad - period_rad / 2)
