"""Tries at picking a thing up, half of which fail for a cause that the simulator makes: PaLM-E's failure detection and affordance
tests (arXiv 2303.03378, section 6.3, table 4) on our table.

    slip    the thing falls out of the hand while it is lifted
    knock   it is pushed aside while the hand comes down
    block   another thing lies on it
    reach   it stands where the arm cannot go
    full    the hand holds something else already (affordance alone)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from embodied.plan import step as parse
from embodied.types import Command, Observation, Step
from policies import skills
from policies.expert import job_of
from policies.judge import step_holds
from policies.symbolic import Facts, on_top_of
from sim.body import SimBody
from sim.clauses import FLAT
from sim.disturb import SLACK_M, SLIP_TICKS
from sim.task import FIRST_EVALUATION_SEED

CAUSES = ("slip", "knock", "block", "reach")
HINDRANCES = ("block", "reach", "full")
FAR_X, FAR_Y = (
    (0.17, 0.205),
    (0.10, 0.26),
)  # m, behind where the fingertips may go (BodySpec.action), and seen by the camera
KNOCK_M = (0.045, 0.08)


@dataclass(frozen=True)
class Trial:
    """step: what is tried. truth: whether it succeeds. cause: why not, "" where it does."""

    step: Step
    truth: bool
    cause: str


class Trials:
    """One body. Uses a trial's own seed for everything; seeds are those of the evaluation."""

    def __init__(self, task: str = "compound") -> None:
        self.body = SimBody(task, split="seen", lazy=True)

    def close(self) -> None:
        self.body.close()

    def failure(self, k: int, look: Callable[[Observation], None]) -> Trial:
        """The k-th try at a pick; look: is shown the moment before it. The body then shows the moment after. Even tries succeed,
        odd ones fail, by the causes in turn."""
        cause = "" if k % 2 == 0 else CAUSES[k // 2 % len(CAUSES)]
        for rng in self._dice(k):
            step = self._laid(cause, rng)
            if step is None:
                continue
            look(self.body.observe())
            truth = self._try(step, cause, rng)
            if truth == (not cause):
                return Trial(step, truth, cause)
        raise AssertionError

    def affordance(self, k: int, look: Callable[[Observation], None]) -> Trial:
        """The k-th question whether a thing can be picked up now; truth by trying it after `look` was shown the moment."""
        cause = "" if k % 2 == 0 else HINDRANCES[k // 2 % len(HINDRANCES)]
        for rng in self._dice(k):
            step = self._laid(cause, rng)
            if step is None:
                continue
            look(self.body.observe())
            truth = cause != "full" and self._try(step, "", rng)
            if truth == (not cause):
                return Trial(step, truth, cause)
        raise AssertionError

    def _dice(self, k: int):
        """Generators of the tries at making the k-th trial, each after a reset."""
        for again in range(100):
            rng = np.random.default_rng([k, again, 11])
            self.body.reset(FIRST_EVALUATION_SEED + int(rng.integers(FIRST_EVALUATION_SEED)))
            yield rng

    def _laid(self, cause: str, rng: np.random.Generator) -> Step | None:
        """Choose what to pick and put what hinders it in place; None when this table does not serve."""
        body, facts = self.body, self.body.facts()
        clear = [t for t in facts.things.values() if t.movable and not on_top_of(facts, t.name)]
        if len(clear) < 2:
            return None
        thing, other = (clear[i] for i in rng.permutation(len(clear))[:2])
        if cause == "block":
            if thing.shape not in FLAT:
                return None
            body.place(other.name, (*thing.position[:2], thing.top + other.size[2] / 2 + 0.002), rng.uniform(-0.3, 0.3))
            body.settle(36)
            if other.name not in on_top_of(body.facts(), thing.name):
                return None
        elif cause == "reach":
            at = (rng.uniform(*FAR_X), rng.choice([-1, 1]) * rng.uniform(*FAR_Y))
            body.place(thing.name, (*at, thing.size[2] / 2 + 0.001), rng.uniform(-np.pi, np.pi))
            body.settle(24)
        elif cause == "full":
            body.grip(other.name)
            body.settle(24)
            if body.facts().held != other.name:
                return None
        return parse(f"pick {thing.name}")

    def _try(self, step: Step, cause: str, rng: np.random.Generator) -> bool:
        """Carry the pick out with that mishap; whether the thing is in the hand then."""
        body, name = self.body, step.args[0]
        facts = body.facts()
        rows, _ = skills.motion(job_of(step, facts), body.observe().states["arm"][-1, :5])
        top, knocked, loose = facts.things[name].top, cause != "knock", SLIP_TICKS if cause == "slip" else 0
        for row in rows:
            now = body.facts() if not knocked or loose else facts
            if not knocked and now.hand[2] < top + 0.08:
                knocked = True
                self._knock(name, now, rng)
            elif loose and now.held == name and now.things[name].bottom > 0.05:
                body.robot.slack_m = SLACK_M
            if body.robot.slack_m:
                loose -= 1
                body.robot.slack_m = SLACK_M if loose > 0 else 0.0
            body.apply(Command(body.now_s, np.asarray(row, np.float32)))
        body.robot.slack_m = 0.0
        body.settle(24)
        return step_holds(step, body.facts())

    def _knock(self, name: str, facts: Facts, rng: np.random.Generator) -> None:
        """The thing slides aside to where nothing stands."""
        at, others = facts.things[name].position[:2], [t.position[:2] for t in facts.things.values() if t.name != name]
        for angle in rng.uniform(-np.pi, np.pi, 24):
            by = rng.uniform(*KNOCK_M) * np.array([np.cos(angle), np.sin(angle)])
            if all(np.linalg.norm(at + by - other) > 0.085 for other in others):
                self.body.shift(name, by)
                return
