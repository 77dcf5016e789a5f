"""Record many episodes at once: parallel over processes, with a progress bar, going on where a killed run stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from embodied import workers
from embodied.data import layout, shards
from embodied.data.recorder import EpisodeWriter
from embodied.errors import UserError
from embodied.spec import BodySpec
from embodied.types import Observation

ATTEMPTS = 9
# Attempt k of episode i has seed first_seed + i + k * STRIDE: what an episode holds depends on neither the number of
# processes nor on kills, and all seeds stay below 10 million, where evaluation begins.
STRIDE = 1_000_000


class EpisodeFailed(Exception):
    """Raised by a maker of frames: this seed is no good example (the expert failed); take another."""


@dataclass(frozen=True)
class Frame:
    """One tick to record. action: (a,), as really sent. qa: pairs of question and answer."""

    observation: Observation
    action: np.ndarray
    task: str
    plan: str = ""
    step: str = ""
    qa: Sequence[tuple[str, str]] = ()


MakeEpisode = Callable[[int], Iterator[Frame]]


@dataclass(frozen=True)
class _Job:
    """What a worker process needs; picklable when make_episode is (a function of a module or a partial of one)."""

    make_episode: MakeEpisode
    spec: BodySpec
    out: Path
    fps: int
    cameras: tuple[str, ...]
    first_seed: int

    def run(self, index: int) -> int:
        """Record one episode into the journal; return its index. UserError after ATTEMPTS failures."""
        why = ""
        for attempt in range(ATTEMPTS):
            writer: EpisodeWriter | None = None
            try:
                for frame in self.make_episode(self.first_seed + index + attempt * STRIDE):
                    if writer is None:
                        settings = (self.fps, self.cameras)
                        writer = EpisodeWriter(self.out, self.spec, index, frame.task, *settings)
                    writer.add(frame.observation, frame.action, frame.plan, frame.step, frame.qa)
                if writer is not None:
                    writer.finish()
                    return index
                why = "no frames"
            except EpisodeFailed as error:
                why = str(error)
                if writer is not None:
                    writer.abandon()
            except BaseException:
                if writer is not None:
                    writer.abandon()
                raise
        why = why or "no reason given"
        raise UserError(f"episode {index} failed with {ATTEMPTS} seeds, last: {why}; try another task")


def record(
    make_episode: MakeEpisode,
    spec: BodySpec,
    episodes: int,
    out: str | Path,
    *,
    fps: int = 20,
    processes: int = 1,
    cameras: Sequence[str] | None = None,
    first_seed: int = 0,
    shard: int = 50,
    progress: bool = True,
) -> int:
    """Make the dataset at `out` hold at least `episodes` episodes; return how many were recorded now.

    make_episode(seed) yields the frames of one episode, or raises EpisodeFailed. processes=1 works in this process.
    shard: episodes per file. Killed at any moment, every finished episode stays and the next call records the rest.
    UserError when out holds another kind of dataset, another process records there, or seeds reach evaluation's.
    """
    out = Path(out)
    if episodes < 1 or processes < 1:
        raise UserError(f"episodes={episodes} and processes={processes} must both be at least 1")
    if first_seed < 0 or first_seed + episodes > STRIDE:
        raise UserError(f"first_seed={first_seed} and episodes={episodes} must stay between 0 and {STRIDE} together")
    names = tuple(spec.cameras if cameras is None else cameras)
    features = layout.features_of(spec, names, fps)
    lock = shards.Lock(out)
    try:
        shards.recover(out)
        shards.check(out, features, fps)
        there = set(shards.finished(out))
        missing = [index for index in range(episodes) if index not in there]
        job = _Job(make_episode, spec, out, fps, names, first_seed)
        for _ in _progress(_run(job, missing, processes), episodes, episodes - len(missing), progress):
            shards.consolidate(out, full=shard)
        shards.consolidate(out)
        return len(missing)
    finally:
        lock.release()


def _run(job: _Job, missing: Sequence[int], processes: int) -> Iterator[int]:
    """Indices of episodes as they finish."""
    if processes == 1:
        yield from map(job.run, missing)
        return
    pool = workers.pool(processes)
    try:
        waiting: set[Future[int]] = set()
        todo = iter(missing)
        while True:
            for index in todo:
                waiting.add(pool.submit(job.run, index))
                if len(waiting) >= 2 * processes:
                    break
            if not waiting:
                return
            ready, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for one in ready:
                yield one.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _progress(indices: Iterator[int], total: int, done: int, show: bool) -> Iterator[int]:
    if not show:
        yield from indices
        return
    from rich import progress

    times = (progress.TimeElapsedColumn(), progress.TimeRemainingColumn())
    columns = (progress.TextColumn("recording"), progress.BarColumn(), progress.MofNCompleteColumn(), *times)
    with progress.Progress(*columns) as bar:
        task = bar.add_task("recording", total=total, completed=done)
        for index in indices:
            yield index
            bar.advance(task)
