"""embodied evaluate suite=drive | highway: closed-loop episodes on a road, over processes, resumable, into one report."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

from embodied import film_drive, registry, report_road
from embodied.cli import parts
from embodied.cli.evaluate import episodes, filmed, kept
from embodied.cli.run import folder
from embodied.cli.settings import Evaluate
from embodied.control.chunks import Blend
from embodied.control.loop import Watch, run
from embodied.control.safety import Safety
from embodied.data.video import VideoWriter
from embodied.drive.replay import Moment
from embodied.errors import UserError
from embodied.types import Command, Observation

BODIES = {"drive": ("sim.drive", "DriveBody"), "highway": ("sim.highway", "HighwayBody")}
FILM = (320, 180)  # px
OFF_LANE_M = 0.85  # from the lane's middle, from which on a wheel is over its edge


@dataclasses.dataclass(frozen=True)
class Job:
    task: str
    episode: int
    body: str
    policy: str
    weights: str
    seed: int
    videos: int
    out: str


def made(body_name: str, task: str, policy: str, weights: str) -> tuple[Any, Any]:
    """The body and the policy on it. UserError for a policy that cannot drive."""
    module, name = BODIES[body_name]
    body = getattr(parts.outside(module), name)(task)
    built = parts.policy(policy, {}, body, "skills", weights, 0)
    if tuple(body.spec.action.names) != ("accel", "steer") or not hasattr(built, "drives"):
        raise UserError(
            f"policy {policy!r} does not drive; give policy=network, network-blind, road-expert or lane-keeper"
        )
    if getattr(built, "scans", False):
        body.lidar = True  # a scan is as long as a look of the network: none for who does not read it
    return body, built


class _Notes(Watch):
    """Time beside the lane, and the film where one is wanted."""

    def __init__(self, body: Any, policy: Any, film: VideoWriter | None) -> None:
        self.out_ticks, self._body, self._policy, self._film, self._tick = 0, body, policy, film, 0

    def ticked(self, command: Command, obs: Observation | None) -> None:
        self._tick += 1
        self.out_ticks += abs(self._body.left) > OFF_LANE_M
        if self._film is not None and self._tick % 2 == 0:
            ego = self._body.ego
            said = getattr(self._policy, "said", None)
            moment = Moment(self._body.now_s, None, ego["speed"], ego, {"policy": said} if said else {})  # type: ignore[arg-type]
            moment.picture = film_drive.shrink(self._body.picture(FILM))
            self._film.add(film_drive.frame(moment, self._body.film_camera(FILM), "policy", self._body.goal))


def once(job: Job, film: Path | None = None) -> dict[str, Any]:
    """One episode. film: also write it there."""
    wanted = job.body, job.task, job.policy, job.weights
    body, policy = kept(wanted, lambda: made(*wanted))
    seed = parts.seed_of("seen", job.seed, job.episode)
    obs = body.reset(seed)
    policy.reset()
    size = (film_drive.WIDTH + film_drive.PANEL, film_drive.HEIGHT)
    writer = VideoWriter(film, film_drive.FPS, *size) if film is not None else None
    notes = _Notes(body, policy, writer)
    rate_hz, began = body.spec.action.rate_hz, time.perf_counter()
    guard = Safety(body.spec, speeds=dict.fromkeys(body.spec.action.names, float("inf")), stale_s=float("inf"))
    result = run(body, policy, body.goal, obs=obs, safety=guard, seam=Blend(rows=0), watch=notes, max_ticks=10**6,
                 replan=False, confirm=False, log=False)  # fmt: skip
    if writer is not None:
        writer.close()
    if result.reason == "stopped":
        raise UserError(f"{job.task} #{job.episode} stopped: {result.error}")
    return {
        "task": job.task, "episode": job.episode, "seed": seed, "goal": body.goal, "success": bool(body.success()),
        "end": body.ended, "collision": body.collided, "progress": body.progress, "way_m": float(body.way_m),
        "off_s": body.off_ticks / rate_hz, "out_s": notes.out_ticks / rate_hz, "drive_s": body.now_s, "ticks": result.ticks,
        "time_s": round(time.perf_counter() - began, 3),
    }  # fmt: skip


def episode(job: Job) -> dict[str, Any]:
    return filmed(job, job.videos, lambda film: once(job, film))


def main(settings: Evaluate, chosen: dict[str, str]) -> int:
    """Writes report.json, report.md and report.html; 0 when every episode was run, whatever its result."""
    suite = settings.suite
    policy = suite["policy"] if chosen["policy"] == "planner" else chosen["policy"]
    weights = settings.weights or suite["weights"]
    known = [str(name) for name in suite["tasks"]]
    tasks = [name.strip() for name in settings.task.split(",")] if settings.task else known
    for name in tasks:
        parts.check_choice("task", name, known)
    registry.part("policy", policy)
    parts.seed_of("seen", settings.seed, settings.episodes - 1)
    trial, _ = made(suite["body"], tasks[0], policy, weights)  # mistakes show here, in one process
    trial.close()
    out = folder(settings.out, "evaluate-")
    about = {"suite": chosen["suite"], "policy": policy, "weights": weights, "seed": settings.seed}
    given = suite["body"], policy, weights, settings.seed, settings.videos, str(out)
    done = episodes(settings, tasks, out, about, episode, lambda task, k: Job(task, k, *given))
    final = report_road.summary(done, **about)
    report_road.write(out, final, done)
    print(report_road.markdown(final))
    print(f"see {out}/report.html")
    return 0
