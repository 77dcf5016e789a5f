"""Peak memory of `embodied replay` over a long drive beside a short one: nothing may be kept of what has been scored.

    python benchmarks/driving_memory.py [long=60] [short=1] [films=1]

Lengths in minutes of 20 Hz video with a table of speed and yaw rate: the shipped sample, over and over. Each replay is a process
of its own, and its peak is what the system says of it when it has ended.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

from options import leave, options

from embodied.data import drives
from embodied.data.video import VideoWriter
from embodied.drive import sample
from embodied.errors import UserError

RATE_HZ = 20


def filmed(folder: Path, minutes: int) -> Path:
    """The sample repeated to that length, as MP4 and CSV."""
    (drive,) = drives.read(sample())
    moments = [(obs.images["front"], *obs.states["ego"][-1]) for obs in drive.stream() if "front" in obs.images]
    ego = drive.spec.states["ego"]
    names = [f"{name} [{unit}]" for name, unit in zip(ego.names, ego.units, strict=True)]
    height, width = moments[0][0].shape[:2]
    film, table = VideoWriter(folder / "drive.mp4", RATE_HZ, width, height), ["t_s," + ",".join(names)]
    for k, (picture, *values) in enumerate(islice(cycle(moments), 60 * RATE_HZ * minutes)):
        film.add(picture)
        table.append(f"{k / RATE_HZ}," + ",".join(f"{value:.5f}" for value in values))
    film.close()
    (folder / "drive.csv").write_text("\n".join(table) + "\n")
    return folder / "drive.mp4"


def peak_mb(drive: Path, films: int) -> tuple[float, float]:
    """(MB, s) of one replay."""
    began = time.perf_counter()
    words = ["-m", "embodied", "replay", str(drive), f"films={films}", f"out={drive.parent / 'out'}"]
    child = subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise UserError(f"the replay of {drive} failed, as said above")
    return used.ru_maxrss / 1024, time.perf_counter() - began


def main(arguments: list[str]) -> int:
    chosen = options(arguments, long=60, short=1, films=1)
    found = []
    print("| minutes of drive | peak memory, MB | s |\n| --- | --- | --- |")
    for minutes in (chosen["short"], chosen["long"]):
        with tempfile.TemporaryDirectory() as folder:
            found.append(peak_mb(filmed(Path(folder), minutes), chosen["films"]))
        print(f"| {minutes} | {found[-1][0]:.0f} | {found[-1][1]:.0f} |", flush=True)
    print(f"{found[1][0] / found[0][0]:.3f} times the memory; wanted at most 1.1")
    return 0


if __name__ == "__main__":
    leave(main)
