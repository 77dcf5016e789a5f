"""What crosses a boundary. numpy only, SI units, time in float seconds of one monotonic clock.

Axis letters: t time, h horizon, d state, a action, H W pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]  # H W 3, RGB
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Observation:
    """What a body senses at one moment.

    images: camera name -> uint8 H W 3, RGB.
    states: channel name -> float32 t d, one row per past sample, newest row last.
    depth:  camera name -> float32 H W, metres along the optical axis; absent where no depth camera is.
    """

    t_s: float
    images: Mapping[str, Image]
    states: Mapping[str, Floats]
    depth: Mapping[str, Floats] = field(default_factory=dict[str, Floats])


@dataclass(frozen=True)
class Shot:
    """A solved example for a prompt: what was seen, a question about it and its answer. source: which moment it is, for people."""

    obs: Observation
    question: str
    answer: str
    source: str = ""


@dataclass(frozen=True)
class Point:
    """A place in a picture: u right, v down, both in [0, 1] of the camera's width and height."""

    u: float
    v: float


@dataclass(frozen=True)
class Step:
    """One step of a plan: its words without points, the skill they name, its arguments, its grounded points.

    points[0] is the thing or place that the skill acts on; further points are its references (the second object of
    `between`, the zone of `push`).
    """

    text: str
    skill: str
    args: tuple[str, ...] = ()
    points: tuple[Point, ...] = ()


@dataclass(frozen=True)
class Candidate:
    """A plan that was considered. language: how likely these steps are what the words mean; affordance: how surely they can be
    done here; both in [0, 1]."""

    steps: tuple[Step, ...]
    language: float
    affordance: float

    @property
    def total(self) -> float:
        return self.language * self.affordance


@dataclass(frozen=True)
class Choice:
    """Several candidates, the index of the one that was chosen, and why, in a sentence."""

    candidates: tuple[Candidate, ...]
    chosen: int
    why: str


@dataclass(frozen=True)
class Plan:
    """Steps in order; steps[:at] are done, steps[at] is the current one; at == len(steps) means finished.

    refusal: why there is nothing to do ("no red block here"), empty when there is a plan.
    choice: among which plans this one was chosen, where several were made.
    """

    goal: str
    steps: tuple[Step, ...]
    at: int = 0
    refusal: str = ""
    choice: Choice | None = None

    @property
    def finished(self) -> bool:
        return self.at >= len(self.steps)

    @property
    def current(self) -> Step:
        """The step to do now; IndexError when the plan is finished."""
        return self.steps[self.at]

    @property
    def done(self) -> tuple[Step, ...]:
        return self.steps[: self.at]

    def advanced(self) -> Plan:
        """The same plan with the current step marked done."""
        return replace(self, at=self.at + 1)


@dataclass(frozen=True)
class ActionChunk:
    """h actions in a row: row k is due at t0_s + k * dt_s. h == 0 says that the step's motion has ended."""

    t0_s: float
    dt_s: float
    actions: Floats  # h a

    @property
    def ended(self) -> bool:
        return len(self.actions) == 0


@dataclass(frozen=True)
class Command:
    """One action (a,) for the body, SI units, inside the body's limits."""

    t_s: float
    values: Floats  # a
