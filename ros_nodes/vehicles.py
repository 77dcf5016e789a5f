"""A vehicle is one YAML file, as a robot is: what its gate allows and where its velocities go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from embodied.control.velocity import VelocityGate
from embodied.errors import UserError
from ros_nodes.robots import Output, output, settings

FOLDER = Path(__file__).parent / "config" / "vehicles"


@dataclass(frozen=True)
class Vehicle:
    """speed, acceleration: the most forward (m/s, m/s2), left, and turning (rad/s, rad/s2). dead_man: whether the topic `dead_man`
    has to go on saying true. watchdog: s without odometry that are a fault, 0.5 at most. cameras: names of those that a driver
    looks through. mounts: camera -> x y z roll pitch yaw in base_link (m, rad), where no topic says it. topics: our name ->
    theirs."""

    name: str
    speed: tuple[float, ...]
    acceleration: tuple[float, ...]
    outputs: tuple[Output, ...]
    cameras: tuple[str, ...] = ()
    lidar: bool = False
    mounts: Mapping[str, Sequence[float]] = field(default_factory=dict[str, Sequence[float]])
    topics: Mapping[str, str] = field(default_factory=dict[str, str])
    watchdog: float = 0.25
    dead_man: bool = True
    dry_run: bool = True
    armed: bool = False

    def topic(self, name: str) -> str:
        """What this topic of ours is called at this vehicle."""
        return str(self.topics.get(name, name))

    def gate(self, share: float, follows: bool, dead_man: bool) -> VelocityGate:
        """share: of the speeds. UserError for limits that are none."""
        speed, acceleration = np.array(self.speed, float) * share, np.array(self.acceleration, float)
        if not 0.02 <= self.watchdog <= 0.5:
            raise UserError(f"watchdog = {self.watchdog} must be between 0.02 and 0.5 s")
        return VelocityGate(speed, acceleration, odometry_s=self.watchdog, follows=follows, dead_man=dead_man)


def vehicle(name: str) -> Vehicle:
    """A shipped vehicle by name, or one from a path that ends in .yaml. UserError for what is missing, unknown or wrong in it."""
    path, read = settings(name, FOLDER, Vehicle)
    try:
        lists: dict[str, Any] = {key: tuple(map(float, read[key])) for key in ("speed", "acceleration")}
        lists["cameras"] = tuple(map(str, read.get("cameras", ())))
        outputs = tuple(map(output, read["outputs"]))
        made = Vehicle(**{**read, **lists, "name": path.stem, "outputs": outputs})
        made.gate(1.0, True, True)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"{path}: {type(error).__name__} {error}; compare it with {FOLDER / 'diff_drive.yaml'}"
        ) from None
    return made
