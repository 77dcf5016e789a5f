"""A recorded drive as a stream of Observations: what every reader in embodied/data/sources gives, and how one is found.

States of an observation, one row each, and only what the recording has:
- `ego`: what the car itself measures (speed, accel, yaw_rate, steer, throttle, brake, the car ahead; see EGO);
- `pose`: x y yaw in the drive's own frame, x east, y north, yaw 0 = east, anticlockwise. Scores need it
  (without it they are along the track alone), policies do not get it.
- `truth`: labels of a simulated drive (see TRUTH). For scoring alone; the replay body keeps it from policies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from embodied import registry
from embodied.errors import UserError
from embodied.plan import DECISIONS
from embodied.spec import BodySpec, CameraSpec, Channels
from embodied.types import Image, Observation

EGO = {
    "speed": ("m/s", -10.0, 70.0),  # forward
    "accel": ("m/s^2", -20.0, 20.0),  # forward
    "yaw_rate": ("rad/s", -3.0, 3.0),  # anticlockwise
    "steer": ("rad", -12.0, 12.0),  # left; at the road wheels or at the steering wheel, facts["steer"] says which
    "throttle": ("1", -1.0, 1.0),
    "brake": ("1", -1.0, 1.0),
    "lead_gap": ("m", 0.0, 250.0),  # from our front to the back of the car ahead; 250 or more where none is measured
    "lead_speed": ("m/s", -20.0, 70.0),  # of the car ahead, over ground; ours where none is measured
}
# What a row may say before it is believed (unit, least, most), and the unit that explains a value beyond it.
LIMITS = {
    **EGO,
    "speed": ("m/s", -20.0, 70.0),  # -11 in a KITTI drive that lost its satellites
    "lead_gap": ("m", 0.0, 1e4),  # radars say "none" by large numbers of their own
    "x": ("m", -1e7, 1e7),  # of any grid: 1e7 m is a quarter of the way round the Earth
    "y": ("m", -1e7, 1e7),
    "yaw": ("rad", -1e3, 1e3),
    "lat": ("rad", -np.pi / 2, np.pi / 2),
    "lon": ("rad", -2 * np.pi, 2 * np.pi),
}
MISTAKEN = {"speed": "km/h", "yaw_rate": "deg/s", "steer": "deg", "throttle": "%", "brake": "%", "yaw": "deg"}
POSE = Channels(("x", "y", "yaw"), ("m", "m", "rad"), (-1e6, -1e6, -1e3), (1e6, 1e6, 1e3), 10.0)
# decision: index in DECISIONS. hazard: 1 when a collision within HAZARD_S s follows if nobody acts. ttc: s, TTC_MAX_S for
# none. reason: index in REASONS.
HAZARD_S, TTC_MAX_S = 3.0, 10.0
REASONS = ("", "lead car brakes", "pedestrian enters the lane from the left", "pedestrian enters the lane from the right",
           "standing car in the lane")  # fmt: skip
TRUTH = Channels(
    ("decision", "hazard", "ttc", "reason"), ("1", "1", "s", "1"), (0, 0, 0, 0),
    (len(DECISIONS) - 1, 1, TTC_MAX_S, len(REASONS) - 1), 20.0,
)  # fmt: skip


@dataclass(frozen=True)
class Drive:
    """One recording. stream: begins anew at each call and holds one moment at a time; the observations' time starts at 0.

    spec.facts: "source" (the reader), "steer" ("road" or "wheel"), "camera" ("assumed" where the recording says nothing of
    it), "pose" (how it came about), "speed" (where it was derived), "task" (an instruction, where there is one)."""

    name: str
    spec: BodySpec
    stream: Callable[[], Iterator[Observation]]

    @property
    def has_speed(self) -> bool:
        return "ego" in self.spec.states and "speed" in self.spec.states["ego"].names

    @property
    def has_pose(self) -> bool:
        return "pose" in self.spec.states


class Pictures(Mapping[str, Image]):
    """Pictures that are decoded when first looked at."""

    def __init__(self, makers: Mapping[str, Callable[[], Image]]) -> None:
        self._makers, self._made = makers, dict[str, Image]()

    def __getitem__(self, name: str) -> Image:
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


def body_spec(
    source: str,
    rate_hz: float,
    ego: Sequence[str],
    cameras: Mapping[str, CameraSpec] | None = None,
    pose: bool | str = True,
    truth: bool = False,
    **facts: str,
) -> BodySpec:
    """The spec of a drive whose `ego` has these channels; a recording takes no commands, so the action is empty.

    pose: whether there is one, as a text how it came about. UserError for half of a car ahead."""
    if ("lead_gap" in ego) != ("lead_speed" in ego):
        missing = "lead_speed" if "lead_gap" in ego else "lead_gap"
        raise UserError(f"the car ahead is a lead_gap and a lead_speed, and there is no {missing}; give both or none")
    states: dict[str, Channels] = {}
    if ego:
        units, low, high = zip(*(EGO[name] for name in ego), strict=True)
        states["ego"] = Channels(tuple(ego), units, low, high, rate_hz)
    if pose:
        states["pose"] = POSE
    if truth:
        states["truth"] = TRUTH
    facts |= {"pose": pose} if isinstance(pose, str) else {}
    nothing = Channels((), (), (), (), rate_hz)
    return BodySpec("car", dict(cameras or {}), states, nothing, {"source": source, **facts})


def observation(t_s: float, images: Mapping[str, Any] | None = None, **states: Any) -> Observation:
    """One moment; every state a sequence (d,) or None, which leaves it out."""
    rows = {name: np.asarray(row, np.float32)[None] for name, row in states.items() if row is not None}
    return Observation(t_s, Pictures(images or {}), rows)


@dataclass(frozen=True)
class Reading:
    """What readers may be told. Every reader takes what concerns it.

    columns: a column map (embodied.data.columns), of a table or of a bag's plain numbers.  max_gap_s: see embodied.data.align.
    rate_hz: frames per second where the recording does not say.  topics: of a bag, `image=/camera/image odom=/odom ...`; empty:
    the one of the right type.
    camera: focal length in pixels and height in metres, `f=910 height=1.2`, where the recording does not say."""

    columns: str = ""
    max_gap_s: float = 0.5
    rate_hz: float = 20.0
    topics: str = ""
    camera: str = ""


def read(path: str | Path, source: str = "", reading: Reading | None = None) -> tuple[Drive, ...]:
    """The drives at `path`. source: the reader's name; empty: the first that knows the layout. UserError when none does."""
    path = Path(path)
    if not path.exists():
        raise UserError(f"there is no drive at {str(path)!r}; give a file or folder that exists")
    if path.is_dir() and not any(path.iterdir()):
        raise UserError(f"the folder {str(path)!r} is empty; give one with a recorded drive")
    readers = {name: registry.part("drive", name) for name in ([source] if source else registry.choices("drive"))}
    for found in readers.values():
        if found.knows(path):
            return found(path, reading or Reading())
    inside = sorted(p for p in path.iterdir() if p.is_dir()) if path.is_dir() else []
    below = next((p for p in inside if any(found.knows(p) for found in readers.values())), None)
    if below:
        raise UserError(f"{str(path)!r} is no drive, but its folder {below.name!r} is; give that")
    known = "; ".join(found.layout if source else f"{name}: {found.layout}" for name, found in readers.items())
    raise UserError(
        f"{str(path)!r} is no drive that {source or 'a reader'} knows ({known}); give another path or source="
    )


def reader(name: str, layout: str, knows: Callable[[Path], bool]) -> Callable[[Any], Any]:
    """Registers a function (path, reading) -> drives in the group `drive`. layout: what it reads, in a few words."""

    def add(made: Any) -> Any:
        made.layout, made.knows = layout, knows
        return registry.register("drive", name)(made)

    return add
