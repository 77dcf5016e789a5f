"""The scripted driver's drives as moments for a network to learn from: views, labels, and recoveries from disturbances.

A driver that never errs shows nobody how to come back. In a part of the drives the wheel or the pedals are pushed for a moment
(noise in the teacher's actions: DART, Laskey et al. 2017, arXiv 1703.09327) and the teacher recovers; labels say for how long the
future is the teacher's own.
"""

from __future__ import annotations

from concurrent.futures import as_completed
from functools import lru_cache
from pathlib import Path

import numpy as np

from embodied import workers
from embodied.data.drives import DECISIONS
from embodied.data.moments import Moments, deflate
from embodied.data.record import EpisodeFailed
from embodied.drive.view import view, window
from embodied.errors import UserError
from embodied.trainlog import progress_bar
from embodied.types import Command
from policies.drive_expert import DriveExpert
from sim import car as cars
from sim.drive import DriveBody
from sim.recorded_drives import LATE_S, decided
from sim.road_labels import cells_of, facts_of, squares_of
from sim.task import FIRST_EVALUATION_SEED

EVERY = 4  # ticks between moments
PUSHED, LATE = 0.6, 0.25  # shares of drives with disturbances, with a late driver
ALWAYS_S = 60.0


@lru_cache(maxsize=1)
def _body() -> DriveBody:
    return DriveBody(labels=True, look=False)


class Pushes:
    """What is added to the command of a tick, and the seconds until the next push. size: how hard and how often; 0: never."""

    def __init__(self, rng: np.random.Generator, size: float) -> None:
        self._pushes: list[tuple[float, float, float, float]] = []  # from s, to s, rad/s of turning, m/s^2
        at = rng.uniform(0.3, 4.0)
        while size and at < 80.0:
            turns = rng.random() < 0.6
            lasts = rng.uniform(0.4, 0.9) if turns else rng.uniform(0.6, 1.5)
            way = size * float(rng.choice([-1, 1]))
            turn, pedal = (way * rng.uniform(0.10, 0.35), 0.0) if turns else (0.0, way * rng.uniform(0.8, 2.5))
            self._pushes.append((at, at + lasts, turn, pedal))
            at += lasts + rng.uniform(4.0, 9.0) / size

    def at(self, now_s: float, speed: float) -> np.ndarray:
        """(accel, steer)."""
        for start, end, turn, pedal in self._pushes:
            if start <= now_s < end:
                return np.array([pedal, np.clip(np.arctan(turn * cars.WHEELBASE_M / max(speed, 3.0)), -0.4, 0.4)])
        return np.zeros(2)

    def clear(self, now_s: float) -> float:
        """0 during a push."""
        ahead = [max(0.0, start - now_s) for start, end, *_ in self._pushes if end > now_s]
        return min(ahead, default=ALWAYS_S)


def drive(seed: int, shake: float = 1.0, lidar: bool = False) -> Moments:
    """One drive. shake: see Pushes; from 1 on, more of the drives too. lidar: with its pictures.
    EpisodeFailed when it does not arrive."""
    if not 0 <= seed < FIRST_EVALUATION_SEED:
        raise UserError(f"seed {seed} is no training seed; they lie from 0 to {FIRST_EVALUATION_SEED - 1}")
    body, rng = _body(), np.random.default_rng([seed, 21])
    body.reset(seed)
    left, top, right, bottom = window(body.camera)
    expert = DriveExpert(body, LATE_S if rng.random() < LATE else np.inf)
    pushes, phase = Pushes(rng, shake * (rng.random() < PUSHED * shake)), int(rng.integers(EVERY))
    ego, pose, at, truth, clear, pictures, cells, facts, scans, squares = ([] for _ in range(10))
    while not body.ended:
        ego.append(body.car.sensed)
        pose.append((body.car.x, body.car.y, body.car.yaw))
        if body.tick % EVERY == phase:
            frame = body.look_out()
            at.append(body.tick)
            ttc, reason = body.danger()
            truth.append((0.0, float(ttc <= 3.0), ttc, reason))
            clear.append(pushes.clear(body.now_s))
            pictures.append(deflate(view(frame.image, body.camera)))
            cells.append(cells_of(body, frame.bodies[top:bottom, left:right], frame.depth[top:bottom, left:right]))
            facts.append(facts_of(body))
            if lidar:
                scan = body.scan()
                scans.append(deflate(scan))
                squares.append(squares_of(body, scan))
        command = expert.command() + pushes.at(body.now_s, body.car.speed)
        body.apply(Command(body.now_s, command.astype(np.float32)))
    if not body.success():
        raise EpisodeFailed(f"seed {seed}: {body.ended}")
    poses = np.array(pose)
    for row, k in zip(truth, at, strict=True):
        row_decided = DECISIONS.index(decided(poses[k:], float(ego[k][0])))
        truth[at.index(k)] = (row_decided, *row[1:])
    return Moments(
        seed, body.goal, np.array(ego), poses, np.array(at, np.int32), np.array(truth, np.float32),
        np.array(clear, np.float32), pictures, np.array(cells), np.array(facts, np.float32), scans, np.array(squares, np.float16),
    )  # fmt: skip


def _write(seed: int, out: Path, shake: float, lidar: bool) -> None:
    """The drive of this seed, or an empty file that says that it failed."""
    try:
        drive(seed, shake, lidar).save(out / f"{seed:07d}.npz")
    except EpisodeFailed:
        (out / f"{seed:07d}.failed").touch()


def moments(out: Path, count: int, processes: int = 1, seed: int = 0, shake: float = 1.0, lidar: bool = False) -> None:
    """Drives of the seeds from `seed` on, `count` of them; those that an earlier start finished are kept. shake, lidar:
    see `drive`."""
    if not 0 <= seed <= FIRST_EVALUATION_SEED - count:
        raise UserError(f"seed={seed} and {count} drives leave the training seeds, 0 to {FIRST_EVALUATION_SEED - 1}")
    out.mkdir(parents=True, exist_ok=True)
    done = {int(one.name.split(".")[0]) for one in out.iterdir() if one.suffix == ".failed" or one.name[7:] == ".npz"}
    todo = [one for one in range(seed, seed + count) if one not in done]
    with progress_bar(True) as bar, workers.pool(processes) as pool:
        row = bar.add_task("drives", total=count, completed=count - len(todo))
        for future in as_completed([pool.submit(_write, one, out, shake, lidar) for one in todo]):
            future.result()
            bar.advance(row)
