"""Labels of a picture from above, made of those of the dashcam's picture: which square of the ground has a car or a person."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from embodied.data.moments import CELL, CELLS, KINDS
from embodied.drive import above
from embodied.drive.view import FOCAL, HEIGHT, HORIZON, WIDTH

AHEAD_M, UP_M = 0.5, 1.35  # of the simulator's dashcam before and above its rear axle, where x is 0
SIDE = np.radians(33.0)  # a degree or two inside the dashcam's view
_ROWS, _COLUMNS = above.SQUARES


def _middles() -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """How far before the dashcam and to its left the middles of the squares are: (rows, 1) and (columns,), m."""
    x = above.SQUARE_M * (np.arange(_ROWS, 0, -1) - 0.5)[:, None] - AHEAD_M
    return x, above.ASIDE_M - above.SQUARE_M * (np.arange(_COLUMNS) + 0.5)


SHOWN = np.abs(np.arctan2(_middles()[1], _middles()[0])) < SIDE  # whether the dashcam shows the middle of a square


def cells_of_squares() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and column of the view's cell that shows the ground in the middle of each square, or of the nearest one that does."""
    x, y = _middles()
    row, column = (HORIZON + FOCAL * UP_M / x) / CELL + 0 * y, (WIDTH / 2 - FOCAL * y / x) / CELL
    return row.astype(int).clip(0, HEIGHT // CELL - 1), np.floor(column).astype(int).clip(0, WIDTH // CELL - 1)


def squares(cells: NDArray[np.floating]) -> NDArray[np.float32]:
    """Cells of a view (rows, columns, len(CELLS)) -> (*above.SQUARES, len(CELLS)) of the cars and people that they show; KINDS'
    first is nothing. People come before cars."""
    made = np.zeros((*above.SQUARES, len(CELLS)), np.float32)
    at = np.argwhere(cells[..., 0] >= KINDS.index("car"))
    found = cells[tuple(at.T)].astype(np.float32)
    aside = -found[:, 1] * (CELL * (at[:, 1] + 0.5) - WIDTH / 2) / FOCAL
    row = _ROWS - 1 - np.floor((found[:, 1] + AHEAD_M) / above.SQUARE_M).astype(int)
    column = np.floor((above.ASIDE_M - aside) / above.SQUARE_M).astype(int)
    there = (row >= 0) & (column >= 0) & (column < _COLUMNS)
    for r, c in {*zip(row[there].tolist(), column[there].tolist(), strict=True)}:
        one = (row == r) & (column == c)
        made[r, c] = found[one & (found[:, 0] == found[one, 0].max())].mean(0)
    return made
