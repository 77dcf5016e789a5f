"""What the suites of questions share: tables over processes, resumable, and the report."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from embodied import report_tests
from embodied.cli import parts
from embodied.cli.evaluate import kept, resumed, spread
from embodied.cli.run import folder
from embodied.cli.settings import Evaluate
from embodied.errors import UserError

BATCH = 10  # tables of one job
Answer = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Job:
    """Tables first .. last - 1 of a run."""

    suite: str
    first: int
    last: int
    settings: Evaluate


def answers(
    settings: Evaluate, about: Mapping[str, Any], work: Callable[[Job], list[Answer]]
) -> tuple[Path, list[Answer]]:
    """The folder of the results, and all answers in the order of the tables. work: a module's function, which answers a job."""
    out = folder(settings.out, "evaluate-")
    done = [one for one in resumed(out, dict(about)) if one["last"] <= settings.scenes]
    have = {one["first"] for one in done}
    starts = [k for k in range(0, settings.scenes, BATCH) if k not in have]
    jobs = [(work, Job(str(about["suite"]), k, min(k + BATCH, settings.scenes), settings)) for k in starts]
    done += spread(_told, jobs, settings.processes, len(done), out, _right)
    return out, [a for one in sorted(done, key=lambda one: one["first"]) for a in one["answers"]]


def check(settings: Evaluate) -> None:
    if settings.scenes < 1:
        raise UserError(f"scenes={settings.scenes} is too small; give 1 or more")


def asked(job: Job, make: Callable[[], Any]) -> tuple[Any, Any]:
    """What a suite asks about, with its `body`, and the planner on that; kept from job to job."""

    def made() -> tuple[Any, Any]:
        one = make()
        return one, parts.policy("planner", {}, one.body, "skills", job.settings.weights, job.settings.seed)

    return kept((job.suite, job.settings), made)  # type: ignore[return-value]


def report(out: Path, final: Mapping[str, Any], shown: Sequence[Answer]) -> int:
    """Write and print the report; the exit code."""
    report_tests.write(out, final, shown)
    print(report_tests.markdown(final))
    print(f"see {out}/report.html")
    return 0


def _told(pair: tuple[Callable[[Job], list[Answer]], Job]) -> dict[str, Any]:
    work, job = pair
    return {"first": job.first, "last": job.last, "answers": work(job)}


def _right(told: Sequence[Mapping[str, Any]]) -> str:
    rights = [a["right"] for one in told for a in one["answers"]]
    return f"{sum(rights)} of {len(rights)} answers right"
