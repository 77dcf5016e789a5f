"""Named vectors to zero mean and unit spread, and back. The statistics travel inside checkpoints as plain lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embodied.errors import UserError

# Spreads below this (SI units: metres, radians, newtons) are taken as this: a channel that hardly moved in the data
# would otherwise blow its sensor noise up to the size of a signal.
STD_FLOOR = 1e-3

Floats = NDArray[np.float32]


class Normalisation:
    """mean and std, each (d,), per named vector. Immutable by convention."""

    def __init__(self, vectors: Mapping[str, tuple[NDArray[Any], NDArray[Any]]]) -> None:
        self._vectors: dict[str, tuple[Floats, Floats]] = {}
        for name, (mean, std) in vectors.items():
            mean, std = np.asarray(mean, np.float32), np.asarray(std, np.float32)
            if mean.ndim != 1 or mean.shape != std.shape:
                raise UserError(f"statistics of {name!r} have mean {mean.shape} and std {std.shape}; both must be (d,)")
            if not (np.isfinite(mean).all() and np.isfinite(std).all() and (std >= 0).all()):
                raise UserError(f"statistics of {name!r} are not finite or have a negative std; compute them again")
            self._vectors[name] = (mean, np.maximum(std, np.float32(STD_FLOOR)))

    @classmethod
    def from_stats(cls, stats: Mapping[str, Mapping[str, Any]], names: Sequence[str]) -> Normalisation:
        """From a dataset's statistics (stats.json or Dataset.stats); UserError for a name that it lacks."""
        vectors = {}
        for name in names:
            found = stats.get(name, {})
            if "mean" not in found or "std" not in found:
                raise UserError(f"no statistics for {name!r}; the dataset has them for {', '.join(stats) or 'nothing'}")
            vectors[name] = (np.asarray(found["mean"]), np.asarray(found["std"]))
        return cls(vectors)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._vectors)

    def mean_std(self, name: str) -> tuple[Floats, Floats]:
        """mean (d,) and floored std (d,); UserError when there are no statistics of that name."""
        if name not in self._vectors:
            raise UserError(f"no statistics for {name!r}; known are {', '.join(self._vectors) or 'none'}")
        return self._vectors[name]

    def _checked(self, name: str, values: NDArray[Any]) -> tuple[Floats, Floats]:
        mean, std = self.mean_std(name)
        if np.shape(values)[-1:] != mean.shape:
            got = f"{np.shape(values)[-1:]} values, its statistics {mean.shape}"
            raise UserError(f"{name!r} has {got}; use the body that the data was recorded with")
        return mean, std

    def normalise(self, name: str, values: NDArray[Any]) -> Floats:
        """values (..., d) in SI units -> (values - mean) / std, float32."""
        mean, std = self._checked(name, values)
        return ((values - mean) / std).astype(np.float32)

    def denormalise(self, name: str, values: NDArray[Any]) -> Floats:
        """The way back: (..., d) -> SI units, float32."""
        mean, std = self._checked(name, values)
        return (values * std + mean).astype(np.float32)

    def to_dict(self) -> dict[str, dict[str, list[float]]]:
        """{name: {"mean": [...], "std": [...]}}, JSON-ready; from_dict(to_dict()) is equal bit for bit."""
        return {name: {"mean": mean.tolist(), "std": std.tolist()} for name, (mean, std) in self._vectors.items()}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Normalisation:
        """UserError when an entry lacks mean or std or is no list of numbers."""
        try:
            return cls(
                {name: (np.array(one["mean"], float), np.array(one["std"], float)) for name, one in content.items()}
            )
        except UserError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(f"normalisation statistics are incomplete ({error!r}); save the checkpoint again") from None
