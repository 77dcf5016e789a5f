"""embodied evaluate suite=failures | affordance: does the model see, in colour and depth, whether a pick succeeded, or could?"""

from __future__ import annotations

from typing import Any

from embodied import report_tests
from embodied.cli import exam, parts
from embodied.cli.exam import Job
from embodied.cli.settings import Evaluate
from embodied.plan import read_listing

NOTE = {
    "failures": "Was picking it up successful, by the pictures before and after? Half were; the simulator made the others fail.",
    "affordance": "Can it be picked up now, by the picture before? The truth is a try with the simulator's exact facts.",
}  # fmt: skip


def some(job: Job) -> list[dict[str, Any]]:
    """The verdicts on the job's trials."""
    trials, policy = exam.asked(job, parts.outside("sim.trials").Trials)
    run = job.settings.seed * parts.outside("sim.task").EPISODES
    ask = _failure if job.suite == "failures" else _affordance
    return [ask(trials, policy, run + k) for k in range(job.first, job.last)]


def _failure(trials: Any, policy: Any, k: int) -> dict[str, Any]:
    def look(obs: Any) -> None:
        policy.reset()
        policy.look(obs)

    trial = trials.failure(k, look)
    return _told("failures", k, trial, policy.check(trials.body.observe(), trial.step), "was {} successful")


def _affordance(trials: Any, policy: Any, k: int) -> dict[str, Any]:
    seen: dict[str, Any] = {}  # of the last table that was looked at

    def look(obs: Any) -> None:
        policy.reset()
        seen["listing"], seen["spec"] = read_listing(policy.scene(obs)), trials.body.spec

    trial = trials.affordance(k, look)
    p = parts.outside("policies.afford").can_pick(trial.step.args[0], **seen)
    return _told("affordance", k, trial, float(p), "can one {} now")


def _told(test: str, k: int, trial: Any, p: float, question: str) -> dict[str, Any]:
    return {
        "test": test, "seed": k, "text": question.format(trial.step.text), "cause": trial.cause, "p": round(float(p), 4),
        "truth": trial.truth, "answer": "yes" if trial.truth else f"no: {trial.cause}", "said": "yes" if p > 0.5 else "no",
        "right": (p > 0.5) == trial.truth,
    }  # fmt: skip


def main(settings: Evaluate, chosen: dict[str, str]) -> int:
    """Writes report.json, report.md and report.html; 0 when every trial was judged, whatever the verdicts."""
    exam.check(settings)
    parts.outside("sim.trials")
    suite = chosen["suite"]
    about = {"suite": suite, "weights": settings.weights, "seed": settings.seed}
    out, answers = exam.answers(settings, about, some)
    causes = [{**a, "test": f"{suite}, {a['cause'] or 'nothing in the way'}"} for a in answers]
    final = report_tests.summary([*answers, *causes], **about, scenes=settings.scenes, note=NOTE[suite])
    final["mean"] = final["tests"][suite]["accuracy"]
    return exam.report(out, final, answers)
