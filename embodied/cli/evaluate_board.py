"""embodied evaluate suite=board: jobs of several pushes, planned once a second over a hand that decides five times a second."""

from __future__ import annotations

from typing import Any

from embodied import report_tests
from embodied.cli import exam, parts
from embodied.cli.evaluate import kept
from embodied.cli.exam import Job
from embodied.cli.settings import Evaluate
from embodied.errors import UserError

NOTE = "In the manner of Language-Table and of PaLM-E's table 2; these are our boards, not Google's."


def _made(job: Job) -> tuple[Any]:
    from embodied.model.reasoner import load

    return (load(job.settings.weights),)


def kinds_of(settings: Evaluate, taught: str) -> list[str]:
    """The jobs that task= names, or all that the weights were taught, with commas between."""
    kinds = [name.strip() for name in (settings.task or taught).split(",")]
    for name in kinds:
        parts.check_choice("task", name, parts.outside("sim.board.jobs").KINDS)
        if name not in taught.split(","):
            raise UserError(
                f"weights={settings.weights!r} were never taught task={name}, only {taught}; leave it out, or train with "
                "embodied train board"
            )
    return kinds


def some(job: Job) -> list[dict[str, Any]]:
    """Every job on the boards of these seeds, played to its end."""
    play, board = parts.outside("sim.board.play"), parts.outside("sim.board.lessons")
    seed_of = parts.outside("sim.tamp.exam").seed_of
    body, finder = parts.outside("sim.board.demonstrate").worker()
    (model,) = kept((job.suite, job.settings), lambda: _made(job))
    out = []
    for k in range(job.first, job.last):
        for kind in kinds_of(job.settings, model.config.facts["jobs"]):
            seed = seed_of(job.settings.seed, k)
            done = play.play(
                body, finder, kind, seed, lambda sight, job: board.learned(model, lambda: sight.names, job)
            )
            said = " ; ".join(dict.fromkeys(play.describe(one) for one in done.told))
            told = {"test": kind, "seed": seed, "text": done.job.text, "answer": "", "said": said}
            out.append({**told, "right": done.success, "seconds": round(done.seconds, 1)})
    return out


def main(settings: Evaluate, chosen: dict[str, str]) -> int:
    """Writes report.json, report.md and report.html; 0 when every board was played, whatever came of it."""
    exam.check(settings)
    parts.outside("sim.tamp.exam").seed_of(settings.seed, settings.scenes - 1)
    from embodied.model.reasoner import load

    facts = load(settings.weights, "objects").config.facts
    if "jobs" not in facts:  # mistakes show here, in one process
        raise UserError(f"weights={settings.weights!r} know no board; give a folder of embodied train board")
    kinds = ",".join(kinds_of(settings, facts["jobs"]))
    about = {"suite": chosen["suite"], "weights": settings.weights, "seed": settings.seed, "jobs": kinds}
    out, answers = exam.answers(settings, about, some)
    final = report_tests.summary(answers, **about, scenes=settings.scenes, note=NOTE)
    return exam.report(out, final, answers)
