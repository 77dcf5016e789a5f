"""The sheet of paper: where it lies before the robot, how a calibrated camera finds it, and what it shows, flat.

Page coordinates are millimetres, x right, y down, from the top left corner, as in Drawing. base_from_page is 4 4 and takes page
millimetres (x, y, z) to metres of the base frame; its z axis points into the table.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from embodied.draw.profile import sample
from embodied.errors import UserError
from embodied.geometry import Matrix
from embodied.spec import CameraSpec

MM = 1e-3
SEARCH = (120, 60, 30, 20)  # px to each side of where an edge is expected, look after look
LEAST = 0.15  # of the range from black to white: contrast of an edge that counts


def laid(
    width: float, height: float, middle: tuple[float, float] = (0.45, 0.0), turn: float = 0.0, z: float = 0.0
) -> Matrix:
    """base_from_page of a sheet whose middle lies at (x, y) m, its bottom edge towards +x, turned by `turn` rad."""
    c, s = np.cos(turn), np.sin(turn)
    out = np.eye(4)
    out[:3, :3] = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.array([[0, 1, 0], [1, 0, 0], [0, 0, -1]]) * MM
    out[:3, 3] = np.array([*middle, z]) - out[:3, :3] @ [width / 2, height / 2, 0]
    return out


def on_base(
    base_from_page: Matrix, points: NDArray[np.floating], up_mm: NDArray[np.floating] | float = 0.0
) -> NDArray[np.float64]:
    """Page points (n, 2) mm, up_mm above the paper -> (n, 3) m."""
    z = np.broadcast_to(-np.asarray(up_mm, float), len(points))
    return np.column_stack([points, z]) @ base_from_page[:3, :3].T + base_from_page[:3, 3]


def on_page(base_from_page: Matrix, points: NDArray[np.floating]) -> NDArray[np.float64]:
    """(n, 3) m -> (n, 3): page mm, and mm above the paper."""
    out = (points - base_from_page[:3, 3]) @ base_from_page[:3, :3] / MM**2
    return out * [1, 1, -1]


def pixels(camera: CameraSpec, base_from_cam: Matrix, points: NDArray[np.floating]) -> NDArray[np.float64]:
    """(n, 3) m in the base frame -> (n, 2) px."""
    cam = (points - base_from_cam[:3, 3]) @ base_from_cam[:3, :3]
    return cam[:, :2] / cam[:, 2:] * [camera.fx, camera.fy] + [camera.cx, camera.cy]


def on_plane(camera: CameraSpec, base_from_cam: Matrix, at: NDArray[np.floating], z: float) -> NDArray[np.float64]:
    """Pixels (n, 2) -> the points (n, 3) m where their rays meet the plane at height z."""
    rays = (
        np.column_stack([(at - [camera.cx, camera.cy]) / [camera.fx, camera.fy], np.ones(len(at))])
        @ base_from_cam[:3, :3].T
    )
    return base_from_cam[:3, 3] + rays * ((z - base_from_cam[2, 3]) / rays[:, 2:])


def found(
    grey: NDArray[np.floating], camera: CameraSpec, base_from_cam: Matrix, guess: Matrix, size: tuple[float, float]
) -> Matrix:
    """Where a sheet of size (width, height) mm lies that is brighter than the table, from a picture (H, W) 0..1.

    guess: base_from_page near the truth (a few centimetres, some degrees). Every edge is looked for across where it is expected,
    to a part of a pixel; the sheet is then fitted to all of them. UserError when fewer than three edges are seen.
    """
    now = guess
    for search in SEARCH:
        points, sides = _edges(np.asarray(grey, np.float32), camera, base_from_cam, now, size, search)
        now, far = _fitted(now, points, sides, size)
        near = far < max(1.0, 2.5 * float(np.median(far)))
        now, _ = _fitted(now, points[near], sides[near], size)
    return now


def _edges(
    grey: NDArray[np.float32],
    camera: CameraSpec,
    base_from_cam: Matrix,
    now: Matrix,
    size: tuple[float, float],
    search: int,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Points (n, 3) m on the sheet's edges and which side each lies on: 0 left, 1 right, 2 top, 3 bottom."""
    w, h = size
    u = np.linspace(0.04, 0.96, 80)
    ends = [((0, 0), (0, h)), ((w, 0), (w, h)), ((0, 0), (w, 0)), ((0, h), (w, h))]
    outward = np.array([(-1, 0), (1, 0), (0, -1), (0, 1)], float)
    points, sides = [], []
    offsets = np.arange(-search, search + 1, dtype=np.float32)
    for side, (a, b) in enumerate(ends):
        line = np.array(a) + u[:, None] * (np.array(b, float) - a)
        at = pixels(camera, base_from_cam, on_base(now, line))
        out = pixels(camera, base_from_cam, on_base(now, line + outward[side])) - at
        out /= np.maximum(np.hypot(*out.T), 1e-9)[:, None]
        x, y = at[:, :1] + out[:, :1] * offsets, at[:, 1:] + out[:, 1:] * offsets
        inside = (at > 1).all(1) & (at < [camera.width - 1, camera.height - 1]).all(1)
        values = sample(grey, x, y)
        paper, table = np.quantile(values, 0.9, axis=1), np.quantile(values, 0.1, axis=1)
        half = (paper + table)[:, None] / 2
        # From outside in: the last crossing towards the table, so that ink on the page is not taken for its edge.
        bright = values > half
        last = values.shape[1] - 1 - bright[:, ::-1].argmax(1)
        good = inside & (paper - table > LEAST) & (last < values.shape[1] - 1) & bright.any(1)
        k = np.arange(len(at))[good]
        p, q = values[k, last[good]], values[k, last[good] + 1]
        off = offsets[last[good]] + (p - half[good, 0]) / np.maximum(p - q, 1e-6)
        points.append(on_plane(camera, base_from_cam, at[good] + out[good] * off[:, None], float(now[2, 3])))
        sides.append(np.full(len(k), side))
    if sum(len(one) >= 20 for one in sides) < 3:
        raise UserError("the camera does not see the sheet's edges; light it, or lay it where it was expected")
    return np.concatenate(points), np.concatenate(sides)


