"""embodied evaluate: many episodes of every task, over processes, resumable, into one report.

Each finished episode is one line of episodes.jsonl; a run that was stopped goes on from there. A failure is filmed by
running its seed again: the same seed gives the same rollout, so the many successes need no film.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, as_completed
from pathlib import Path
from typing import Any

from embodied import registry, report, workers
from embodied.cli import parts
from embodied.cli.run import folder
from embodied.cli.settings import Evaluate
from embodied.errors import UserError
from embodied.rollout import Watch, rollout

# What may differ between a run and the run that resumes it.
_FREE = ("processes", "out", "videos", "episodes")


@dataclasses.dataclass(frozen=True)
class Job:
    task: str
    episode: int
    settings: Evaluate
    policy: str
    templates: dict[str, list[str]] | None
    out: str


_kept: list[Any] = []  # key, parts


def kept(key: object, make: Callable[[], tuple[Any, ...]]) -> tuple[Any, ...]:
    """What one process works with, such as a body and a policy: kept from job to job while the key stays the same."""
    if not _kept or _kept[0] != key:
        for part in _kept[1] if _kept else ():
            if hasattr(part, "close"):
                part.close()
        _kept[:] = []
        _kept[:] = key, make()
    return _kept[1]


def _made(job: Job) -> tuple[Any, Any]:
    s = job.settings
    body = parts.body(job.task, s.robot, s.split, s.disturb, lazy=s.mode == "skills", instructions=job.templates)
    return body, parts.policy(job.policy, s.policy, body, s.mode, s.weights, s.seed)


def filmed(job: Any, videos: int, once: Callable[[Path | None], dict[str, Any]]) -> dict[str, Any]:
    """Run an episode, film it again if it failed and films are still wanted, and tell how it went. once: runs it, with a film there
    if a path is given."""
    told, films = once(None), Path(job.out) / "failures"
    if not told["success"] and len(list(films.glob(f"{job.task}-*.mp4"))) < videos:
        films.mkdir(exist_ok=True)
        path = films / f"{job.task}-{job.episode:05d}.mp4"
        again = once(path)
        told["video"], told["repeatable"] = f"failures/{path.name}", again["ticks"] == told["ticks"]
    return told


def episode(job: Job) -> dict[str, Any]:
    body, policy = kept((job.task, job.settings), lambda: _made(job))

    def once(film: Path | None) -> dict[str, Any]:
        if film is None:
            return _once(job, body, policy, [])
        from embodied.cli import live

        progress = live.Progress(body.goal)
        filmer = live.Filmer(film, body, progress)
        told = _once(job, body, policy, [progress, filmer])
        filmer.close()
        return told

    return filmed(job, job.settings.videos, once)


def _once(job: Job, body: Any, policy: Any, watches: list[Watch]) -> dict[str, Any]:
    s = job.settings
    seed = parts.seed_of(s.split, s.seed, job.episode)
    obs = body.reset(seed)
    goal, wanted = body.goal, parts.oracle(body)
    outcome = rollout(
        body, policy, goal, obs=obs, budget_s=s.budget_s, replan=s.replan, truth=parts.truth(body), watches=watches
    )
    first = [step.text for step in outcome.plans[0].steps] if outcome.plans else []
    return {
        "task": job.task,
        "episode": job.episode,
        "seed": seed,
        "goal": goal,
        "success": bool(body.success()),
        "end": outcome.reason,
        "refusal": outcome.refusal,
        "plan_right": first == wanted,
        "plan": first,
        "oracle": wanted,
        "replans": outcome.replans,
        "verdicts": [[round(p, 4), bool(true)] for p, true in outcome.verdicts],
        "plan_s": [round(t, 4) for t in outcome.plan_s],
        "time_s": round(outcome.time_s, 3),
        "episode_s": outcome.episode_s,
        "ticks": outcome.ticks,
    }


def templates(path: str) -> dict[str, list[str]] | None:
    """The user's own language templates, checked; None without a file."""
    if not path:
        return None
    import yaml

    try:
        entries = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as fault:
        raise UserError(f"cannot read instructions={path!r} ({fault.strerror}); give a YAML file") from None
    except (yaml.YAMLError, UnicodeDecodeError) as fault:
        raise UserError(f"instructions={path!r} is not YAML ({' '.join(str(fault).split())})") from None
    slots = {name: registry.part("task", name).slots for name in registry.choices("task")}
    return parts.outside("sim.language").instructions(entries, slots)


