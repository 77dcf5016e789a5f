"""What a lidar measures as a picture from above, which an image encoder reads like any other (Chen et al. 2017, "Multi-view 3D
object detection network for autonomous driving", arXiv 1611.07759, section 3.1).

The vehicle frame: x forward, y left, z up from the road, m. The return's strength is left out: no two makes agree on it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from embodied.types import Image

NAME, SAID = "lidar", "from above"  # of the picture in an observation; the fact of a body that has it
CELL_M, AHEAD_M, ASIDE_M = 0.5, 48.0, 24.0
ROWS, COLUMNS = round(AHEAD_M / CELL_M), round(2 * ASIDE_M / CELL_M)
LOW_M, HIGH_M = -0.5, 3.0  # what is higher is no matter to a car, what is lower is no road
FULL = 16  # points from which on a cell is full
# What a network is taught of what stands where: squares of 4 m, (rows, columns) of the picture from above.
SQUARE_M = 4.0
SQUARES = (round(AHEAD_M / SQUARE_M), round(2 * ASIDE_M / SQUARE_M))


def raster(points: NDArray[np.floating]) -> Image:
    """Points (n, 3 or more) -> uint8 (ROWS, COLUMNS, 3): the highest and the lowest point of a cell between LOW_M and HIGH_M, 1 to
    255, and the logarithm of how many there are; 0 without any. The car stands below the last row's middle and looks up the
    picture. Points that are not finite are none."""
    x, y, z = np.asarray(points, np.float64)[:, :3].T
    with np.errstate(invalid="ignore"):
        there = (x >= 0) & (x < AHEAD_M) & (np.abs(y) < ASIDE_M) & (z >= LOW_M) & (z <= HIGH_M)
    row = ROWS - 1 - (x[there] / CELL_M).astype(int)
    cell = row * COLUMNS + ((ASIDE_M - y[there]) / CELL_M).astype(int).clip(0, COLUMNS - 1)
    height = 1 + np.round(254 * (z[there] - LOW_M) / (HIGH_M - LOW_M))
    made = np.zeros((ROWS * COLUMNS, 3))
    np.maximum.at(made[:, 0], cell, height)
    made[:, 1] = 255
    np.minimum.at(made[:, 1], cell, height)
    count = np.bincount(cell, minlength=ROWS * COLUMNS)
    made[count == 0, 1] = 0
    made[:, 2] = 255 * np.minimum(1.0, np.log1p(count) / np.log1p(FULL))
    return np.round(made).astype(np.uint8).reshape(ROWS, COLUMNS, 3)


def heads(picture: Image, least_m: float) -> tuple[NDArray[np.intp], NDArray[np.floating]]:
    """Of the cells of a picture that are at least so high: row and column (n, 2), and where their middles are, x y (n, 2), m."""
    at = np.argwhere(picture[..., 0] >= 1 + 254 * (least_m - LOW_M) / (HIGH_M - LOW_M))
    return at, np.column_stack([AHEAD_M - CELL_M * (at[:, 0] + 0.5), ASIDE_M - CELL_M * (at[:, 1] + 0.5)])
