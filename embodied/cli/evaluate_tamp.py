"""embodied evaluate suite=tamp: PaLM-E's tests on tables of cubes, over processes, resumable."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from embodied import report_tests
from embodied.cli import parts
from embodied.cli.evaluate import resumed, spread
from embodied.cli.run import folder
from embodied.cli.settings import Evaluate
from embodied.errors import UserError

NOTE = "These are our scenes, not Google's: a figure beside PaLM-E's compares two models on two sets of tables."
KEYS = ("input", "count", "goals", "unseen", "depth", "physics", "weights", "seed")
BATCH = 10  # scenes of one job


@dataclasses.dataclass(frozen=True)
class Job:
    first: int
    last: int
    settings: Evaluate


class Worker:
    """One process's exam."""

    kept: Any = None


def exam_of(settings: Evaluate) -> Any:
    kept = {key: getattr(settings, key) for key in KEYS if key != "seed"}
    return parts.outside("sim.tamp.exam").Exam(**kept)


def some(job: Job) -> dict[str, Any]:
    """The job's scenes: {"first", "scenes": [what Exam.scene tells]}."""
    if Worker.kept is None:
        import torch

        torch.set_num_threads(1)
        Worker.kept = exam_of(job.settings)
    seed_of = parts.outside("sim.tamp.exam").seed_of
    return {
        "first": job.first,
        "scenes": [Worker.kept.scene(seed_of(job.settings.seed, k)) for k in range(job.first, job.last)],
    }


def answers_of(told: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every answer with its test and seed, tests in their order."""
    scenes = [scene for one in sorted(told, key=lambda one: one["first"]) for scene in one["scenes"]]
    kinds = dict.fromkeys(kind for scene in scenes for kind in scene["tests"])
    return [{"test": kind, "seed": scene["seed"], **scene["tests"][kind]}
            for kind in kinds for scene in scenes if kind in scene["tests"]]  # fmt: skip


def main(settings: Evaluate, chosen: dict[str, str]) -> int:
    """Writes report.json, report.md and report.html; 0 when every scene was asked about, whatever the answers."""
    if settings.scenes < 1:
        raise UserError(f"scenes={settings.scenes} is too small; give 1 or more")
    parts.outside("sim.tamp.exam").seed_of(settings.seed, settings.scenes - 1)
    exam_of(settings).close()  # mistakes show here, in one process
    out = folder(settings.out, "evaluate-")
    about = {"suite": chosen["suite"], **{key: getattr(settings, key) for key in KEYS}}
    done = [one for one in resumed(out, about) if one["first"] + len(one["scenes"]) <= settings.scenes]
    have = {k for one in done for k in range(one["first"], one["first"] + len(one["scenes"]))}
    starts = [k for k in range(0, settings.scenes, BATCH) if k not in have]
    jobs = [Job(k, min(k + BATCH, settings.scenes), settings) for k in starts]
    done += spread(some, jobs, settings.processes, len(done), out, _right)
    answers = answers_of(done)
    final = report_tests.summary(answers, **about, scenes=settings.scenes, note=NOTE)
    report_tests.write(out, final, answers)
    print(report_tests.markdown(final))
    print(f"see {out}/report.html")
    return 0


def _right(told: Sequence[dict[str, Any]]) -> str:
    answers = [test["right"] for one in told for scene in one["scenes"] for test in scene["tests"].values()]
    return f"{sum(answers)} of {len(answers)} answers right"
