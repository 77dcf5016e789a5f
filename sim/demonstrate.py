"""The scripted expert's episodes as frames to record: what a learner of motion imitates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embodied import plan as grammar
from embodied import registry
from embodied.aims import CHANNELS
from embodied.control.loop import Watch, run
from embodied.data.record import EpisodeFailed, Frame, record
from embodied.errors import UserError
from embodied.types import Command, Observation, Plan, Step
from policies.aims import aims_of
from policies.expert import Expert
from policies.perceive import geometry_of_step
from policies.skills import Held, Job, held_after
from sim.body import SimBody


class Shaken:
    """A body whose hand is pushed off its way while it is high above the table, so that the learner sees how the expert
    comes back (noise injection, DART, arXiv 1703.09327). `apply` returns the undisturbed command: that is the label.

    size: standard deviation of the push, metres; it dies away below 0.20 m, where a push would spoil the grasp.
    """

    def __init__(self, body: SimBody, size: float, seed: int) -> None:
        self._body, self._size = body, size
        self._rng, self._push = np.random.default_rng([seed, 6]), np.zeros(3)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)

    def apply(self, command: Command) -> Command:
        values = np.array(command.values)
        self._push = 0.9 * self._push + self._rng.normal(0, 0.44 * self._size, 3)
        values[:3] += self._push * np.clip((values[2] - 0.12) / 0.08, 0, 1)
        self._body.apply(Command(command.t_s, self._body.spec.action.clip(values)))
        return command


class Seeing(Expert):
    """Plans from exact facts, but moves by what the depth picture shows, as a learner will: what it goes for is `aims`."""

    def reset(self) -> None:
        super().reset()
        self.aims: NDArray[np.float32] = np.zeros(len(CHANNELS), np.float32)
        self._held = Held()

    def job(self, obs: Observation, step: Step) -> tuple[Job, Held]:
        held, job = self._held, geometry_of_step(step, obs, self.world.spec)
        self.aims, self._held = aims_of(job, held), held_after(job, held)
        return job, held


class _Notes(Watch):
    """Turns what the loop tells into frames: the observation before each command, and the command really sent."""

    def __init__(self, task: str, expert: Seeing) -> None:
        self.task, self.expert, self.frames = task, expert, list[Frame]()
        self._plan = self._step = ""

    def planned(self, plan: Plan, obs: Observation, seconds: float) -> None:
        self._plan = grammar.write(plan.steps)

    def began(self, plan: Plan) -> None:
        self._plan, self._step = grammar.write(plan.steps), grammar.write_step(plan.current)

    def ticked(self, command: Command, obs: Observation | None) -> None:
        assert obs is not None
        obs = replace(obs, states={**obs.states, "aims": self.expert.aims[None]})
        self.frames.append(Frame(obs, command.values, self.task, self._plan, self._step))

    def checked(self, step: Step, p: float, obs: Observation) -> None:
        if self.frames:
            answer = ((f"did {step.text} succeed?", "yes" if p >= 0.5 else "no"),)
            self.frames[-1] = replace(self.frames[-1], qa=answer)


@lru_cache(maxsize=16)  # one world per kind and process: building one costs more than an episode's reset
def _body(task: str, split: str, disturb: float, lazy: bool) -> SimBody:
    return SimBody(task=task, split=split, disturb=disturb, lazy=lazy)


def demonstrate(
    seed: int,
    tasks: tuple[str, ...] = ("pick",),
    split: str = "train",
    disturb: float = 0.0,
    shake: float = 0.0,
    lazy: bool = False,
) -> Iterator[Frame]:
    """Frames of one expert episode of tasks[seed % len(tasks)], 20 a second. EpisodeFailed when the expert fails.

    lazy: pictures are made only where the expert looks, which is faster; those of the frames are not to be had then."""
    body: Any = _body(tasks[seed % len(tasks)], split, disturb, lazy)
    body = Shaken(body, shake, seed) if shake else body
    obs = body.reset(seed)
    expert = Seeing(body)
    notes = _Notes(body.goal, expert)
    result = run(
        body,
        expert,
        body.goal,
        obs=obs,
        watch=notes,
        max_ticks=body.task.max_steps,
        max_replans=3,
        every_tick=True,
    )
    if result.reason != "finished" or not body.success():
        raise EpisodeFailed(f"{body.task.name}, seed {seed}: {result.reason} {result.error}".strip())
    yield from notes.frames


def demonstrations(
    tasks: Sequence[str],
    episodes: int,
    out: str | Path,
    *,
    processes: int = 1,
    split: str = "train",
    disturb: float = 0.0,
    cameras: Sequence[str] = ("front", "wrist"),
    shake: float = 0.0,
    first_seed: int = 0,
    progress: bool = True,
) -> int:
    """Record the expert into the LeRobotDataset at `out` until it holds `episodes`; return how many were made now.

    shake: metres of random pushes that the hand recovers from (see Shaken).  Episode i has seed first_seed + i (see
    embodied.data.record) and the tasks take turns. UserError for unknown tasks. cameras: whose pictures are
    kept; none are needed for lessons in motion.
    """
    if not tasks:
        raise UserError("tasks is empty; name at least one, for example tasks=pick")
    for task in tasks:
        registry.part("task", task)
    lazy = not cameras
    make = partial(demonstrate, tasks=tuple(tasks), split=split, disturb=disturb, shake=shake, lazy=lazy)
    spec = _body(tasks[0], split, disturb, lazy).spec
    spec = replace(spec, states={**spec.states, "aims": CHANNELS})
    return record(
        make, spec, episodes, out, processes=processes, cameras=cameras, first_seed=first_seed, progress=progress
    )
