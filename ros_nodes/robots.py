"""A robot is one YAML file: its description, its joints, what carries its commands. Read once, checked in sentences."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from embodied.control.arm import Arm
from embodied.control.limits import Joints, Limits
from embodied.control.safety import Box
from embodied.control.servo import Servo
from embodied.errors import UserError
from embodied.spec import Channels

FOLDER = Path(__file__).parent / "config" / "robots"
TOPIC = "robot_description"  # as `urdf`: the description is what this latched topic says
RATE_HZ = 20.0
TIGHTER = ("low", "high", "speed", "acceleration", "tracking")


@dataclass(frozen=True)
class Output:
    """Where commands go, and how (ros_nodes/adapters). joints: those that this output takes; none given: all. options: the
    adapter's own settings."""

    topic: str
    adapter: str
    joints: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Robot:
    """What its YAML says. Lengths in m, angles in rad, base frame.

    urdf: a path, one below an installed Python package, or "robot_description", the topic.  description: what that topic said.
    offset, turn: where the fingertips are beyond the link `tip` along its z after turning it by roll, pitch, yaw.
    gripper: its joint stands at closed + share * opening.  posture: what redundant joints are drawn to.
    watchdog: s without joint states that are a fault, 0.5 at most.
    limits: field -> a number for all arm joints, or joint -> number; they tighten the description's, never widen them.
    pictures: width, height that pictures are cut and brought to, px, of all cameras or by camera; as they come if not given.
    mounts: camera -> x y z roll pitch yaw in the base frame or the hand's, where no topic says it.  topics: our name -> theirs.
    """

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
    offset: float = 0.0
    turn: tuple[float, ...] = (0.0, 0.0, 0.0)
    limited: Mapping[str, Any] = field(default_factory=dict[str, Any])
    pictures: Any = None
    mounts: Mapping[str, Sequence[float]] = field(default_factory=dict[str, Sequence[float]])
    topics: Mapping[str, str] = field(default_factory=dict[str, str])
    posture: tuple[float, ...] | None = None
    watchdog: float = 0.15
    dry_run: bool = True
    armed: bool = False
    description: str = ""

    @property
    def path(self) -> Path:
        """Of the URDF: as given, or below an installed Python package."""
        if not Path(self.urdf).exists():
            package, _, rest = self.urdf.partition("/")
            spec = importlib.util.find_spec(package) if package.isidentifier() else None
            if spec is not None and spec.submodule_search_locations:
                return Path(next(iter(spec.submodule_search_locations))) / rest
        return Path(self.urdf)

    def new_arm(self, tool_m: float = 0.0) -> Arm:
        """Its kinematics, to the end of a tool so long; one for each thread."""
        source = self.description or self.path
        made = Arm(source, self.tip, self.offset + tool_m, self.joints, self.posture, turn_rad=self.turn)
        if made.joints != self.joints:
            raise UserError(f"{self.name}: give the joints from the base to the tip: {', '.join(made.joints)}")
        return made

    def new_servo(self) -> Servo:
        """What brings its hand where it is commanded, no faster than hand and joints may go; one for each thread."""
        arm = self.new_arm()
        arm.speed = self.limits.speed[:-1]  # the gate lets no more through: the aim would run ahead of the arm
        return Servo(arm, RATE_HZ, float(self.hand["speed"]), float(self.hand["turn"]))

    @cached_property
    def arm(self) -> Arm:
        return self.new_arm()

    @property
    def frame(self) -> str:
        """The base frame's name: the description's first link."""
        return self.arm.base

    def topic(self, name: str) -> str:
        """What this topic of ours is called at this robot."""
        return str(self.topics.get(name, name))

    @property
    def _closed(self) -> float:
        return float(self.gripper["closed"]) if "closed" in self.gripper else 0.0

    def grip(self, opening: float) -> float:
        """The position of the gripper's joint at an opening in m."""
        return self._closed + float(self.gripper["share"]) * opening

    def opening(self, position: float) -> float:
        """The opening in m at a position of the gripper's joint."""
        return (position - self._closed) / float(self.gripper["share"])

    @property
    def names(self) -> tuple[str, ...]:
        """Of all joints that are commanded, the gripper's last."""
        return (*self.joints, str(self.gripper["joint"]))

    @property
    def limits(self) -> Limits:
        """The description's own and the gripper's, tightened by the file."""
        arm, ends = self.arm, sorted((self.grip(0.0), self.grip(float(self.gripper["opening"]))))
        speed = np.append(arm.speed, abs(float(self.gripper["share"])) * float(self.gripper["speed"]))
        own = Limits(
            self.names, np.append(arm.low, ends[0]), np.append(arm.high, ends[1]), speed,
            np.append(np.full(len(arm.low), self.acceleration), 10.0), np.append(np.full(len(arm.low), self.tracking), 1.0),
        )  # fmt: skip
        return own.tightened(**{key: self._by_joint(value) for key, value in self.limited.items()})

    def _by_joint(self, value: Any) -> dict[str, float]:
        given: dict[str, Any] = dict(value) if isinstance(value, Mapping) else dict.fromkeys(self.joints, value)
        return {str(joint): float(number) for joint, number in given.items()}

    @property
    def speeds(self) -> dict[str, float]:
        """Of what a policy commands (BodySpec.speeds), m/s, rad/s, m/s."""
        hand = dict.fromkeys("xyz", float(self.hand["speed"])) | {"yaw": float(self.hand["turn"])}
        return hand | {"width": float(self.limits.speed[-1]) / abs(float(self.gripper["share"]))}

    def slowed(self, share: float) -> Robot:
        """With this share of all its speeds: what its gate lets through with the same `speed_share`."""
        check_share(share)
        limits = self.limits
        speed = {name: share * value for name, value in zip(self.names, limits.speed.tolist(), strict=True)}
        hand = {key: share * float(value) for key, value in self.hand.items()}
        return replace(self, hand=hand, limited={**self.limited, "speed": speed})

    @property
    def sizes(self) -> dict[str, tuple[int, int] | None]:
        """Camera -> width, height that its pictures are brought to, px; None: as they come."""
        given = self.pictures if isinstance(self.pictures, Mapping) else dict.fromkeys(self.cameras, self.pictures)
        if unknown := sorted(given.keys() - set(self.cameras)):
            raise UserError(f"pictures names {unknown[0]!r}, which is none of the cameras {', '.join(self.cameras)}")
        pairs: dict[str, Any] = {name: (one := given.get(name)) and tuple(map(int, one)) for name in self.cameras}
        if wrong := [name for name, pair in pairs.items() if pair is not None and (len(pair) != 2 or min(pair) < 1)]:
            raise UserError(f"pictures: {wrong[0]} = {given[wrong[0]]} must be a width and a height, px")
        return pairs

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


