"""Many short sequences in one array: flat values and the starts of each, so that numpy treats thousands of lines at once."""

from __future__ import annotations

import numpy as np


def owners(starts: np.ndarray) -> np.ndarray:
    """(k + 1,) starts -> (n,) which sequence each value belongs to."""
    return np.repeat(np.arange(len(starts) - 1), np.diff(starts))


def smoothed(values: np.ndarray, starts: np.ndarray, radius: int) -> np.ndarray:
    """Running mean over radius to each side, the window shrinking symmetrically towards the ends, which stay. values (n, d)."""
    total = np.concatenate([np.zeros((1, values.shape[1])), values.cumsum(0, dtype=float)])
    index, owner = np.arange(len(values)), owners(starts)
    r = np.minimum(radius, np.minimum(index - starts[owner], starts[owner + 1] - 1 - index))
    return ((total[index + r + 1] - total[index - r]) / (2 * r + 1)[:, None]).astype(values.dtype)


def tangents(points: np.ndarray, starts: np.ndarray, radius: int) -> np.ndarray:
    """Unit directions (n, 2) from the neighbours radius before and after, as far as there are any."""
    index, owner = np.arange(len(points)), owners(starts)
    ahead = (
        points[np.minimum(index + radius, starts[owner + 1] - 1)] - points[np.maximum(index - radius, starts[owner])]
    )
    return ahead / np.maximum(np.hypot(ahead[:, 0], ahead[:, 1]), 1e-9)[:, None]


def length(line: np.ndarray) -> float:
    """Of one line (n, 2)."""
    return float(np.hypot(*np.diff(line, axis=0).T).sum())


def closed(line: np.ndarray) -> bool:
    """Whether it ends where it began."""
    return len(line) > 2 and bool((line[0] == line[-1]).all())


def lengths(points: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """(k,) length of each sequence of points as a line."""
    along = along_of(points, starts)
    return along[np.maximum(starts[1:] - 1, 0)] if len(points) else np.zeros(len(starts) - 1)


def along_of(points: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """(n,) length from the beginning of its own sequence to each point."""
    if not len(points):
        return np.zeros(0)
    step = np.hypot(*np.diff(points, axis=0, prepend=points[:1]).T)
    step[starts[:-1][np.diff(starts) > 0]] = 0
    total = step.cumsum()
    return total - total[starts[:-1]][owners(starts)]


def median(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """(k,) the middle value of each sequence; of an empty one, nan."""
    low, high = (values.min(), values.max()) if len(values) else (0.0, 0.0)
    order = np.argsort(
        owners(starts) + (values - low) * (0.5 / max(float(high - low), 1e-9))
    )  # one key sorts faster than two
    count = np.diff(starts)
    middle = np.where(count > 0, starts[:-1] + count // 2, 0)
    return np.where(count > 0, values[order][middle], np.nan) if len(values) else np.full(len(count), np.nan)


def taken(starts: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """starts of the sequences when only the values of keep (n,) bool stay."""
    return np.concatenate([[0], keep.cumsum()])[starts]
