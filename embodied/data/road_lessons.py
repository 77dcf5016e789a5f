"""Lessons for the network that drives: moments of simulated drives with what may differ on a real car (noise, missing channels,
light), and moments of real telemetry, which have no picture."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embodied.data import drives
from embodied.data.drives import DECISIONS
from embodied.data.moments import RATE_HZ, SQUARES, Moments, files
from embodied.drive import above, decisions, paths
from embodied.drive.paths import STEPS
from embodied.drive.senses import CHANNELS, Sensed, sense
from embodied.drive.state import HISTORY_S
from embodied.drive.view import HEIGHT, WIDTH
from embodied.errors import UserError
from embodied.types import Image

SHOTS, STEP = 3, 2  # pictures in a look, moments between them
# Standard deviations of speed, acceleration, yaw rate and steering on a real road: wheel sensors, and what an inertial unit
# feels of it.
NOISE = np.array([0.03, 0.15, 0.004, 0.003])
SETS = (CHANNELS, CHANNELS[:3], ("speed", "yaw_rate", "steer"), ("speed", "yaw_rate"), ("speed", "steer"), ("speed",))
SET_SHARES = (0.44, 0.05, 0.05, 0.05, 0.03, 0.38)  # the last is how it drives (policies/road.py)
SENSORS = 0.9  # how far sensors differ in their noise: sigma of its logarithm
BLIND, PLAIN = 0.15, 0.4  # shares of moments without a picture (or, each by itself, a lidar's), without noise
# Of those with a lidar's, without a picture: what a picture shows already nobody learns to read elsewhere (ModDrop: Neverova et al.
# 2014, arXiv 1501.00102).
HIDDEN = 0.3
ROWS = round(HISTORY_S * RATE_HZ) + 1
Batch = dict[str, NDArray[np.generic]]


@dataclass
class Lesson:
    """sensed: see there.  future (STEPS, 2) and valid (STEPS,): where it goes.  decided: index in DECISIONS, -1 unknown.
    truth: (hazard, ttc, reason), NaN unknown.  picture (HEIGHT, WIDTH, 3 SHOTS), newest first.  scan: the lidar's, likewise
    (above.ROWS, above.COLUMNS, 3 SHOTS).  speed: of now, exactly, m/s."""

    sensed: Sensed
    future: NDArray[np.float32]
    valid: NDArray[np.bool_]
    decided: int
    truth: NDArray[np.float32]
    stratum: str
    task: str = ""
    picture: NDArray[np.uint8] | None = None
    scan: NDArray[np.uint8] | None = None
    ages: NDArray[np.float32] | None = None
    cells: NDArray[np.float16] | None = None
    squares: NDArray[np.float16] | None = None
    facts: NDArray[np.float32] | None = None
    speed: float = np.nan


def _future(
    times: NDArray[np.float64], poses: NDArray[np.float64], now_s: float, until_s: float
) -> tuple[NDArray, NDArray]:
    """(STEPS, 3) padded with its last row, and which of them count."""
    ahead = paths.future(times, poses, now_s, poses[0])
    valid = np.arange(1, STEPS + 1) <= min(len(ahead), until_s * paths.RATE_HZ + 1e-6)
    last = ahead[-1:] if len(ahead) else np.zeros((1, 3))
    return np.vstack([ahead, np.repeat(last, STEPS - len(ahead), 0)]), valid


def _shaded(pictures: Sequence[Image], rng: np.random.Generator) -> list[Image]:
    """The same change of light for all of a look, then what a codec does to each."""
    from PIL import Image as Pictures

    gain, lift = rng.uniform(0.75, 1.25) * rng.uniform(0.93, 1.07, 3), rng.uniform(-18, 18)
    table = np.clip(np.arange(256)[:, None] * gain + lift, 0, 255).astype(np.uint8)
    made = [np.stack([table[one[..., c], c] for c in range(3)], -1) for one in pictures]
    if rng.random() < 0.4:
        quality = int(rng.integers(55, 95))
        for k, one in enumerate(made):
            page = io.BytesIO()
            Pictures.fromarray(one).save(page, "JPEG", quality=quality)
            made[k] = np.asarray(Pictures.open(page))
    return made


class RoadLessons:
    """Moments of simulated drives. sees, lidar: whether with pictures, and with what a lidar measured. UserError where none has
    one."""

    def __init__(self, folder: str | Path, sees: bool = True, most: int = 0, lidar: bool = False) -> None:
        self.drives = [Moments.load(one) for one in files(folder)[: most or None]]
        self.sees, self.lidar = sees, lidar
        if lidar and not any(one.scans for one in self.drives):
            raise UserError(
                f"no drive in {folder} has a lidar; record with `embodied record kind=road shake=1 lidar=true`"
            )
        self.index = [(d, k) for d, one in enumerate(self.drives) for k in range(len(one.at))]
        # moments that say something come up more often: dangers, turns, braking
        truth = np.concatenate([one.truth for one in self.drives])
        decided = truth[:, 0].astype(int)
        weight = 1 + 1.0 * (truth[:, 1] > 0) + 0.5 * np.isin(decided, [2, 3]) + 0.5 * (decided >= 4)
        # and so do ways back to the lane's middle; a moment that is pushed away at once has no way of its own
        off, heading = np.abs(np.concatenate([one.facts[:, :2] for one in self.drives])).T
        weight = weight + 1.5 * (off > 0.25) + 1.5 * (heading > 0.08)
        weight = weight * np.where(np.concatenate([one.clear for one in self.drives]) < 0.5, 0.3, 1.0)
        self.shares = weight / weight.sum()

    def draw(self, rng: np.random.Generator, count: int) -> list[Lesson]:
        chosen = (self.index[int(i)] for i in rng.choice(len(self.index), count, p=self.shares))
        return [self.lesson(d, k, rng) for d, k in chosen]

    def lesson(self, d: int, k: int, rng: np.random.Generator | None = None) -> Lesson:
        """Moment k of drive d. rng: for noise, missing channels and light; None: as it is."""
        one = self.drives[d]
        row = int(one.at[k])
        rows = one.ego[np.arange(row - ROWS + 1, row + 1).clip(0)].astype(float)
        clock, names = np.arange(1 - ROWS, 1) / RATE_HZ, CHANNELS
        if rng is not None:
            names = SETS[rng.choice(len(SETS), p=SET_SHARES)]
            if rng.random() > PLAIN:
                rows = rows + NOISE * rng.lognormal(0, SENSORS) * rng.standard_normal(rows.shape)
            if rng.random() < 0.3:
                rows, clock = rows[::2], clock[::2]
            rows = rows[:, [CHANNELS.index(name) for name in names]]
            if names == ("speed",):  # and nothing of the past: who only goes on as before never starts nor stops
                rows = np.repeat(rows[-1:], len(rows), 0)
        future, valid = _future(np.arange(len(one.pose) - row) / RATE_HZ, one.pose[row:], 0.0, float(one.clear[k]))
        decided = int(one.truth[k, 0]) if one.clear[k] >= decisions.LOOK_S - 0.5 else -1
        stratum = decisions.stratum(future, float(one.ego[row, 0])) if valid[: round(3 * paths.RATE_HZ)].all() else ""
        made = Lesson(
            sense(rows, clock, names), future[:, :2].astype(np.float32), valid, decided, one.truth[k, 1:], stratum, one.task,
            facts=one.facts[k], speed=float(one.ego[row, 0]),
        )  # fmt: skip
        scans = self.lidar and len(one.scans) > 0 and (rng is None or rng.random() > BLIND)
        looks = self.sees and (rng is None or rng.random() > (HIDDEN if scans else BLIND))
        if looks or scans:
            steps = [STEP, 2 * STEP] if rng is None or rng.random() < 0.7 else np.sort(rng.integers(1, 6, SHOTS - 1))
            shots = [k, *(max(0, k - int(step)) for step in steps)]
            made.ages = ((one.at[k] - one.at[shots[1:]]) / RATE_HZ).astype(np.float32)
        if scans:
            made.squares = one.squares[k]
            made.scan = np.concatenate([one.scan(shot) for shot in shots], -1)
        if looks:
            made.cells = one.cells[k]
            pictures = [one.picture(shot) for shot in shots]
            made.picture = np.concatenate(_shaded(pictures, rng) if rng is not None else pictures, -1)
        return made


class RealLessons:
    """Moments of recorded drives that have speed and pose, 0.1 s apart. share: which part of each drive, from and to."""

    def __init__(self, where: Sequence[str | Path], share: tuple[float, float] = (0.0, 1.0)) -> None:
        self.moments: list[Lesson] = []
        self._rows: list[tuple[NDArray, NDArray, tuple[str, ...]]] = []
        for path in where:
            for drive in drives.read(path):
                if drive.has_speed and drive.has_pose:
                    self._add(drive, share)

    def _add(self, drive: drives.Drive, share: tuple[float, float]) -> None:
        seen = list(drive.stream())
        names = drive.spec.states["ego"].names
        names = tuple(n for n in names if n != "steer" or drive.spec.facts.get("steer") == "road")
        keep = [drive.spec.states["ego"].names.index(n) for n in names]
        times = np.array([o.t_s for o in seen])
        rows, poses = (np.concatenate([o.states[s] for o in seen]).astype(float) for s in ("ego", "pose"))
        rows, due = rows[:, keep], max(times[0] + HISTORY_S, times[0] + share[0] * (times[-1] - times[0]))
        end = times[0] + share[1] * (times[-1] - times[0])
        for k, now in enumerate(times):
            if now < due or now + decisions.LOOK_S > end:
                continue
            due = max(due + 1 / paths.RATE_HZ, now)
            past = (times >= now - HISTORY_S - 1e-6) & (times <= now)
            last = int(np.searchsorted(times, end, side="right"))
            future, valid = _future(times[k:last], poses[k:last], now, np.inf)
            speed = float(rows[k, names.index("speed")])
            stratum = decisions.stratum(future, speed)
            decided = DECISIONS.index(decisions.decision(future, speed))
            self._rows.append((rows[past], times[past] - now, names))
            sensed = sense(*self._rows[-1])
            self.moments.append(
                Lesson(
                    sensed, future[:, :2].astype(np.float32), valid, decided, np.full(3, np.nan, np.float32), stratum
                )
            )

    def draw(self, rng: np.random.Generator, count: int) -> list[Lesson]:
        """Half as recorded, half with a part of the channels and some noise more."""
        made = []
        for i in rng.integers(len(self.moments), size=count):
            one = self.moments[i]
            if rng.random() < 0.5:
                rows, clock, names = self._rows[i]
                scale = np.array([NOISE[CHANNELS.index(n)] if n in CHANNELS else 0.0 for n in names])
                rows = rows + 0.5 * rng.lognormal(0, SENSORS) * scale * rng.standard_normal(rows.shape)
                one = Lesson(sense(rows, clock, names), one.future, one.valid, one.decided, one.truth, one.stratum)
            made.append(one)
        return made


def gather(lessons: Sequence[Lesson], commands: Mapping[str, NDArray[np.int64]]) -> Batch:
    """Arrays (b, ...) by name. commands: ids of each sentence."""
    stack = lambda name: np.stack([getattr(one.sensed, name) for one in lessons])  # noqa: E731
    made: Batch = {name: stack(name) for name in ("series", "now", "speed", "yaw_rate", "path")}
    made["command"] = np.stack([commands[one.task] for one in lessons])
    for name in ("future", "valid", "truth"):
        made[name] = np.stack([getattr(one, name) for one in lessons])
    way = np.diff(made["future"], axis=1, prepend=0.0)
    made["driven"] = (np.hypot(way[..., 0], way[..., 1]) * paths.RATE_HZ * np.where(way[..., 0] < -0.02, -1, 1)).astype(
        np.float32
    )
    made["decided"] = np.array([one.decided for one in lessons])
    made["known"] = np.array([one.facts is not None for one in lessons])
    made["facts"] = np.stack([one.facts if one.facts is not None else np.zeros(8, np.float32) for one in lessons])
    made["seen"] = np.array([one.picture is not None for one in lessons])
    made["scanned"] = np.array([one.scan is not None for one in lessons])
    if made["seen"].any() or made["scanned"].any():
        made["ages"] = np.stack([np.zeros(SHOTS - 1, np.float32) if one.ages is None else one.ages for one in lessons])
    if made["scanned"].any():
        nothing = np.zeros((above.ROWS, above.COLUMNS, 3 * SHOTS), np.uint8)
        made["scans"] = np.stack([nothing if one.scan is None else one.scan for one in lessons])
        unknown = np.zeros((*above.SQUARES, len(SQUARES)), np.float32)
        made["squares"] = np.stack([unknown if one.squares is None else one.squares for one in lessons]).astype(
            np.float32
        )
    if made["seen"].any():
        nothing = np.zeros((HEIGHT, WIDTH, 3 * SHOTS), np.uint8)
        made["pictures"] = np.stack([one.picture if one.picture is not None else nothing for one in lessons])
        cells = next(one.cells for one in lessons if one.cells is not None)
        made["cells"] = np.stack([one.cells if one.cells is not None else 0 * cells for one in lessons]).astype(
            np.float32
        )
    return made
