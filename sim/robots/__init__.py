"""Robots that can stand at the table, one file each. Anything with these methods fits every task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from embodied.geometry import Matrix
from embodied.spec import Channels
from sim.world import World


class Robot(Protocol):
    """A robot with a two-fingered hand that points down. The base frame is the world's."""

    body: int
    states: Mapping[str, Channels]
    fingers: tuple[int, int]  # links that touch what is held, left and right
    slack_m: float  # the hand fails to close by this much; 0 but during a mishap

    def load(self, world: World) -> None:
        """Enter the world; once."""
        ...

    def action(self, control: str) -> Channels:
        """What a command means under this control; UserError for an unknown one."""
        ...

    def reset(self) -> None:
        """All joints at the look pose, at rest, motors off: nothing of the past is left in them."""
        ...

    def send(self, control: str, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Aim at `values` (inside the limits) during the next tick; what is really aimed at, after the speed limits."""
        ...

    def drive(self, part: float) -> None:
        """Before every second substep: set the motors for `part` in (0, 1] of the tick."""
        ...

    def sense(self) -> dict[str, NDArray[np.float32]]:
        """Measured states, one row (d,) each."""
        ...

    def hand(self) -> Matrix:
        """base_from_hand of the real hand: fingertips' midpoint, z down along the fingers, y along their opening."""
        ...

    def open_to(self, width_m: float) -> None:
        """Teleport the fingers."""
        ...
