"""Bodies, policies and the simulator's truth by name. The only place where the command line reaches outside `embodied`,
at call time, so that the core imports neither `sim` nor `policies`."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import requires
from typing import Any

from embodied import registry
from embodied.errors import UserError
from embodied.types import Image, Plan, Step

MODES = ("skills", "visuomotor")
FILM_SIZE = (320, 192)  # px; the faces decide a frame's cost up to about here, the pixels beyond


def outside(module: str) -> Any:
    """A module of sim, policies or ros_nodes. UserError with the exact command when a library that it needs is missing."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as missing:
        if (missing.name or "").split(".")[0] in ("sim", "policies", "ros_nodes", "embodied"):
            raise
        extra = _extra(str(missing.name), ("ros", "bags", "sim") if module.startswith("ros_nodes") else ("sim",))
        hint = ", or source your ROS 2 installation" if extra == "ros" else ""
        raise UserError(f"this needs {missing.name!r}; run: pip install 'embodied-planner[{extra}]'{hint}") from None


def _extra(module: str, usual: Sequence[str]) -> str:
    """The extra that brings a library: the first of the usual ones that does, else any, else the first usual one."""
    wishes = (one.split("extra ==") for one in requires("embodied-planner") or () if "extra ==" in one)
    brought = [
        extra.strip(" '\"") for wish, extra in wishes if re.match(rf"{module.replace('_', '-')}\b", wish, re.IGNORECASE)
    ]
    return next((one for one in (*usual, *brought) if one in brought), usual[0])


def check_choice(key: str, value: str, choices: Sequence[str]) -> str:
    if value not in choices:
        raise UserError(f"unknown {key} {value!r}; choose from {', '.join(choices)}")
    return value


def body(
    task: str,
    robot: str = "panda",
    split: str = "seen",
    disturb: float = 0.0,
    gui: bool = False,
    lazy: bool = False,
    instructions: Mapping[str, Sequence[str]] | None = None,
) -> Any:
    """The simulated body of that task; unknown names are UserErrors that list the choices."""
    registry.part("task", task)
    registry.part("robot", robot)
    check_choice("split", split, outside("sim.task").SPLITS)
    made = outside("sim.body").SimBody
    return made(task, robot, split, disturb=disturb, gui=gui, lazy=lazy, instructions=instructions)


def policy(name: str, settings: Mapping[str, Any], body: Any, mode: str, weights: str, seed: int) -> Any:
    """The registered policy with its settings; the command's own keys go to the parameters of that name."""
    check_choice("mode", mode, MODES)
    parameters = inspect.signature(registry.part("policy", name)).parameters
    if mode == "visuomotor" and "mode" not in parameters:
        raise UserError(f"policy {name!r} moves by skills only; leave out mode=visuomotor or use policy=planner")
    given = {"body": body, "world": body, "mode": mode, "weights": weights, "seed": seed}
    made = registry.build("policy", name, **settings, **{k: v for k, v in given.items() if k in parameters})
    for camera in getattr(made, "cameras", ()):
        if camera not in body.spec.cameras:
            has = ", ".join(body.spec.cameras) or "none"
            raise UserError(f"policy {name!r} looks through camera {camera!r}, which this body lacks; it has {has}")
    return made


def sees_truth(name: str) -> bool:
    """Whether the policy is built on the simulator's facts, as the scripted expert is: it asks for a `world`, where a
    learned policy asks at most for a `body`, of which it reads the spec. It knows only the task's own goal."""
    return "world" in inspect.signature(registry.part("policy", name)).parameters


def seed_of(split: str, seed: int, episode: int = 0) -> int:
    return int(outside("sim.task").seed_of(split, seed, episode))


def truth(body: Any) -> Callable[[Step], bool]:
    """step -> whether the simulator says that it has succeeded."""
    judge = outside("policies.judge")
    return lambda step: bool(judge.step_holds(step, body.facts()))


def oracle(body: Any) -> list[str]:
    """The words of the steps that exact facts call for now."""
    return [step.text for step in outside("policies.symbolic").remaining(body.episode.wants, body.facts())]


def plan_test(plans: Sequence[Plan], body: Any) -> list[tuple[str, bool]]:
    """(condition, holds now) of each thing that the plans moved, the last mention deciding."""
    judge, facts = outside("policies.judge"), body.facts()
    holds = outside("policies.symbolic").holds
    out: list[tuple[str, bool]] = []
    for want in judge.final_wants([step for plan in plans for step in plan.steps]):
        known = all(name in facts.things for name in (want.a, *want.b))
        out.append((str(want), known and holds(want, facts)))
    return out


def picture(body: Any) -> Image:
    """What the front camera sees, at film size; the body's own picture where it cannot be asked for another size."""
    if hasattr(body, "picture"):
        return body.picture(*FILM_SIZE)
    return next(iter(body.observe().images.values()))