def tasks_of(settings: Evaluate) -> list[str]:
    """The suite's tasks, or those of them that `task=a,b` names."""
    suite = [str(name) for name in settings.suite["tasks"]]
    if not settings.task:
        return suite
    wanted = [name.strip() for name in settings.task.split(",")]
    known = registry.choices("task")
    for name in wanted:
        if name not in known:
            registry.part("task", name)  # says which there are
    return wanted


def resumed(out: Path, about: dict[str, Any]) -> list[dict[str, Any]]:
    """Episodes that an earlier run of the same settings left in `out`; a torn last line is dropped."""
    head, lines = out / "settings.json", out / "episodes.jsonl"
    if not head.exists():
        head.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
        return []
    before = json.loads(head.read_text(encoding="utf-8"))
    for key, value in about.items():
        if before.get(key) != value:
            raise UserError(f"out={str(out)!r} holds an evaluation with {key}={before.get(key)!r}; give another folder")
    done = []
    for line in lines.read_text(encoding="utf-8").splitlines() if lines.exists() else ():
        try:
            done.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    lines.write_text("".join(json.dumps(e) + "\n" for e in done), encoding="utf-8")
    return done


OTHERS = {  # suites that are no episodes of tasks
    "affordance": "embodied.cli.evaluate_trials",
    "board": "embodied.cli.evaluate_board",
    "failures": "embodied.cli.evaluate_trials",
    "scenes": "embodied.cli.evaluate_scenes",
    "tamp": "embodied.cli.evaluate_tamp",
}
# What the suites read of Evaluate, beside what all of them do: by name, the others by their body.
ALL = ("seed", "weights", "processes", "out", "suite", "defaults")
READ = {
    "affordance": ("scenes",),
    "board": ("scenes", "task"),
    "failures": ("scenes",),
    "scenes": ("scenes",),
    "tamp": ("scenes", "input", "count", "goals", "unseen", "finder", "physics"),
    "drive": ("episodes", "task", "videos", "policy"),
    "highway": ("episodes", "task", "videos", "policy"),
    "table": ("episodes", "split", "task", "mode", "disturb", "replan", "instructions", "budget_s", "robot", "videos", "policy"),
}  # fmt: skip


def check_read(settings: Evaluate, chosen: dict[str, str]) -> None:
    """UserError for a setting that differs from its default and that this suite would not look at."""
    suite, body = chosen["suite"], str(settings.suite.get("body", "table"))
    read = (*ALL, *READ[suite if suite in OTHERS else body])
    given = {f.name: (getattr(settings, f.name), f.default) for f in dataclasses.fields(Evaluate) if f.name != "policy"}
    given["policy"] = chosen["policy"], "planner"
    if body != "table" or "policy" not in read:
        parameters = inspect.signature(registry.part("policy", chosen["policy"])).parameters
        given |= {f"policy.{name}": (value, parameters[name].default) for name, value in settings.policy.items()}
    for name, (value, usual) in given.items():
        if name not in read and value != usual:
            raise UserError(f"suite={suite} does not read {name}={value}; leave it out")


