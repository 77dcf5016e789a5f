"""What a body declares about itself: names, units, limits, rates, cameras."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from embodied.errors import UserError


@dataclass(frozen=True)
class Channels:
    """A named vector: d names with one unit and one closed interval each, sampled at rate_hz."""

    names: tuple[str, ...]
    units: tuple[str, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    rate_hz: float

    def __post_init__(self) -> None:
        lengths = {len(self.names), len(self.units), len(self.low), len(self.high)}
        if len(lengths) != 1:
            raise UserError(f"channels {self.names} need one unit, low and high for each name, got lengths {lengths}")
        bad = [n for n, lo, hi in zip(self.names, self.low, self.high, strict=True) if not lo <= hi]
        if bad:
            raise UserError(f"channels {bad} have low above high; swap them")

    def __len__(self) -> int:
        return len(self.names)

    def clip(self, values: NDArray[np.floating]) -> NDArray[np.float32]:
        """values (..., d) moved inside [low, high], float32."""
        return np.clip(values, self.low, self.high).astype(np.float32)


@dataclass(frozen=True)
class CameraSpec:
    """A pinhole camera: optical frame x right, y down, z forward.

    width, height: pixels.  fx fy cx cy: pixels.
    parent_from_cam: 4 4 pose of the camera in its parent's frame; parent is "base" for a fixed camera or the name of
    the link that carries it ("hand").
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    parent_from_cam: NDArray[np.float64]
    parent: str = "base"
    depth: bool = False


@dataclass(frozen=True)
class BodySpec:
    """All that a policy may know of a body beforehand. Camera poses hold until the body's next reset.

    speeds: channel of the action -> the most that the body does in a second, in the channel's unit; x y z: of the hand's way.
    A body that says them may be slower than what it is asked for, and is waited for (embodied/control/loop.py)."""

    name: str
    cameras: Mapping[str, CameraSpec]
    states: Mapping[str, Channels]
    action: Channels
    facts: Mapping[str, str] = field(default_factory=dict[str, str])
    speeds: Mapping[str, float] = field(default_factory=dict[str, float])
