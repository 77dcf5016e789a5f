"""One mishap per episode: a thing is moved, or what the hand holds slips out. Seeded; nothing leaves the workspace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from embodied.types import Step
from policies.symbolic import on_top_of, support

if TYPE_CHECKING:
    from sim.body import SimBody

LOW, HIGH = np.array([0.37, -0.27]), np.array([0.67, 0.27])  # where a moved thing may end, m
CLEAR_M = 0.10  # between the centres of a moved thing and any other
BOWL_CLEAR_M = 0.135
SLIDE_TICKS = 5
STEP_TICKS = 45  # most of a step's motion; later the episode may be over
SLIP_TICKS, SLACK_M = 5, 0.02


class Mishap:
    """Drawn at reset: when (a tick) and what (slip or move). It waits for the first tick at which it can be done."""

    def __init__(self, rng: np.random.Generator, plan: Sequence[Step]) -> None:
        """plan: the steps that the episode needs, from which its length and its grasps are guessed."""
        self.rng = rng
        grasps = sum(step.skill == "pick" for step in plan)
        self.kind = "slip" if grasps and rng.random() < 0.5 else "move"
        latest = 30 + 140 * (grasps - 1) if self.kind == "slip" else 15 + STEP_TICKS * max(1, len(plan))
        self.due = int(rng.integers(10, latest))
        self.patience = self.due + 100  # ticks until a slip that finds nothing held becomes a move
        self.happened: tuple[int, str, str] | None = None  # tick, kind, name
        self._slide: tuple[str, np.ndarray, int] | None = None
        self._loose = 0

    def tick(self, body: SimBody) -> None:
        """After each tick of the body."""
        if self._slide:
            self._go_on_sliding(body)
        elif self._loose:
            self._loose -= 1
            body.robot.slack_m = SLACK_M if self._loose else 0.0
        elif self.happened is None and body.tick >= self.due:
            if self.kind == "slip":
                self._slip(body)
                if body.tick > self.patience:
                    self.kind = "move"
            elif body.tick % 4 == 0:  # looking for a place costs contacts and poses
                self._move(body)

    def _slip(self, body: SimBody) -> None:
        """The hand gives way for a moment: high enough for the thing to fall out, low enough for it not to bounce, and
        not over another thing."""
        facts = body.facts()
        if not facts.held:
            return
        a = facts.things[facts.held]
        others = [b for b in facts.things.values() if b.name != a.name and b.shape != "zone"]
        near = [
            b for b in others if np.linalg.norm((b.position - a.position)[:2]) < (0.125 if b.shape == "bowl" else 0.085)
        ]
        inside = np.all(a.position[:2] > LOW) and np.all(a.position[:2] < HIGH)
        if near or not inside or not 0.04 < a.bottom < 0.16:
            return
        body.robot.slack_m, self._loose = SLACK_M, SLIP_TICKS
        self.happened = (body.tick, "slip", a.name)

    def _move(self, body: SimBody) -> None:
        """A movable thing that nothing lies on slides a few cm over the table, or is taken off what it lies on."""
        facts = body.facts()
        free = [t for t in facts.things.values() if t.movable and t.name != facts.held and not on_top_of(facts, t.name)]
        free = [t for t in free if np.linalg.norm((t.position - facts.hand)[:2]) > 0.14 or facts.hand[2] > t.top + 0.15]
        if not free:
            return
        high = [t for t in free if support(facts, t.name) not in ("table", "")]
        pool = high if high and self.rng.random() < 0.5 else free
        a = pool[int(self.rng.integers(len(pool)))]
        flat = support(facts, a.name) == "table"
        others = [t for t in facts.things.values() if t.name != a.name]
        for _ in range(30):
            angle, far = (
                self.rng.uniform(-np.pi, np.pi),
                self.rng.uniform(0.03, 0.07) if flat else self.rng.uniform(0.10, 0.2),
            )
            goal = a.position[:2] + far * np.array([np.cos(angle), np.sin(angle)])
            clear = all(
                np.linalg.norm(goal - t.position[:2]) > (BOWL_CLEAR_M if t.shape == "bowl" else CLEAR_M) for t in others
            )
            if clear and np.all(goal > LOW) and np.all(goal < HIGH) and np.linalg.norm(goal - facts.hand[:2]) > 0.12:
                break
        else:
            return
        self.happened = (body.tick, "move", a.name)
        if flat:
            self._slide = (a.name, (goal - a.position[:2]) / SLIDE_TICKS, SLIDE_TICKS)
        else:
            body.place(a.name, (goal[0], goal[1], a.size[2] / 2 + 0.001), a.yaw)

    def _go_on_sliding(self, body: SimBody) -> None:
        assert self._slide
        name, step, left = self._slide
        body.shift(name, step)
        self._slide = (name, step, left - 1) if left > 1 else None
