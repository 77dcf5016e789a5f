"""The scripted driver's episodes as labelled drives: what a driver learns from, and what a replay is tested on.

Every frame carries the state `truth` (decision, hazard, time to collision, reason; embodied.data.drives) and the same in
words. In a part of the episodes the driver reacts late, so that there are near misses; those that end in a collision are not
kept as demonstrations.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from embodied.data.drives import DECISIONS, REASONS, Drive
from embodied.data.record import EpisodeFailed, Frame, record
from embodied.drive import decisions, paths
from embodied.types import Command, Observation
from policies.drive_expert import DriveExpert
from sim.drive import RATE_HZ, SIZE, DriveBody

LATE_S = 1.7  # s before a collision at which a late driver begins to react


@lru_cache(maxsize=2)
def _body(size: tuple[int, int], look: bool, lamps: bool = True, lidar: bool = False) -> DriveBody:
    return DriveBody(size=size, labels=True, look=look, lamps=lamps, lidar=lidar)


def driver(body: DriveBody, seed: int, late: float = 0.25) -> DriveExpert:
    """Who drives the episode of a seed. late: share of the episodes whose driver reacts late."""
    return DriveExpert(body, LATE_S if np.random.default_rng([seed, 8]).random() < late else np.inf)


def drive(
    seed: int,
    late: float = 0.25,
    size: tuple[int, int] = SIZE,
    look: bool = True,
    every: int = 1,
    lamps: bool = True,
    lidar: bool = False,
) -> Iterator[Frame]:
    """Frames of one episode, one every n-th tick of 20 a second. EpisodeFailed when it does not arrive. late: share of episodes
    with a late driver. lamps: whether cars have brake lights.  lidar: with its picture from above."""
    body = _body(size, look, lamps, lidar)
    obs, expert = body.reset(seed), driver(body, seed, late)
    pose = lambda: (body.car.x, body.car.y, body.car.yaw)  # noqa: E731
    seen, commands, poses = [obs], [], [pose()]
    while not body.ended:
        sent = body.apply(Command(body.now_s, expert.command().astype(np.float32)))
        poses.append(pose())
        if body.tick % every == 0:
            commands.append(sent.values)
            seen.append(body.observe())
    if not body.success():
        raise EpisodeFailed(f"seed {seed}: {body.ended} {body.collided}".strip())
    for k, (one, command) in enumerate(zip(seen, commands, strict=False)):
        truth = one.states["truth"].copy()
        ahead = np.array(poses[k * every :])
        truth[0, 0] = DECISIONS.index(decided(ahead, float(one.states["ego"][-1, 0])))
        danger = REASONS[int(truth[0, 3])] if truth[0, 1] else ""
        said = (("what is the danger?", f"{danger} in {truth[0, 2]:.1f} s"),) if danger else ()
        labelled = replace(one, states={"ego": one.states["ego"], "pose": one.states["pose"], "truth": truth})
        yield Frame(labelled, command, body.goal, DECISIONS[int(truth[0, 0])], danger, said)


def decided(ahead: np.ndarray, speed: float) -> str:
    """The decision of a moment, by the rule of embodied.drive.decisions; past the end the car goes on as it did."""
    times = np.arange(len(ahead)) / RATE_HZ
    last = ahead[-1] - ahead[-2] if len(ahead) > 1 else np.array([speed / RATE_HZ, 0.0, 0.0])
    more = np.arange(1, round(decisions.LOOK_S * RATE_HZ) + 3)
    longer = np.vstack([ahead, ahead[-1] + more[:, None] * last])
    times = np.append(times, times[-1] + more / RATE_HZ)
    return decisions.decision(paths.future(times, longer, 0.0, ahead[0]), speed)


def unrecorded(seed: int, late: float = 0.25, every: int = 2, lamps: bool = True, lidar: bool = False) -> Drive:
    """The episode as a drive that was never written down: its pictures are the simulator's, not a film's."""
    frames = list(drive(seed, late, every=every, lamps=lamps, lidar=lidar))
    spec = _body(SIZE, True, lamps, lidar).spec
    spec = replace(spec, facts={**spec.facts, "source": "sim", "steer": "road", "task": frames[0].task})
    spec = replace(spec, action=replace(spec.action, rate_hz=RATE_HZ / every))

    def stream() -> Iterator[Observation]:
        for frame in frames:
            one = frame.observation
            yield replace(one, states={name: rows[-1:] for name, rows in one.states.items()})

    return Drive(f"seed {seed}", spec, stream)


def drives(
    episodes: int,
    out: str | Path,
    *,
    processes: int = 1,
    first_seed: int = 0,
    late: float = 0.25,
    size: tuple[int, int] = SIZE,
    cameras: Sequence[str] = ("front",),
    progress: bool = True,
) -> int:
    """Record drives into the LeRobotDataset at `out` until it holds `episodes`; return how many were made now."""
    look = bool(cameras)
    make = partial(drive, late=late, size=size, look=look)
    return record(
        make, _body(size, look).spec, episodes, out, fps=round(RATE_HZ), processes=processes,
        first_seed=first_seed, cameras=cameras, progress=progress,
    )  # fmt: skip