def check_share(share: float) -> None:
    """UserError for a `speed_share` that is none."""
    if not 0.001 <= share <= 1.0:
        raise UserError(f"speed_share={share} must be between 0.001 and 1.0: it can only slow the robot down")


def robot(name: str, description: str = "") -> Robot:
    """A shipped robot by name, or one from a path that ends in .yaml. description: what the topic of that name said, for a robot
    that is described there; without it all that does not need it is checked. UserError for what is missing, unknown or wrong."""
    path, read = settings(name, FOLDER, Robot)
    try:
        lists = {key: tuple(read[key]) for key in ("joints", "cameras", "fixed", "turn") if key in read}
        posture = tuple(read["posture"]) if read.get("posture") else None
        read["limited"] = dict(read.pop("limits", {}))
        if not 0.02 <= float(read.get("watchdog", 0.15)) <= 0.5:
            raise UserError(f"watchdog = {read['watchdog']} must be between 0.02 and 0.5 s")
        if unknown := sorted(read["limited"].keys() - set(TIGHTER)):
            raise UserError(f"limits has no {unknown[0]!r}; choose from {', '.join(TIGHTER)}")
        outputs = tuple(map(output, read["outputs"]))
        made = Robot(**{**read, **lists, "name": path.stem, "posture": posture, "outputs": outputs})
        if made.urdf == TOPIC:
            made = replace(made, description=description)
        _ = made.sizes, made.boxed, made.action, made.grip(0.0), made.opening(0.0)  # all that is read of it later
        if made.urdf != TOPIC or description:
            _ = made.limits
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError) as error:
        raise UserError(f"{path}: {type(error).__name__} {error}; compare it with {FOLDER / 'sim.yaml'}") from None
    return made


def output(read: Mapping[str, Any]) -> Output:
    """One entry of a file's `outputs`."""
    rest = {key: value for key, value in read.items() if key not in ("topic", "adapter", "joints")}
    return Output(str(read["topic"]), str(read["adapter"]), tuple(read.get("joints", ())), rest)


def settings(name: str, folder: Path, kind: type) -> tuple[Path, dict[str, Any]]:
    """The file `name`, or the shipped one of that name in `folder`, and its keys, which are those of the dataclass `kind`."""
    path = Path(name) if name.endswith(".yaml") else folder / f"{name}.yaml"
    if not path.exists():
        shipped = ", ".join(sorted(p.stem for p in folder.glob("*.yaml")))
        raise UserError(f"no robot {name!r}; choose from {shipped}, or give the path of a .yaml")
    given = read(path)
    own = {"limited": "limits"}  # what a file may call otherwise than the code
    known = {own.get(key, key) for key in kind.__dataclass_fields__} - {"name", "description"}
    needed = {
        key for key, one in kind.__dataclass_fields__.items()
        if one.default is MISSING and one.default_factory is MISSING and key != "name"
    }  # fmt: skip
    if wrong := sorted((needed - given.keys()) | (given.keys() - known)):
        raise UserError(f"{path}: these keys are missing or unknown: {', '.join(wrong)}")
    return path, given


def read(path: Path) -> dict[str, Any]:
    """A YAML file that holds keys. UserError for one that does not."""
    try:
        found = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(found, dict):
        raise UserError(f"{path} holds no keys; compare it with {FOLDER / 'sim.yaml'}")
    return {str(key): value for key, value in found.items()}
