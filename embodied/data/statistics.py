"""Mean, std, min, max, quantiles and count: of one episode, and merged over episodes without seeing their rows again.

Keys and shapes are those of lerobot 0.4.4's stats.json: vectors (d,), pictures (3, 1, 1) in [0, 1], count (1,).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
Stats = dict[str, NDArray[Any]]


def describe(rows: NDArray[Any]) -> Stats:
    """rows (n, d), n >= 1 -> statistics over n, each (d,)."""
    exact = rows.astype(np.float64)
    made: Stats = {
        "min": rows.min(axis=0),
        "max": rows.max(axis=0),
        "mean": exact.mean(axis=0),
        "std": exact.std(axis=0),
        "count": np.array([len(rows)]),
    }
    return made | {name: np.quantile(exact, q, axis=0) for name, q in QUANTILES.items()}


class PixelCounter:
    """Statistics of pictures, exact and in bounded memory: how often each of the 256 values occurred per colour."""

    def __init__(self) -> None:
        self.counts = np.zeros((3, 256), np.int64)
        self.frames = 0

    def add(self, image: NDArray[np.uint8]) -> None:
        """image: H W 3."""
        for colour in range(3):
            self.counts[colour] += np.bincount(image[..., colour].ravel(), minlength=256)
        self.frames += 1

    def stats(self) -> Stats:
        """Per colour, (3, 1, 1), of values / 255; count is the number of pictures."""
        values = np.arange(256) / 255
        total = self.counts.sum(axis=1, keepdims=True)
        mean = (self.counts * values).sum(axis=1) / total[:, 0]
        spread = (self.counts * (values - mean[:, None]) ** 2).sum(axis=1) / total[:, 0]
        below = np.cumsum(self.counts, axis=1) / total
        made = {"mean": mean, "std": np.sqrt(spread)}
        made["min"] = values[(self.counts > 0).argmax(axis=1)]
        made["max"] = values[255 - (self.counts[:, ::-1] > 0).argmax(axis=1)]
        made |= {name: values[(below >= q).argmax(axis=1)] for name, q in QUANTILES.items()}
        return {name: value.reshape(3, 1, 1) for name, value in made.items()} | {"count": np.array([self.frames])}


def merge(parts: Sequence[Stats]) -> Stats:
    """Statistics of all rows together, from those of disjoint parts.

    Exact for count, min, max, mean and std (the parallel variance formula, Chan et al. 1979). Quantiles cannot be
    merged exactly: they are the count-weighted mean of the parts' quantiles, as lerobot's own.
    """
    counts = np.array([part["count"][0] for part in parts], np.float64)
    total = counts.sum()

    def weighted(values: list[NDArray[Any]]) -> NDArray[Any]:
        return np.tensordot(counts / total, np.stack(values).astype(np.float64), axes=1)

    mean = weighted([part["mean"] for part in parts])
    variance = weighted([np.square(part["std"]) + np.square(part["mean"] - mean) for part in parts])
    made: Stats = {
        "min": np.min([part["min"] for part in parts], axis=0),
        "max": np.max([part["max"] for part in parts], axis=0),
        "mean": mean,
        "std": np.sqrt(variance),
        "count": np.array([int(total)]),
    }
    shared = [name for name in QUANTILES if all(name in part for part in parts)]
    return made | {name: weighted([part[name] for part in parts]) for name in shared}


def to_lists(stats: Mapping[str, Stats]) -> dict[str, dict[str, Any]]:
    """Arrays -> JSON lists."""
    return {key: {name: np.asarray(value).tolist() for name, value in one.items()} for key, one in stats.items()}


def from_lists(stats: Mapping[str, Mapping[str, Any]]) -> dict[str, Stats]:
    """JSON lists -> arrays."""
    return {key: {name: np.asarray(value) for name, value in one.items()} for key, one in stats.items()}