def _fitted(
    now: Matrix, points: NDArray[np.float64], sides: NDArray[np.int64], size: tuple[float, float]
) -> tuple[Matrix, NDArray[np.float64]]:
    """The sheet moved and turned in its plane so that its sides go through their points, and how far off each was, mm."""
    page = on_page(now, points)[:, :2]
    normal = np.array([(1, 0), (1, 0), (0, 1), (0, 1)], float)[sides]
    level = np.array([0, size[0], 0, size[1]])[sides]
    middle = np.array(size) / 2
    arm = page - middle
    miss = (page * normal).sum(1) - level
    turn = normal[:, 1] * arm[:, 0] - normal[:, 0] * arm[:, 1]
    step = np.linalg.lstsq(np.column_stack([normal, turn]), miss, rcond=None)[0]
    return moved(now, size, (float(step[0]), float(step[1])), float(step[2])), np.abs(miss)


def moved(base_from_page: Matrix, size: tuple[float, float], by: tuple[float, float], turn: float) -> Matrix:
    """The sheet shifted by mm along its own axes and turned about its middle by rad, page x towards page y."""
    c, s = np.cos(turn), np.sin(turn)
    middle = np.array([*size, 0.0]) / 2
    old_from_new = np.eye(4)
    old_from_new[:3, :3] = [[c, -s, 0], [s, c, 0], [0, 0, 1]]
    old_from_new[:3, 3] = middle + [*by, 0.0] - old_from_new[:3, :3] @ middle
    return base_from_page @ old_from_new


def flat(
    image: NDArray[np.uint8], camera: CameraSpec, base_from_cam: Matrix, base_from_page: Matrix,
    size: tuple[float, float], per_mm: float,
) -> NDArray[np.float32]:  # fmt: skip
    """The ink that a picture (H, W, 3) shows on the sheet, per_mm px a mm, shade taken out: 0 paper, 1 where no red, no green or no
    blue is left, as under black and all strong colours."""
    from scipy.ndimage import grey_closing, uniform_filter

    grey = image.min(2).astype(np.float32) / 255
    rows, cols = round(size[1] * per_mm), round(size[0] * per_mm)
    y, x = (np.mgrid[0:rows, 0:cols] + 0.5) / per_mm
    at = pixels(camera, base_from_cam, on_base(base_from_page, np.stack([x.ravel(), y.ravel()], 1)))
    page = sample(grey, at[:, 0].reshape(rows, cols), at[:, 1].reshape(rows, cols)).astype(np.float32)
    small = page[:: max(1, int(per_mm)), :: max(1, int(per_mm))]
    paper = uniform_filter(grey_closing(small, size=(15, 15)), 15)
    paper = np.repeat(np.repeat(paper, int(per_mm), 0), int(per_mm), 1)
    paper = np.pad(paper, ((0, max(0, rows - paper.shape[0])), (0, max(0, cols - paper.shape[1]))), mode="edge")[
        :rows, :cols
    ]
    return np.clip(1 - page / np.maximum(paper, 0.05), 0, 1).astype(np.float32)
