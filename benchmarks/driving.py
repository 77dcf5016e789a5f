"""The kinematic drivers on every sample set: ADE and FDE at 1, 2, 3, 5 s, by stratum, with 95 % intervals, as Markdown.

    python benchmarks/driving.py folder=FOLDER

Sets that are not in `folder` are left out and named. The simulator's drives are made here, from seeds that nothing was
fitted on. A set that a driver's constants were fitted on is not reported for it.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from embodied import registry
from embodied.cli.replay import sample
from embodied.data import drives
from embodied.data.drives import Drive
from embodied.drive import kinematics, paths
from embodied.drive.decisions import STRATA
from embodied.drive.replay import Replay, Signals
from embodied.drive.scores import ALL, HORIZONS_S, Tally
from embodied.drive.session import replay
from embodied.drive.state import Motion
from embodied.errors import UserError
from embodied.report_drive import HAZARD_HEAD
from policies.drivers import BASELINES, Driving
from sim.recorded_drives import drives as record

SIMULATED, FIRST_SEED = 20, 800_000
FITTED = {"relaxing": ("udacity_hmb_telemetry",)}
PATHS = (kinematics.constant_velocity, kinematics.constant_turn, kinematics.constant_turn_and_acceleration)
SETS = ("kitti_odo00_first200_gray", "kitti_odo06_first51_gray", "kitti_raw_oxts_all/csv", "comma2k19_example1",
        "udacity_hmb_telemetry")  # fmt: skip


def scored(found: Iterable[Drive]) -> tuple[Tally, Signals, int]:
    tally, signals, count = Tally(), Signals(), 0
    for drive in found:
        beside = {name: registry.build("driver", name) for name in BASELINES[1:]}
        body = Replay(drive, beside, BASELINES[0], tally, signals)
        policy = Driving(registry.build("driver", BASELINES[0]), body.spec)
        ended = replay(body, policy)
        assert ended.reason == "finished", f"{drive.name}: {ended.error}"
        count += 1
    return tally, signals, count


def rows(name: str, tally: Tally) -> None:
    for stratum in (ALL, *STRATA):
        base = tally.summary("ctra", stratum)
        if not base["n"]:
            continue
        for driver in BASELINES:
            if name in FITTED.get(driver, ()):
                continue
            row = tally.summary(driver, stratum)
            pairs = [f"{row[f'ade@{h}']['mean']:.2f} / {row[f'fde@{h}']['mean']:.2f}" for h in HORIZONS_S]
            ade, spread = row["ade@3"], ""
            if ade["low"] == ade["low"]:
                spread = f"{ade['low']:.2f} - {ade['high']:.2f}"
            less = [100 * (row[key]["mean"] / base[key]["mean"] - 1) for key in ("ade@3", "fde@3")]
            change = f"{less[0]:+.0f} / {less[1]:+.0f}"
            decided = f"{row['decision_f1']:.2f} / {row['accel_sign_f1']:.2f}"
            print(f"| {stratum} | {driver} | {row['n']} | {' | '.join(pairs)} | {spread} | {change} | {decided} |")


def dangers(signals: Signals) -> None:
    print(f"\n| {' | '.join(HAZARD_HEAD)} |\n|{' --- |' * len(HAZARD_HEAD)}")
    for driver in BASELINES:
        h, o = signals.hazard(driver), signals.onsets(driver)
        early = f"{h.ap:.2f} | {h.false_alarms_per_h:.1f} | {h.mtta_s:.2f}"
        print(f"| {driver} | {h.hazards} | {early} | {o['delay_s']:.2f} | {o['missed']:.0f} of {o['onsets']:.0f} |")


# What explains published figures of the same drives: (name, s of past that a moment needs, s of future, speed from positions).
VARIANTS = (
    ("as everywhere here", 1.5, 3.0, False),
    ("from the first moment on", 0.0, 3.0, False),
    ("only moments with 4 s of future", 1.5, 4.0, False),
    ("speed from positions 0.1 s apart, from the first moment on", 0.11, 3.0, True),
)


def anchors(name: str, drive: Drive, at_hz: float) -> None:
    """ADE/FDE at 3 s of cv, ctrv and ctra when moments and speed are chosen otherwise. at_hz: of the moments."""
    seen = list(drive.stream())
    times = np.array([o.t_s for o in seen])
    poses = np.array([o.states["pose"][0] for o in seen], float)
    ego = {
        n: np.array([o.states["ego"][0, k] for o in seen], float) for k, n in enumerate(drive.spec.states["ego"].names)
    }
    accel = ego.get("accel", np.gradient(ego["speed"], times))
    for told, past_s, ahead_s, differenced in VARIANTS:
        found: dict[str, list[np.ndarray]] = {"cv": [], "ctrv": [], "ctra": []}
        due = times[0] + past_s
        for k, now in enumerate(times):
            if now < due - 1e-6 or now + ahead_s > times[-1]:
                continue
            due = max(due + 1 / at_hz, now)
            speed = ego["speed"][k]
            if differenced:
                before = [np.interp(now - 0.1, times, poses[:, c]) for c in (0, 1)]
                speed = np.hypot(*(poses[k, :2] - before)) / 0.1
            truth = paths.future(times[k:], poses[k:], now, poses[k])[:30]
            state = Motion(speed, accel[k], ego["yaw_rate"][k])
            for driver, path_of in zip(found, PATHS, strict=True):
                found[driver].append(np.hypot(*(path_of(state)[:30] - truth[:, :2]).T))
        shown = [f"{np.mean(gaps):.2f} / {np.mean(gaps, axis=0)[-1]:.2f}" for gaps in found.values()]
        if "accel" not in ego:
            shown[2] = "-"  # a causal acceleration needs a filter, which is the table above
        print(f"| {name} | {told} | {len(found['cv'])} | {' | '.join(shown)} |")


def main() -> None:
    words = dict(word.partition("=")[::2] for word in sys.argv[1:])
    folder = Path(words.get("folder", ""))
    only = words.get("only", "")
    with tempfile.TemporaryDirectory() as made:
        sets: list[tuple[str, Path]] = [(name, folder / name) for name in SETS]
        sets += [("sample", sample()), ("simulator", Path(made))]
        for name, path in sets:
            if only and only not in name:
                continue
            if name == "simulator":
                record(SIMULATED, made, processes=2, first_seed=FIRST_SEED, cameras=(), progress=False)
            start = time.perf_counter()
            try:
                tally, signals, count = scored(drives.read(path))
            except UserError as fault:
                print(f"\n## {name}\n\nleft out: {fault}")
                continue
            took = time.perf_counter() - start
            base = tally.summary("cv", ALL)
            print(
                f"\n## {name}\n\n{count} drives, {base['n']} moments, intervals over blocks of: {base['block']}; {took:.0f} s\n"
            )
            head = " | ".join(f"ADE@{h} / FDE@{h}" for h in HORIZONS_S)
            print(f"| stratum | driver | n | {head} | 95 % of ADE@3 | against CTRA @3, % | decision / accel F1 |")
            print("|" + " --- |" * (6 + len(HORIZONS_S)))
            rows(name, tally)
            if signals.labelled:
                dangers(signals)
    if only:
        return
    print(
        "\n## other conventions, ADE / FDE at 3 s\n\n| drive | moments | n | cv | ctrv | ctra |\n|---|---|---|---|---|---|"
    )
    for name, at_hz in (("kitti_odo00_first200_gray", 10.0), ("comma2k19_example1", 20.0)):
        if (folder / name).exists():
            anchors(name, drives.read(folder / name)[0], at_hz)


if __name__ == "__main__":
    main()