def main(settings: Evaluate, chosen: dict[str, str]) -> int:
    """Writes report.json, report.md and report.html; 0 when every episode was run, whatever its result."""
    check_read(settings, chosen)
    if settings.suite.get("body", "table") != "table":
        from embodied.cli import evaluate_road

        return evaluate_road.main(settings, chosen)
    settings = dataclasses.replace(settings, weights=settings.weights or str(settings.suite.get("weights", "tabletop")))
    if chosen["suite"] in OTHERS:
        return importlib.import_module(OTHERS[chosen["suite"]]).main(settings, chosen)
    for key, low in (("episodes", 1), ("videos", 0), ("processes", 0), ("seed", 0)):
        if getattr(settings, key) < low:
            raise UserError(f"{key}={getattr(settings, key)} is too small; give {low} or more")
    tasks, words = tasks_of(settings), templates(settings.instructions)
    parts.check_choice("split", settings.split, [s for s in parts.outside("sim.task").SPLITS if s != "train"])
    parts.seed_of(settings.split, settings.seed, settings.episodes - 1)
    trial = parts.body(tasks[0], settings.robot, settings.split, settings.disturb)  # mistakes show here, in one process
    parts.policy(chosen["policy"], settings.policy, trial, settings.mode, settings.weights, settings.seed)
    trial.close()
    out = folder(settings.out, "evaluate-")
    about = {k: v for k, v in dataclasses.asdict(settings).items() if k not in (*_FREE, "defaults", "suite", "task")}
    about |= {"policy_name": chosen["policy"], "templates": words}
    done = episodes(
        settings, tasks, out, about, episode, lambda task, k: Job(task, k, settings, chosen["policy"], words, str(out))
    )
    shown = ("mode", "split", "seed", "disturb", "replan", "weights", "instructions")
    told = {"suite": chosen["suite"], "policy": chosen["policy"], **{k: getattr(settings, k) for k in shown}}
    final = report.summary(done, **told)
    report.write(out, final, done)
    print(report.markdown(final))
    print(f"see {out}/report.html")
    return 0


def episodes(
    settings: Evaluate, tasks: Sequence[str], out: Path, about: dict[str, Any], work: Callable[[Any], dict[str, Any]],
    job: Callable[[str, int], Any],
) -> list[dict[str, Any]]:  # fmt: skip
    """Every episode of every task, in order: what an earlier run of the same settings (about) left in `out`, and the rest over
    processes. job: task and number of an episode -> what `work` takes."""
    done = [e for e in resumed(out, about) if e["task"] in tasks and e["episode"] < settings.episodes]
    have = {(e["task"], e["episode"]) for e in done}
    jobs = [job(task, k) for task in tasks for k in range(settings.episodes) if (task, k) not in have]
    done += spread(work, jobs, settings.processes, len(done), out, won)
    return sorted(done, key=lambda e: (tasks.index(e["task"]), e["episode"]))


def won(results: Sequence[dict[str, Any]]) -> str:
    won = sum(bool(e["success"]) for e in results)
    return f"{results[-1]['task']}: {won} of {len(results)} succeeded"


def spread(
    work: Callable[[Any], dict[str, Any]], jobs: Sequence[Any], processes: int, already: int, out: Path,
    said: Callable[[Sequence[dict[str, Any]]], str],
) -> list[dict[str, Any]]:  # fmt: skip
    """Run the jobs over processes (0: one per core); each result is a line of out/episodes.jsonl before the next is waited
    for. said: what the progress bar tells of the results so far."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    if not jobs:
        return []
    results: list[dict[str, Any]] = []
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()
    )
    pool = workers.pool(min(processes or len(os.sched_getaffinity(0)), len(jobs)))
    with bar, pool, (out / "episodes.jsonl").open("a", encoding="utf-8") as lines:
        shown = bar.add_task("episodes", total=already + len(jobs), completed=already)
        waiting: list[Future[dict[str, Any]]] = [pool.submit(work, job) for job in jobs]
        try:
            for ready in as_completed(waiting):
                told = ready.result()
                lines.write(json.dumps(told) + "\n")
                lines.flush()
                results.append(told)
                bar.update(shown, advance=1, description=said(results))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return results
