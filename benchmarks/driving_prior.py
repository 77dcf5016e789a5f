"""Fits the constants of the kinematic prior (embodied/drive/kinematics.py `relaxing`) and prints them with what they gain.

    python benchmarks/driving_prior.py folder=FOLDER [bound=kitti_odo00_first200_gray,comma2k19_example1]

Fitted on drives that nothing is evaluated on and whose licences permit it: Udacity's challenge-2 log (MIT, a real highway) and
drives of our own simulator, recorded here without pictures (curves, junctions, people, cars that brake), whose sensors get the
noise of a car on a real road (NOISE), since slopes taken from exact states would be trusted too much. Both count alike,
although the second are many more. Minimised, in a grid: the mean over the two of (ADE + FDE / 3) at 3 s, as a share of CTRA's,
plus what any stratum of 50 moments or more is worse than 1.02 times CTRA.
KITTI and comma2k19 are not read, but for bound=: there the constants are fitted on each stratum of the very drives that are
evaluated, to see how far any of them could come. Nothing of that is kept.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path

import numpy as np
from options import leave, options

from embodied.data import drives
from embodied.data.drives import Drive
from embodied.drive import decisions, kinematics
from embodied.drive.forecast import Forecast
from embodied.drive.replay import Moment, Replay
from embodied.drive.session import replay
from embodied.drive.state import WINDOW_S, Motion, motion
from embodied.errors import UserError
from embodied.types import Observation
from policies.drivers import Driving, Kinematic
from sim.recorded_drives import drives as record

OURS, FIRST_SEED = 30, 700_000
WINDOWS_S = (0.4, 0.6)
COST = np.array([1.0, 1 / 3])
PathOf = Callable[[Motion], np.ndarray]


# Standard deviations of speed (m/s), acceleration (m/s^2), yaw rate (rad/s) and steering (rad): wheel sensors, and what an
# inertial unit feels of the road, not what its data sheet says.
NOISE = np.array([0.03, 0.15, 0.004, 0.0], np.float32)


def shaken(drive: Drive, seed: int) -> Drive:
    """The same drive through noisy sensors; its pose stays exact."""

    def stream() -> Iterator[Observation]:
        rng = np.random.default_rng([seed, 9])
        for one in drive.stream():
            ego = one.states["ego"] + NOISE * rng.standard_normal(4, np.float32)
            yield replace(one, states={**one.states, "ego": ego})

    return replace(drive, stream=stream)


@dataclass(frozen=True)
class Kept:
    """n moments: motion with (n, 1) fields, recorded future (n, 30, 2), stratum (n,)."""

    motion: Motion
    future: np.ndarray
    strata: np.ndarray

    def only(self, these: np.ndarray) -> Kept:
        motion = Motion(*(getattr(self.motion, one.name)[these] for one in fields(Motion)))
        return Kept(motion, self.future[these], self.strata[these])


GRID = {
    "accel_fades_s": (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 10.0),
    "brake_fades_s": (2.0, 3.0, 5.0, 10.0, 30.0, 100.0),
    "jerk_fades_s": (0.01, 0.2, 0.4, 0.6, 0.8, 1.2),
    "turn_fades_s": (1.5, 2.0, 3.0, 5.0, 8.0, 15.0, 100.0),
    "turning_fades_m": (0.05, 1.0, 2.0, 3.0, 4.0, 6.0),
}


class Noting(Kinematic):
    """Remembers the motion that it was asked about."""

    def __init__(self, window_s: float) -> None:
        super().__init__(kinematics.constant_turn_and_acceleration)
        self._window_s, self._filtered = window_s, window_s > 0
        self.motions: dict[float, Motion] = {}

    def __call__(self, obs: Observation) -> Forecast:
        self.motions[obs.t_s] = motion(obs, self._states, self._window_s or WINDOW_S, self._filtered)
        return super().__call__(obs)


def moments(found: tuple[Drive, ...], window_s: float, every: int) -> Kept:
    """Every n-th scored moment of the drives."""
    motions, futures, strata = [], [], []
    for drive in found:
        kept: list[Moment] = []
        driver = Noting(window_s)
        body = Replay(drive, scored=kept.append)
        replay(body, Driving(driver, body.spec))
        for moment in [m for m in kept if m.stratum][::every]:
            motions.append(astuple(driver.motions[moment.t_s]))
            futures.append(moment.future[:30, :2])
            strata.append(moment.stratum)
    return Kept(Motion(*np.array(motions, float).T[:, :, None]), np.array(futures), np.array(strata))


def gaps(kept: Kept, path_of: PathOf) -> np.ndarray:
    """(n, 2): mean error to 3 s and error at 3 s of each moment, m."""
    gap = np.linalg.norm(path_of(kept.motion)[:, :30] - kept.future, axis=-1)
    return np.column_stack([gap.mean(1), gap[:, -1]])


class Judge:
    """Costs of a predictor on one set as shares of CTRA's: of all moments, then of each stratum that has 50. base: the
    same moments as CTRA is asked elsewhere, with the default window."""

    def __init__(self, kept: Kept, base: Kept) -> None:
        self._kept = kept
        self._parts = [p for name in decisions.STRATA if (p := kept.strata == name).sum() >= 50]
        self._parts.insert(0, np.ones(len(kept.strata), bool))
        self._base = self._costs(base, kinematics.constant_turn_and_acceleration)

    def _costs(self, kept: Kept, path_of: PathOf) -> np.ndarray:
        made = gaps(kept, path_of) @ COST
        return np.array([made[p].mean() for p in self._parts])

    def shares(self, path_of: PathOf) -> np.ndarray:
        return self._costs(self._kept, path_of) / self._base


def loss(judges: list[Judge], path_of: PathOf) -> float:
    made = [judge.shares(path_of) for judge in judges]
    worse = sum(float(np.maximum(0.0, one[1:] - 1.02).sum()) for one in made)
    return float(np.mean([one[0] for one in made])) + worse


def fit(sets: dict[str, Kept], base: dict[str, Kept]) -> tuple[float, dict[str, float]]:
    judges = [Judge(kept, base[name]) for name, kept in sets.items()]
    return least(lambda path_of: loss(judges, path_of))


def least(cost: Callable[[PathOf], float]) -> tuple[float, dict[str, float]]:
    """The least cost of `relaxing` in the grid, and its constants."""
    best = {
        "accel_fades_s": 3.0,
        "brake_fades_s": 10.0,
        "jerk_fades_s": 0.4,
        "turn_fades_s": 3.0,
        "turning_fades_m": 3.0,
    }
    names, lowest = list(GRID), float("inf")
    # the pedals' three and the wheel's two hardly touch each other: one group after the other, twice
    for group in (names[:3], names[3:], names[:3], names[3:]):
        tried = []
        for values in itertools.product(*(GRID[name] for name in group)):
            this = best | dict(zip(group, values, strict=True))
            tried.append((cost(lambda now, this=this: kinematics.relaxing(now, **this)), this))
        lowest, best = min(tried, key=lambda one: one[0])
    return lowest, best


def bound(folder: Path, names: list[str]) -> None:
    """Prints what the best constants of each stratum would gain on it, with hindsight."""
    print("| drive | stratum | n | best with hindsight, ADE / FDE at 3 s against CTRA |\n| --- | --- | --- | --- |")
    for name in names:
        found = drives.read(folder / name)
        kept = {window_s: moments(found, window_s, 1) for window_s in (0.0, *WINDOWS_S)}
        for stratum in ("all", *decisions.STRATA):
            these = np.ones(len(kept[0.0].strata), bool) if stratum == "all" else kept[0.0].strata == stratum
            if these.sum() < 5:
                continue
            base = gaps(kept[0.0].only(these), kinematics.constant_turn_and_acceleration).mean(0)
            tried: list[tuple[float, np.ndarray]] = []
            for window_s in WINDOWS_S:
                part = kept[window_s].only(these)
                share = lambda path_of, part=part, base=base: gaps(part, path_of).mean(0) / base  # noqa: E731
                lowest, best = least(lambda path_of, share=share: float(share(path_of).mean()))
                tried.append((lowest, share(lambda now, best=best: kinematics.relaxing(now, **best))))
            ade, fde = 100 * (min(tried, key=lambda one: one[0])[1] - 1)
            print(f"| {name} | {stratum} | {these.sum()} | {ade:+.0f} / {fde:+.0f} % |", flush=True)


def main(arguments: list[str]) -> int:
    chosen = options(arguments, folder="", bound="")
    if not chosen["folder"]:
        raise UserError("give folder=FOLDER, where the public sets lie")
    if chosen["bound"]:
        bound(Path(chosen["folder"]), chosen["bound"].split(","))
        return 0
    found: list[tuple[float, dict[str, float], float, dict[str, Kept]]] = []
    with tempfile.TemporaryDirectory() as folder:
        record(OURS, folder, processes=2, first_seed=FIRST_SEED, cameras=(), progress=False)
        base: dict[str, Kept] = {}
        for window_s in (0.0, *WINDOWS_S):  # 0: as the baselines are asked
            noisy = tuple(shaken(drive, k) for k, drive in enumerate(drives.read(folder)))
            ours = moments(noisy, window_s, 6)
            real = moments(drives.read(Path(chosen["folder"]) / "udacity_hmb_telemetry"), window_s, 2)
            sets = {"Udacity": real, "simulator": ours}
            if not window_s:
                base = sets
                continue
            lowest, best = fit(sets, base)
            print(f"window {window_s} s: loss {lowest:.4f}, {best}", flush=True)
            found.append((lowest, best, window_s, sets))
    _, best, window_s, sets = min(found, key=lambda one: one[0])
    print(f"constants: window_s {window_s}, {best}")
    print("| drives | n | stratum | CTRA ADE/FDE at 3 s | fitted | change |\n|---|---|---|---|---|---|")
    for name, kept in sets.items():
        for stratum in ("all", *decisions.STRATA):
            these = np.ones(len(kept.strata), bool) if stratum == "all" else kept.strata == stratum
            if these.any():
                a = gaps(base[name], kinematics.constant_turn_and_acceleration)[these].mean(0)
                b = gaps(kept, lambda now: kinematics.relaxing(now, **best))[these].mean(0)
                change = f"{100 * (b[0] / a[0] - 1):+.0f} %"
                row = f"{a[0]:.3f}/{a[1]:.3f} | {b[0]:.3f}/{b[1]:.3f} | {change}"
                print(f"| {name} | {these.sum()} | {stratum} | {row} |")
    return 0


if __name__ == "__main__":
    leave(main)
