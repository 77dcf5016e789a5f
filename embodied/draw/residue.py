"""Ink that no stroke covers, and strokes for it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from embodied.draw import ragged
from embodied.draw.centreline import Lines


def covered(strokes: Sequence[np.ndarray], pen: float, shape: tuple[int, int], spare: float) -> np.ndarray:
    """(H, W) bool: pixels within half a pen, and spare px, of a stroke."""
    height, width = shape
    radius = pen / 2 + spare
    out = np.zeros((height, width), bool)
    if not len(strokes):
        return out
    at = along(strokes, 0.5)
    n = int(np.ceil(radius))
    col, row = at[:, 0].astype(np.int32), at[:, 1].astype(np.int32)
    flat = np.zeros((height + 2 * n + 2, width + 2 * n + 2), bool)
    for dy in range(-n, n + 1):
        for dx in range(-n, n + 1):
            if dx * dx + dy * dy <= radius * radius:
                flat[np.clip(row + dy + n, 0, height + 2 * n), np.clip(col + dx + n, 0, width + 2 * n)] = True
    return flat[n : n + height, n : n + width]


def along(strokes: Sequence[np.ndarray], step: float) -> np.ndarray:
    """(m, 2) points at most step px apart on all strokes."""
    points = np.concatenate(strokes)
    ends = np.cumsum([len(stroke) for stroke in strokes]) - 1
    way = np.diff(points, axis=0)
    count = np.ceil(np.hypot(*way.T) / step).astype(int)
    count[ends[:-1]] = 0
    part = np.repeat(np.arange(len(way)), count)
    share = (np.arange(len(part)) - np.repeat(count.cumsum() - count, count)) / np.repeat(np.maximum(count, 1), count)
    return np.concatenate([points[part] + way[part] * share[:, None], points[ends]])


def residual(ink: np.ndarray, lines: Lines, strokes: Sequence[np.ndarray], pen: float) -> list[np.ndarray]:
    """Strokes for the ink (H, W) that these leave bare: along the lines where there are any, else a dot."""
    from skimage.measure import label

    bare = (ink > 0.5) & ~covered(strokes, pen, ink.shape, 0.25 * pen + 0.25)
    if not bare.any():
        return []
    out: list[np.ndarray] = []
    patch = np.asarray(label(bare, connectivity=2))
    size = np.bincount(patch.ravel())
    keep = size > max(2.0, 0.6 * pen * pen)
    keep[0] = False
    patch[~keep[patch]] = 0
    height, width = ink.shape
    col, row = (np.clip(lines.points[:, j].astype(int), 0, m - 1) for j, m in ((0, width), (1, height)))
    here = np.zeros(len(col), bool)
    met: set[int] = set()
    for dy, dx in ((0, 0), (0, 1), (1, 0), (0, -1), (-1, 0)):
        found = patch[np.clip(row + dy, 0, height - 1), np.clip(col + dx, 0, width - 1)]
        here |= found > 0
        met.update(np.unique(found).tolist())
    owner = ragged.owners(lines.starts)
    index = np.flatnonzero(here)
    if len(index):
        cut = np.flatnonzero((np.diff(index) > 2) | (np.diff(owner[index]) != 0)) + 1
        for run in np.split(index, cut):
            low, high = lines.starts[owner[run[0]]], lines.starts[owner[run[0]] + 1]
            stroke = lines.points[max(low, run[0] - 2) : min(high, run[-1] + 3)].astype(float)
            if len(stroke) > 1:
                out.append(stroke)
    for k in set(np.flatnonzero(keep).tolist()) - met:
        rows, cols = np.nonzero(patch == k)
        middle = np.array([cols.mean() + 0.5, rows.mean() + 0.5])
        out.append(np.stack([middle - [0.2, 0], middle + [0.2, 0]]))
    return out
