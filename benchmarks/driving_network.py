"""What the network that drives is worth: beside its ablations and the kinematic drivers, on the same moments.

    python benchmarks/driving_network.py drives=40 [folder=FOLDER] [weights=road] [ego=road-ego] [only=simulator|real|speed]
        [lamps=0] [lidar=0] [memory=0]

simulator: drives of evaluation's seeds, each replayed as it is driven, pictures as the simulator draws them (no film in between).
lamps=0 takes the brake lights away, with which it was taught; lidar=0 the lidar's picture, where the network reads one; memory=0
what it carries on from look to look.
real: the public sets below FOLDER (benchmarks/driving.py), against CTRA. speed: `sample` as it lies on disk, with the network
alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from options import leave, options

from embodied import registry
from embodied.data import drives
from embodied.data.drives import DECISIONS, Drive
from embodied.data.record import EpisodeFailed
from embodied.drive.decisions import STRATA
from embodied.drive.replay import Replay, Signals
from embodied.drive.scores import ALL, Tally
from embodied.drive.session import replay
from embodied.errors import UserError
from policies.drive_network import Network
from policies.drivers import Driving
from sim.recorded_drives import unrecorded
from sim.task import FIRST_EVALUATION_SEED

SETS = ("kitti_odo00_first200_gray", "kitti_odo06_first51_gray", "comma2k19_example1", "kitti_raw_oxts_all/csv")
BESIDE = ("network-blind", "network-ego", "relaxing", "ctra")


def made(words: dict[str, Any]) -> dict[str, Any]:
    """The drivers by name, the network first."""
    how = {"network-blind": {"weights": words["weights"]}, "network-ego": {"weights": words["ego"]}}
    how["network"] = how["network-blind"] | {"remembers": bool(words["memory"])}
    return {name: registry.build("driver", name, **how.get(name, {})) for name in ("network", *BESIDE)}


def scored(found: Iterable[Drive], drivers: dict[str, Any]) -> tuple[Tally, Signals, int]:
    tally, signals, count = Tally(), Signals(), 0
    first = next(iter(drivers))
    drivers[first].shown = drivers[first].strange = 0
    for drive in found:
        body = Replay(drive, {name: one for name, one in drivers.items() if name != first}, first, tally, signals)
        ended = replay(body, Driving(drivers[first], body.spec))
        if ended.reason != "finished":
            raise UserError(f"{drive.name}: {ended.error}")
        count += 1
    return tally, signals, count


def held_out(count: int, lamps: bool, lidar: bool) -> Iterable[Drive]:
    """Drives of the first evaluation seeds that arrive."""
    seed = FIRST_EVALUATION_SEED
    while count:
        try:
            yield unrecorded(seed, lamps=lamps, lidar=lidar)
            count -= 1
        except EpisodeFailed:
            pass
        seed += 1


def errors(tally: Tally, driver: str) -> float:
    """Share of moments whose decision is wrong."""
    confusion = sum(one.decided for key, one in tally.sums.items() if key[:2] == (driver, ALL))
    return 1 - float(np.trace(confusion) / np.sum(confusion))


def table(tally: Tally) -> None:
    print(
        "| stratum | driver | n | ADE@1 / FDE@1 | ADE@3 / FDE@3 | ADE@5 / FDE@5 | against CTRA @3, % |\n|"
        + " --- |" * 7
    )
    for stratum in (ALL, *STRATA):
        if not (base := tally.summary("ctra", stratum))["n"]:
            continue
        for driver in ("network", *BESIDE):
            row = tally.summary(driver, stratum)
            pairs = [f"{row[f'ade@{h}']['mean']:.2f} / {row[f'fde@{h}']['mean']:.2f}" for h in (1, 3, 5)]
            less = [100 * (row[key]["mean"] / max(base[key]["mean"], 1e-9) - 1) for key in ("ade@3", "fde@3")]
            print(f"| {stratum} | {driver} | {row['n']} | {' | '.join(pairs)} | {less[0]:+.1f} / {less[1]:+.1f} |")


def together(tally: Tally) -> None:
    """Turning and braking moments as one."""
    sums = {
        (driver, key): sum(row["n"] * row[key]["mean"] for row in rows if row["n"])
        for driver in ("network", "ctra")
        for rows in [[tally.summary(driver, stratum) for stratum in ("turning", "braking")]]
        for key in ("ade@3", "fde@3")
    }
    if sums["ctra", "ade@3"]:
        less = [100 * (sums["network", key] / sums["ctra", key] - 1) for key in ("ade@3", "fde@3")]
        print(f"\nturning and braking together, against CTRA @3: {less[0]:+.1f} / {less[1]:+.1f} %")


def unused(drivers: dict[str, Any]) -> None:
    print(
        f"\npictures that were strange to the network and not used: {drivers['network'].strange} of {drivers['network'].shown}"
    )


def simulator(count: int, drivers: dict[str, Any], lamps: bool, lidar: bool) -> None:
    start = time.perf_counter()
    tally, signals, count = scored(held_out(count, lamps, lidar), drivers)
    seen = "pictures and a lidar" if lidar else "pictures"
    took = time.perf_counter() - start
    print(f"\n## simulator: {count} drives from seed {FIRST_EVALUATION_SEED} with {seen}, {took:.0f} s\n")
    table(tally)
    unused(drivers)
    print("\n| driver | decision macro F1 | decision errors | hazards | hazard AP | false alarms / h | mean time to accident, s "
          "(FPR <= 0.1) |\n|" + " --- |" * 7)  # fmt: skip
    for driver in ("network", *BESIDE):
        h, row = signals.hazard(driver), tally.summary(driver, ALL)
        f1 = f"{row['decision_f1']:.3f} ({row['decision_f1_low']:.2f} - {row['decision_f1_high']:.2f})"
        danger = (
            f"{h.hazards} | {h.ap:.3f} ({h.ap_low:.2f} - {h.ap_high:.2f}) | {h.false_alarms_per_h:.0f} | {h.mtta_s:.2f}"
        )
        print(f"| {driver} | {f1} | {100 * errors(tally, driver):.1f} % | {danger} |")
    fde = {d: tally.summary(d, "turning")["fde@3"]["mean"] for d in ("network", "network-ego")}
    wrong = {d: errors(tally, d) for d in fde}
    print(f"\nthe picture against the ego-only network: FDE@3 on turning {100 * (fde['network'] / fde['network-ego'] - 1):+.0f} %, "
          f"decision errors {100 * (wrong['network'] / wrong['network-ego'] - 1):+.0f} %")  # fmt: skip
    confusion = sum(one.decided for key, one in tally.sums.items() if key[:2] == ("network", ALL))
    print(f"\ndecisions of the network, rows true, columns said ({', '.join(DECISIONS)}):\n{confusion}")


def real(folder: Path, drivers: dict[str, Any]) -> None:
    for name in SETS:
        try:
            tally, _, count = scored(drives.read(folder / name), drivers)
        except UserError as fault:
            print(f"\n## {name}\n\nleft out: {fault}")
            continue
        print(f"\n## {name}: {count} drives\n")
        table(tally)
        together(tally)
        unused(drivers)


def speed(chosen: dict[str, Any]) -> None:
    """By the processor's time, which says more on a machine that others use, and by the wall clock; one thread."""
    from embodied.cli.replay import Timed, sample

    (drive,) = drives.read(sample())
    print("\n## speed: `sample` (160 px, 20 Hz, decoding included), one thread, best of 3\n")
    print("| network | x real time | by the wall clock | a step, ms (median) |\n|" + " --- |" * 4)
    networks = {
        name: Network(chosen["weights"], unseeing=chosen["ego"], **how)
        for name, how in (
            ("one graph", {}),
            ("one graph, without memory", {"remembers": False}),
            ("as written", {"graph": False}),
        )
    }
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in networks}
    for _ in range(3):  # in turn: what else the machine does meets both
        for name, network in networks.items():
            timed = Timed(network, time.process_time)
            wall, start, body = time.perf_counter(), time.process_time(), Replay(drive)
            replay(body, Driving(timed, body.spec))
            took = time.process_time() - start, time.perf_counter() - wall
            found[name].append((body.last_s / took[0], body.last_s / took[1], -float(np.median(timed.ms))))
    for name, runs in found.items():
        processor, clock, step = np.max(runs, 0)
        print(f"| {name} | {processor:.1f} | {clock:.1f} | {-step:.1f} |")


def main(arguments: list[str]) -> int:
    chosen = options(
        arguments, drives=40, folder="", weights="road", ego="road-ego", only="", lamps=1, lidar=1, memory=1
    )
    only = chosen["only"]
    if only not in ("", "simulator", "real", "speed"):
        raise UserError(f"only={only} is none of simulator, real, speed")
    if only == "real" and not chosen["folder"]:
        raise UserError("only=real needs folder=FOLDER, where the public sets lie")
    if only in ("", "simulator"):
        drivers = made(chosen)
        simulator(chosen["drives"], drivers, bool(chosen["lamps"]), bool(chosen["lidar"]) and drivers["network"].scans)
    if only in ("", "real") and chosen["folder"]:
        real(Path(chosen["folder"]), made(chosen))
    if only in ("", "speed"):
        speed(chosen)
    return 0


if __name__ == "__main__":
    leave(main)
