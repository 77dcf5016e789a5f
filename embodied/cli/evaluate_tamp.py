"""embodied evaluate suite=tamp: PaLM-E's tests on tables of cubes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from embodied import report_tests
from embodied.cli import exam, parts
from embodied.cli.evaluate import kept
from embodied.cli.exam import Job
from embodied.cli.settings import Evaluate

NOTE = "These are our scenes, not Google's: a figure beside PaLM-E's compares two models on two sets of tables."
KEYS = ("input", "count", "goals", "unseen", "physics", "finder", "weights")


def exam_of(settings: Evaluate) -> Any:
    return parts.outside("sim.tamp.exam").Exam(**{key: getattr(settings, key) for key in KEYS})


def _made(job: Job) -> tuple[Any]:
    import torch

    torch.set_num_threads(1)
    return (exam_of(job.settings),)


def some(job: Job) -> list[dict[str, Any]]:
    """Every answer of the job's scenes with its test and seed."""
    (asked,) = kept(("exam", job.settings), lambda: _made(job))
    seed_of = parts.outside("sim.tamp.exam").seed_of
    scenes = [asked.scene(seed_of(job.settings.seed, k)) for k in range(job.first, job.last)]
    return [{"test": kind, "seed": scene["seed"], **test} for scene in scenes for kind, test in scene["tests"].items()]


def main(settings: Evaluate, chosen: dict[str, str]) -> int:
    """Writes report.json, report.md and report.html; 0 when every scene was asked about, whatever the answers."""
    exam.check(settings)
    settings = replace(
        settings, weights=settings.weights or ("tamp-picture" if settings.input == "picture" else "tamp")
    )
    parts.outside("sim.tamp.exam").seed_of(settings.seed, settings.scenes - 1)
    exam_of(settings).close()  # mistakes show here, in one process
    about = {"suite": chosen["suite"], "seed": settings.seed, **{key: getattr(settings, key) for key in KEYS}}
    out, answers = exam.answers(settings, about, some)
    return exam.report(out, report_tests.summary(answers, **about, scenes=settings.scenes, note=NOTE), answers)
