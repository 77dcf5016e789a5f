"""embodied evaluate suite=failures | affordance: does the model see, in pictures alone, whether a pick succeeded, or could?"""

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
from embodied.plan import read_listing

NOTE = {
    "failures": "Was picking it up successful, by the pictures before and after? Half were; the simulator made the others fail.",
    "affordance": "Can it be picked up now, by the picture before? The truth is a try with the simulator's exact facts.",
}  # fmt: skip
BATCH = 10  # trials of one job


@dataclasses.dataclass(frozen=True)
class Job:
    suite: str
    first: int
    last: int
    settings: Evaluate


class Worker:
    """One process's table and policy."""

    kept: Any = None


def some(job: Job) -> dict[str, Any]:
    """The job's trials: {"first", "answers"}."""
    if Worker.kept is None:
        trials = parts.outside("sim.trials").Trials()
        Worker.kept = (
            trials,
            parts.policy("planner", {}, trials.body, "skills", job.settings.weights, job.settings.seed),
        )
    trials, policy = Worker.kept
    run = job.settings.seed * parts.outside("sim.task").EPISODES
    ask = _failure if job.suite == "failures" else _affordance
    return {"first": job.first, "answers": [ask(trials, policy, run + k) for k in range(job.first, job.last)]}


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
    if settings.scenes < 1:
        raise UserError(f"scenes={settings.scenes} is too small; give 1 or more")
    parts.outside("sim.trials")
    out, suite = folder(settings.out, "evaluate-"), chosen["suite"]
    about = {"suite": suite, "weights": settings.weights, "seed": settings.seed}
    done = [one for one in resumed(out, about) if one["first"] + len(one["answers"]) <= settings.scenes]
    have = {one["first"] for one in done}
    starts = [k for k in range(0, settings.scenes, BATCH) if k not in have]
    jobs = [Job(suite, k, min(k + BATCH, settings.scenes), settings) for k in starts]
    done += spread(some, jobs, settings.processes, len(done), out, _right)
    answers = [a for one in sorted(done, key=lambda one: one["first"]) for a in one["answers"]]
    causes = [{**a, "test": f"{suite}, {a['cause'] or 'nothing in the way'}"} for a in answers]
    final = report_tests.summary([*answers, *causes], **about, scenes=settings.scenes, note=NOTE[suite])
    final["mean"] = final["tests"][suite]["accuracy"]
    report_tests.write(out, final, answers)
    print(report_tests.markdown(final))
    print(f"see {out}/report.html")
    return 0


def _right(told: Sequence[dict[str, Any]]) -> str:
    answers = [a["right"] for one in told for a in one["answers"]]
    return f"{sum(answers)} of {len(answers)} verdicts right"
