"""What grasping and placing do to a table of cubes, exactly: PaLM-E's two primitives as rules. sim/tamp/physics.py carries the
same steps out with an arm; tests hold the two together.

A step is a tuple: ("grasp", label) or ("place", label), label 0 being the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sim.tamp.scene import Scene

Step = tuple[str, int]


@dataclass(frozen=True)
class State:
    """below: label -> label of what carries it (0 the table), without the held one. held: label in the hand, 0 none."""

    below: dict[int, int]
    held: int = 0

    def on(self, label: int) -> int:
        """What lies on it; 0 nothing."""
        return next((one for one, under in self.below.items() if under == label), 0)

    def over(self, label: int) -> list[int]:
        """All that lies on it, through others too, the topmost first."""
        out: list[int] = []
        while label := self.on(label):
            out.insert(0, label)
        return out

    def level(self, label: int) -> int:
        """1 on the table, 2 on what stands there, ..."""
        return 1 + (self.level(self.below[label]) if self.below[label] else 0)


def state(scene: Scene) -> State:
    return State({cube.label: cube.below for cube in scene})


def after(step: Step, now: State) -> State | None:
    """The table once the step is done; None when it cannot be: something lies on what is grasped, or where it is placed, or the
    hand is full, or empty, or the thing is not there."""
    skill, label = step
    if skill == "grasp":
        if now.held or label not in now.below or now.on(label):
            return None
        return State({one: under for one, under in now.below.items() if one != label}, label)
    if not now.held or (label and (label not in now.below or now.on(label))):
        return None
    return State({**now.below, now.held: label})


def verdicts(steps: Iterable[Step], now: State) -> list[bool]:
    """Whether each step can be done after those before it, up to the first that cannot."""
    out: list[bool] = []
    for step in steps:
        later = after(step, now)
        out.append(later is not None)
        if later is None:
            break
        now = later
    return out


def carried_out(steps: Sequence[Step], now: State) -> State | None:
    """The table after all steps; None when one of them cannot be done."""
    for step in steps:
        later = after(step, now)
        if later is None:
            return None
        now = later
    return now


def grasping(label: int, now: State) -> list[Step]:
    """PaLM-E's p1: what lies on it is put on the table first, from the top."""
    return [*_cleared(now.over(label)), ("grasp", label)]


def stacking(label: int, target: int, now: State) -> list[Step]:
    """PaLM-E's p2. What lies on either goes first; so does the thing itself where something between it and the target must."""
    steps = _cleared(now.over(label))
    later = carried_out(steps, now)
    assert later is not None
    steps += _cleared(later.over(target))
    return [*steps, ("grasp", label), ("place", target)]


def _cleared(labels: Sequence[int]) -> list[Step]:
    return [step for one in labels for step in (("grasp", one), ("place", 0))]
