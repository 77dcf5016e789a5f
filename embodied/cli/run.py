"""embodied run: one sentence, from the plan to the video.

Success is the simulator's own test of the task when the goal is the task's own sentence; for a sentence of the user's,
it is that the first plan has to do with every thing that is wanted, and that the last condition of every thing that it
moves holds in the simulator. plan.json says which was used.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from embodied.cli import parts
from embodied.cli.settings import Run
from embodied.errors import UserError
from embodied.plan import PLACES, SHAPES
from embodied.rollout import Outcome, Watch, rollout
from embodied.types import Choice, Command, Observation, Plan, Step

DEFAULT_TASK = "compound"


@dataclass(frozen=True)
class Scene:
    """own: whether the goal is the task's own sentence, so that the task's own test applies."""

    goal: str
    own: bool
    task: str


class History(Watch):
    """What plan.json tells of the episode."""

    def __init__(self, rate_hz: float) -> None:
        self.plans: list[dict[str, Any]] = []
        self.checks: list[dict[str, Any]] = []
        self._rate_hz, self._tick = rate_hz, 0

    def planned(self, plan: Plan, obs: Observation, seconds: float) -> None:
        why = "first look" if not self.plans else "last look"  # a replan's reason comes after its plan
        steps = [{"text": s.text, "points": [[round(p.u, 4), round(p.v, 4)] for p in s.points]} for s in plan.steps]
        self.plans.append(
            {
                "t_s": self._tick / self._rate_hz,
                "why": why,
                "at": plan.at,
                "steps": steps,
                "refusal": plan.refusal,
            }
            | {"seconds": round(seconds, 4)}
            | ({"choice": _told(plan.choice)} if plan.choice else {})
        )

    def replanned(self, plan: Plan, reason: str) -> None:
        self.plans[-1]["why"] = reason

    def ticked(self, command: Command, obs: Observation | None) -> None:
        self._tick += 1

    def checked(self, step: Step, p: float, obs: Observation) -> None:
        self.checks.append({"t_s": self._tick / self._rate_hz, "step": step.text, "p": round(p, 4)})


def _told(choice: Choice) -> dict[str, Any]:
    """For plan.json: the plans that were weighed, which was taken, and why."""
    candidates = [
        {"plan": [step.text for step in one.steps]}
        | {"language": round(one.language, 6), "affordance": round(one.affordance, 6), "total": round(one.total, 6)}
        for one in choice.candidates
    ]
    return {"candidates": candidates, "chosen": choice.chosen, "why": choice.why}


def folder(out: str, kind: str = "") -> Path:
    """The folder for results, made if needed; by default runs/<kind><date and time>."""
    path = Path(out) if out else Path("runs") / (kind + datetime.now().strftime("%Y-%m-%d-%H%M%S"))
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise UserError(f"cannot make the folder out={str(path)!r} ({fault.strerror}); give another one") from None
    return path


def lay(settings: Run, body: Any, goal: str) -> Scene:
    """Lay the table: the task's scene, or, for a goal without a task, one with the things that the goal names."""
    request = parts.outside("sim.request")
    seed = parts.seed_of(settings.split, settings.seed)
    if goal and not settings.task:
        body.load(request.table_for(goal, settings.seed), seed)
        return Scene(goal, False, "")
    body.reset(seed)
    task = settings.task or DEFAULT_TASK
    if not goal or goal.casefold().rstrip(".!") == " ".join(body.goal.casefold().split()).rstrip(".!"):
        return Scene(body.goal, True, task)
    request.check_present(goal, [item.name for item in body.episode.items])
    return Scene(goal, False, task)


