"""A robot is one YAML file: its description, its joints, what carries its commands. Read once, checked in sentences."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from embodied.control.arm import Arm
from embodied.control.limits import Joints, Limits
from embodied.control.safety import Box
from embodied.errors import UserError
from embodied.spec import Channels

FOLDER = Path(__file__).parent / "config" / "robots"
RATE_HZ = 20.0


@dataclass(frozen=True)
class Output:
    """Where commands go. joints: those that this topic takes; none given: all."""

    topic: str
    adapter: str
    joints: tuple[str, ...]


@dataclass(frozen=True)
class Robot:
    """What its YAML says. Lengths in m, angles in rad, base frame. posture: what redundant joints are drawn to."""

    name: str
    urdf: str
    tip: str
    joints: tuple[str, ...]
    gripper: Mapping[str, Any]
    acceleration: float
    tracking: float
    workspace: Mapping[str, tuple[float, float]]
    box: Mapping[str, tuple[float, float]]
    hand: Mapping[str, float]
    cameras: tuple[str, ...]
    fixed: tuple[str, ...]
    outputs: tuple[Output, ...]
    posture: tuple[float, ...] | None = None
    dry_run: bool = True
    armed: bool = False

    @property
    def path(self) -> Path:
        """Of the URDF: as given, or below an installed Python package."""
        if not Path(self.urdf).exists():
            package, _, rest = self.urdf.partition("/")
            spec = importlib.util.find_spec(package) if package.isidentifier() else None
            if spec is not None and spec.submodule_search_locations:
                return Path(next(iter(spec.submodule_search_locations))) / rest
        return Path(self.urdf)

    @cached_property
    def arm(self) -> Arm:
        return Arm(self.path, self.tip, joints=self.joints, posture=self.posture)

    @property
    def names(self) -> tuple[str, ...]:
        """Of all joints that are commanded, the gripper's last."""
        return (*self.joints, str(self.gripper["joint"]))

    @property
    def limits(self) -> Limits:
        """The description's own, and the gripper's."""
        arm, share = self.arm, float(self.gripper["share"])
        speed = np.append(arm.speed, share * float(self.gripper["speed"]))
        return Limits(
            self.names, np.append(arm.low, 0.0), np.append(arm.high, share * float(self.gripper["opening"])), speed,
            np.append(np.full(len(arm.low), self.acceleration), 10.0), np.append(np.full(len(arm.low), self.tracking), 1.0),
        )  # fmt: skip

    @property
    def boxed(self) -> Box:
        low, high = zip(*(self.box[axis] for axis in "xyz"), strict=True)
        return Box(tuple(map(float, low)), tuple(map(float, high)))  # type: ignore[arg-type]

    def reached(self, q: Joints) -> Joints:
        """Fingertips (3,) at joint positions (n + 1,)."""
        return self.arm.fk(q[:-1])[:3, 3]

    @property
    def action(self) -> Channels:
        """What a policy commands: the hand, pointing down."""
        low, high = zip(*(self.workspace[axis] for axis in "xyz"), strict=True)
        half, opening = float(np.pi / 2), float(self.gripper["opening"])
        return Channels(
            ("x", "y", "z", "yaw", "width"),
            ("m", "m", "m", "rad", "m"),
            (*low, -half, 0.0),
            (*high, half, opening),
            RATE_HZ,
        )

    @property
    def states(self) -> dict[str, Channels]:
        action = self.action
        arm = Channels(
            (*action.names, "force"), (*action.units, "N"), (*action.low, 0.0), (*action.high, 40.0), RATE_HZ
        )
        names = tuple(f"q{k + 1}" for k in range(len(self.joints)))
        units = ("rad",) * len(names)
        return {
            "arm": arm,
            "joints": Channels(names, units, tuple(self.arm.low.tolist()), tuple(self.arm.high.tolist()), RATE_HZ),
        }


def robot(name: str) -> Robot:
    """A shipped robot by name, or one from a path that ends in .yaml. UserError for what is missing or unknown in it."""
    path = Path(name) if name.endswith(".yaml") else FOLDER / f"{name}.yaml"
    try:
        read = yaml.safe_load(path.read_text())
    except OSError:
        shipped = ", ".join(sorted(p.stem for p in FOLDER.glob("*.yaml")))
        raise UserError(f"no robot {name!r}; choose from {shipped}, or give the path of a .yaml") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not YAML: {str(error).splitlines()[0]}") from None
    fields = Robot.__dataclass_fields__
    needed = {key for key in fields if key not in ("name", "posture", "dry_run", "armed")}
    if not isinstance(read, dict) or (wrong := sorted((needed - read.keys()) | (read.keys() - fields.keys()))):
        raise UserError(
            f"{path}: these keys are missing or unknown: {', '.join(wrong) if isinstance(read, dict) else 'all'}"
        )
    try:
        lists = {key: tuple(read[key]) for key in ("joints", "cameras", "fixed")}
        posture = tuple(read["posture"]) if read.get("posture") else None
        outputs = tuple(Output(o["topic"], o["adapter"], tuple(o.get("joints", ()))) for o in read["outputs"])
        made = Robot(**{**read, **lists, "name": path.stem, "posture": posture, "outputs": outputs})
        _ = made.limits, made.boxed, made.action  # all that is read of it later
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{path}: {type(error).__name__} {error}; compare it with {FOLDER / 'sim.yaml'}") from None
    return made
