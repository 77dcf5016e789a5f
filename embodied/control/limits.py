"""Limits of a robot's joints: what its description says, and what a user draws closer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embodied.errors import UserError

Joints = NDArray[np.float64]


@dataclass(frozen=True)
class Limits:
    """Of each joint: low, high (rad or m), speed and acceleration (per s, per s2). tracking: how far the measured joint may
    be from the commanded one."""

    names: tuple[str, ...]
    low: Joints
    high: Joints
    speed: Joints
    acceleration: Joints
    tracking: Joints

    def __post_init__(self) -> None:
        for name in ("low", "high", "speed", "acceleration", "tracking"):
            values = np.asarray(getattr(self, name), float)
            if values.shape != (len(self.names),) or not np.isfinite(values).all():
                raise UserError(
                    f"limits {name} = {values.tolist()} must be {len(self.names)} finite numbers: {self.names}"
                )
        if np.any(self.low > self.high) or np.any(self.speed <= 0) or np.any(self.acceleration <= 0):
            raise UserError(f"limits of {self.names} must have low <= high and positive speed and acceleration")

    def tightened(self, **given: Mapping[str, float]) -> Limits:
        """With some of them (field -> joint -> value) drawn closer. UserError for one that is wider than what there is."""
        changed = {key: np.array(getattr(self, key)) for key in given}
        for key, values in given.items():
            for joint, value in values.items():
                if joint not in self.names:
                    raise UserError(f"limits {key} names the joint {joint!r}; there are {', '.join(self.names)}")
                at = self.names.index(joint)
                now = changed[key][at]
                if value < now if key == "low" else value > now:
                    raise UserError(
                        f"limits {key} of {joint} = {value} is wider than the robot's own {now:.4g}; tighten only"
                    )
                changed[key][at] = value
        return Limits(**{**self.__dict__, **changed})