def main(settings: Run, chosen: dict[str, str]) -> int:
    """0 success, 1 failure; UserError for bad input, before the robot moves."""
    started = time.monotonic()
    if settings.budget_s <= 0:
        raise UserError(f"budget_s={settings.budget_s} leaves no time; give a positive number of seconds")
    # `goal=` with nothing behind it is a mistake; no `goal` at all means the task's own sentence
    request = parts.outside("sim.request")
    goal = "" if settings.goal is None else request.tidied(settings.goal)
    if settings.picture or goal.casefold().split()[:1] == ["draw"]:
        from embodied.cli import draw

        return draw.step(goal or "draw the picture", settings)
    goal = goal and request.check(goal)
    parts.check_choice("mode", settings.mode, parts.MODES)
    # between the steps of skills nobody looks; a policy that thinks beside the moving world needs its pictures made before
    lazy = settings.mode == "skills" and not settings.realtime
    task = settings.task or DEFAULT_TASK
    with ExitStack() as stack:
        body = parts.body(task, settings.robot, settings.split, settings.disturb, settings.gui, lazy)
        stack.callback(body.close)
        scene = lay(settings, body, goal)
        name = chosen["policy"]
        if not scene.own and parts.sees_truth(name):
            raise UserError(f"policy {name!r} knows only a task's own sentence; leave out goal= or use policy=planner")
        policy = parts.policy(name, settings.policy, body, settings.mode, settings.weights, settings.seed)
        out = folder(settings.out)
        outcome, history = _watched(settings, body, policy, scene, out)
        unmet = _write(settings, chosen, body, scene, outcome, history, out)
        if outcome.reason == "refused" and len(outcome.plans) == 1:
            raise UserError(f"the policy sees nothing to do for {scene.goal!r}: {outcome.refusal or 'it made no plan'}")
    if settings.gif:
        from embodied.data.video import animate

        animate(out / "episode.mp4", out / "episode.gif")
    success = not unmet
    verdict = "success" if success else f"failure ({outcome.error or f'{outcome.reason}; not so: {unmet}'})"
    print(f"{verdict}: {outcome.replans} replans, {outcome.episode_s:.1f} s of the robot's time", end=", ")
    print(f"{time.monotonic() - started:.1f} s in all; see {out}/episode.mp4")
    return 0 if success else 1


def _watched(settings: Run, body: Any, policy: Any, scene: Scene, out: Path) -> tuple[Outcome, History]:
    from embodied.cli import live

    progress, history = live.Progress(scene.goal), History(body.spec.action.rate_hz)
    with ExitStack() as stack:
        screen = stack.enter_context(live.Screen(progress))
        filmer = live.Filmer(out / "episode.mp4", body, progress)
        stack.callback(filmer.close)
        watches: list[Watch] = [progress, history, screen, filmer]
        if settings.rrd:
            log = live.RerunLog(out / "episode.rrd", body)
            stack.callback(log.close)
            watches.append(log)
        outcome = rollout(
            body,
            policy,
            scene.goal,
            budget_s=settings.budget_s,
            replan=settings.replan,
            truth=parts.truth(body),
            watches=watches,
        )
    return outcome, history


def _said(goal: str, plans: Sequence[Plan]) -> list[tuple[str, bool]]:
    """Whether each thing that the goal wants occurs in the plan (a thing left out would make success easy), and whether what
    the plan puts things on or beside was asked for; nothing can be said of the latter where the goal speaks of sets."""
    request = parts.outside("sim.request")
    wanted, steps = request.wanted(goal), [step for plan in plans for step in plan.steps]
    named = {arg for step in steps for arg in step.args}
    out = [
        (f"the plan has to do with the {colour} {shape or 'thing'}", any(
            arg.startswith(colour + " ") and arg.endswith(shape) for arg in named
        ))
        for colour, shape in wanted
    ]  # fmt: skip
    if not request.of_sets(goal):
        places = dict.fromkeys(
            arg for step in steps for arg in step.args[1:] if " " in arg and arg.split()[-1] in (*SHAPES, *PLACES)
        )
        for place in places:
            colour, shape = place.split()
            asked = any(c == colour and s in ("", shape) for c, s in wanted)
            out.append((f"the goal asks for something at the {place}", asked))
    return out


def _write(
    settings: Run, chosen: dict[str, str], body: Any, scene: Scene, outcome: Outcome, history: History, out: Path
) -> str:
    """plan.json; returns what is not as wanted, nothing when the episode succeeded."""
    # What the goal means is what the first plan says; a later plan must not make the goal easier.
    conditions = [] if scene.own else _said(scene.goal, outcome.plans[:1]) + parts.plan_test(outcome.plans[:1], body)
    unmet = next((text for text, held in conditions if not held), "" if conditions else "the plan moves something")
    if scene.own:
        unmet = "" if body.success() else "the task's own test"
    for check, (_, true) in zip(history.checks, outcome.verdicts, strict=False):
        check["simulator"] = true
    story = {
        "goal": scene.goal,
        "success": not unmet,
        "test": "the task's own test"
        if scene.own
        else "all that is wanted is in the first plan, and what it moves is where it says last",
        "conditions": [{"condition": text, "holds": held} for text, held in conditions],
        "end": outcome.reason,
        "error": outcome.error,
        "task": scene.task,
        "seed": settings.seed,
        "split": settings.split,
        "policy": chosen["policy"],
        "mode": settings.mode,
        "weights": settings.weights,
        "disturb": settings.disturb,
        "replans": outcome.replans,
        "episode_s": outcome.episode_s,
        "plans": history.plans,
        "checks": history.checks,
    }
    (out / "plan.json").write_text(json.dumps(story, indent=2) + "\n", encoding="utf-8")
    return unmet
