"""embodied record: demonstrations of the scripted expert as a LeRobotDataset, or labelled moments between steps.

Killed at any moment, every finished episode is intact, and the same command goes on from there.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from embodied import registry
from embodied.cli import parts
from embodied.cli.run import folder
from embodied.errors import UserError
from embodied.recipe import setting

KINDS = ("demonstrations", "snapshots", "words", "cubes", "board", "drives", "road")


@dataclass
class Settings:
    """Write episodes of the scripted expert as a dataset; resumable."""

    out: str = setting("", "folder of the dataset (must be given); an unfinished one is resumed")
    kind: str = setting(
        "demonstrations",
        "demonstrations (20 Hz, LeRobotDataset v3), snapshots (moments between steps), words (the same without pictures), "
        "cubes (labelled pictures of PaLM-E's tables, for their finder), "
        "board (pushes planned once a second, of each job so many), "
        "drives (the scripted driver on the road, labelled; LeRobotDataset v3) or road (its moments for `embodied train road`)",
    )
    task: str = setting("", "tasks to take in turn, separated by commas; empty: all (not for words)")
    episodes: int = setting(
        100, "how many episodes (demonstrations) or moments (snapshots, words, cubes) the dataset shall hold"
    )
    disturb: float = setting(0.0, "probability that an episode is disturbed (demonstrations)")
    shake: float = setting(
        0.0,
        "size of random pushes that are recovered from: of the hand, m (demonstrations; 0.02 teaches recovery), or of wheel and "
        "pedals (road; 1 pushes three of five drives gently, 1.6 nearly all of them hard)",
    )
    lidar: bool = setting(False, "also what a lidar on the car's roof measures, as a picture from above (road)")
    cameras: str = setting(
        "front,wrist", "whose pictures are kept (demonstrations); none: states and actions only, much faster"
    )
    seed: int = setting(0, "first seed; training seeds stay below evaluation's")
    processes: int = setting(0, "worker processes; 0: one per core")


def main(settings: Settings, chosen: dict[str, str]) -> int:
    parts.check_choice("kind", settings.kind, KINDS)
    if not settings.out:
        raise UserError("out= is missing; say where the dataset shall be, for example out=data/pick")
    if settings.episodes < 1 or settings.processes < 0:
        raise UserError(
            f"episodes={settings.episodes}, processes={settings.processes}: give 1 or more episodes, 0 or more processes"
        )
    if settings.lidar and settings.kind != "road":
        raise UserError(f"lidar=true is for kind=road, not kind={settings.kind}; leave it out")
    if settings.kind in ("drives", "road", "board", "cubes") and settings.task:
        raise UserError(
            f"task={settings.task!r} cannot be chosen for kind={settings.kind}, whose seeds choose; leave it out"
        )
    if settings.kind in ("drives", "road"):
        return _drives(settings)
    if settings.kind == "board":
        return _boards(settings)
    tasks = [name.strip() for name in settings.task.split(",")] if settings.task else registry.choices("task")
    for name in tasks:
        registry.part("task", name)
    if settings.kind == "words" and settings.task:
        raise UserError(
            f"task={settings.task!r} cannot be chosen for kind=words, which takes long plans most; leave it out"
        )
    folder(settings.out)
    processes = settings.processes or len(os.sched_getaffinity(0))
    if settings.kind == "snapshots":
        parts.outside("sim.snapshots").snapshots(Path(settings.out), settings.episodes, processes, settings.seed, tasks)
    elif settings.kind == "cubes":
        tables = parts.outside("sim.tamp.pictures").Tables
        make = parts.outside("sim.snapshots").snapshots
        make(Path(settings.out), settings.episodes, processes, settings.seed, ["cubes"], tables)
    elif settings.kind == "words":
        parts.outside("sim.words").words(Path(settings.out), settings.episodes, processes, settings.seed)
    if settings.kind != "demonstrations":
        print(f"{settings.out} holds {settings.episodes} moments or more")
        return 0
    made = parts.outside("sim.demonstrate").demonstrations(
        tasks,
        settings.episodes,
        settings.out,
        processes=processes,
        split="train",
        disturb=settings.disturb,
        cameras=[name.strip() for name in settings.cameras.split(",") if name.strip() not in ("", "none")],
        shake=settings.shake,
        first_seed=settings.seed,
    )
    print(f"{settings.out} holds {settings.episodes} episodes or more, {made} of them recorded now")
    return 0


def _boards(settings: Settings) -> int:
    make = parts.outside("sim.board.demonstrate").demonstrations
    processes = settings.processes or len(os.sched_getaffinity(0))
    made = make(Path(settings.out), settings.episodes, processes, settings.seed)
    print(f"{settings.out} holds {settings.episodes} demonstrations of each job or more, {made} of them recorded now")
    return 0


def _drives(settings: Settings) -> int:
    folder(settings.out)
    processes = settings.processes or len(os.sched_getaffinity(0))
    if settings.kind == "road":
        parts.outside("sim.road_moments").moments(
            Path(settings.out), settings.episodes, processes, settings.seed, settings.shake, settings.lidar
        )
        print(
            f"{settings.out} holds the moments of the seeds {settings.seed} to {settings.seed + settings.episodes - 1}"
        )
        return 0
    cameras = () if settings.cameras == "none" else ("front",)
    make = parts.outside("sim.recorded_drives").drives
    made = make(settings.episodes, settings.out, processes=processes, first_seed=settings.seed, cameras=cameras)
    print(f"{settings.out} holds {settings.episodes} drives or more, {made} of them recorded now")
    return 0
