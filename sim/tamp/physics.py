"""The same steps by an arm in PyBullet: scripted skills over the simulator's exact facts, and whether each did what it is for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from embodied.plan import step as parse
from embodied.types import Command
from policies import skills
from policies.expert import job_of
from policies.symbolic import Facts, support
from sim.body import SimBody
from sim.tamp.rules import State, Step
from sim.tamp.scene import Scene, items
from sim.task import Episode

MOVED_M = 0.02  # a cube that no step is about stays within this


class Arm:
    """One simulated body for many scenes. look: the cameras there are."""

    def __init__(self, look: tuple[str, ...] = ()) -> None:
        self.body = SimBody("pick", eyes=look, lazy=True)
        self.names: dict[int, str] = {}

    def lay(self, scene: Scene, seed: int = 0) -> None:
        """Put the scene on the table, the hand at home; the seed decides looks, friction and masses."""
        self.names = {cube.label: f"{cube.colour} block" for cube in scene}
        self.body.load(Episode("pick", items(scene), (), "", {}, ""), seed)

    def state(self) -> State:
        """What is held and what carries what, as physics has it; a cube that lies nowhere carries and is carried by itself."""
        facts = self.body.facts()
        labels = {name: label for label, name in self.names.items()}
        below = {}
        for label, name in self.names.items():
            if name != facts.held:
                under = support(facts, name)
                below[label] = 0 if under == "table" else labels.get(under, label)
        return State(below, labels.get(facts.held, 0))

    def do(self, step: Step) -> bool:
        """Move; whether the step did what it is for and nothing else."""
        skill, label = step
        before = self.body.facts()
        name = self.names.get(label, "")
        if skill == "grasp":
            if before.held or not name:
                return False
            self._move(parse(f"pick {name}"), before)
            facts = self.body.facts()
            return facts.held == name and self._rest(before, facts, name)
        if not before.held:
            return False
        self._move(parse(f"put {before.held} on {name or 'table'}"), before)
        facts = self.body.facts()
        return (
            not facts.held
            and support(facts, before.held) == (name or "table")
            and self._rest(before, facts, before.held)
        )

    def carry_out(self, steps: Sequence[Step]) -> list[bool]:
        """Verdicts of the steps, up to the first that failed, as sim.tamp.rules.verdicts has them."""
        out: list[bool] = []
        for step in steps:
            out.append(self.do(step))
            if not out[-1]:
                break
        return out

    def close(self) -> None:
        self.body.close()

    def _move(self, step: object, facts: Facts) -> None:
        """One skill's whole motion."""
        body = self.body
        hand = body.observe().states["arm"][-1, :5]
        below = float(hand[2] - facts.things[facts.held].bottom) if facts.held else 0.0
        held = skills.Held(below, float(hand[4])) if facts.held else skills.Held()
        rows, _ = skills.motion(job_of(step, facts), hand, held)  # type: ignore[arg-type]
        for row in rows:
            body.apply(Command(body.now_s, np.asarray(row, np.float32)))

    def _rest(self, before: Facts, now: Facts, but: str) -> bool:
        """Whether all others are where they were."""
        return all(
            float(np.linalg.norm(now.things[name].position - thing.position)) < MOVED_M
            for name, thing in before.things.items()
            if name != but
        )
