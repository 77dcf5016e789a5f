"""Labels of a picture from above, made of those of the dashcam's picture: which square of the ground has a car or a person."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from embodied.data.moments import CELL
from embodied.drive import above
from embodied.drive.view import FOCAL, HEIGHT, HORIZON, WIDTH

AHEAD_M, UP_M = 0.5, 1.35  # of the simulator's dashcam before and above its rear axle, where x is 0
_ROWS, _COLUMNS = above.SQUARES


def _middles() -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """How far before the dashcam and to its left the middles of the squares are: (rows, 1) and (columns,), m."""
    x = above.SQUARE_M * (np.arange(_ROWS, 0, -1) - 0.5)[:, None] - AHEAD_M
    return x, above.ASIDE_M - above.SQUARE_M * (np.arange(_COLUMNS) + 0.5)


def cells_of_squares() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and column of the view's cell that shows the ground in the middle of each square, or of the nearest one that does."""
    x, y = _middles()
    row, column = (HORIZON + FOCAL * UP_M / x) / CELL + 0 * y, (WIDTH / 2 - FOCAL * y / x) / CELL
    return row.astype(int).clip(0, HEIGHT // CELL - 1), np.floor(column).astype(int).clip(0, WIDTH // CELL - 1)
