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


def kinds_of(settings: Evaluate) -> list[str]:
    """All jobs, or those that task= names."""
    known = parts.outside("sim.board.jobs").KINDS
    kinds = [name.strip() for name in settings.task.split(",")] if settings.task else list(known)
    for name in kinds:
        parts.check_choice("task", name, known)
    return kinds


def some(job: Job) -> list[dict[str, Any]]:
    """Every job on the boards of these seeds, played to its end."""
    play, board = parts.outside("sim.board.play"), parts.outside("sim.board.lessons")
    seed_of = parts.outside("sim.tamp.exam").seed_of
    body, finder = parts.outside("sim.board.demonstrate").worker()
    (model,) = kept((job.suite, job.settings), lambda: _made(job))
    out = []
    for k in range(job.first, job.last):
        for kind in kinds_of(job.settings):
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

    model, board = load(settings.weights, "objects"), parts.outside("sim.board.lessons")
    if "jobs" not in model.config.facts:  # mistakes show here, in one process
        raise UserError(f"weights={settings.weights!r} know no board; give a folder of embodied train board")
    for kind in kinds_of(settings):
        if words := board.unknown(model.words, kind):
            raise UserError(
                f"weights={settings.weights!r} do not know {', '.join(map(repr, words))}, which task={kind} is asked with; train "
                f"them anew with embodied train board, or leave {kind} out of task="
            )
    about = {
        "suite": chosen["suite"],
        "weights": settings.weights,
        "seed": settings.seed,
        "jobs": ",".join(kinds_of(settings)),
    }
    out, answers = exam.answers(settings, about, some)
    final = report_tests.summary(answers, **about, scenes=settings.scenes, note=NOTE)
    return exam.report(out, final, answers)
