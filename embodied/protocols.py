"""The seams: anything with these methods fits, nothing has to be inherited."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from embodied.spec import BodySpec
from embodied.types import ActionChunk, Command, Observation, Plan, Step


@runtime_checkable
class Body(Protocol):
    """A world that senses and moves: simulator, robot behind topics, recorded drive."""

    @property
    def spec(self) -> BodySpec: ...
    def reset(self, seed: int | None = None) -> Observation: ...
    def observe(self) -> Observation: ...
    def apply(self, command: Command) -> Command:
        """Send the command, advance to the next tick, return what was really sent."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class Policy(Protocol):
    """Plans in text, acts in chunks, judges its own steps. Stateless between reset and reset but for speed."""

    def reset(self) -> None: ...
    def plan(self, obs: Observation, goal: str, done: tuple[Step, ...] = ()) -> Plan:
        """A plan whose first len(done) steps are `done` (plan.at == len(done)); refusal set when it cannot be done."""
        ...

    def act(self, obs: Observation, plan: Plan) -> ActionChunk:
        """Motion for plan.current; an empty chunk when that step's motion has ended."""
        ...

    def check(self, obs: Observation, step: Step) -> float:
        """Probability in [0, 1] that `step` has succeeded, from the observation alone."""
        ...


class Clock(Protocol):
    """Time and waiting, injected so that the loop is tested without a wall clock."""

    def now_s(self) -> float: ...
    def sleep_until(self, t_s: float) -> float:
        """Wait; how much later the moments to come ought to be, s: a world may have a rate of its own."""
        ...


class Encoder(Protocol):
    """Continuous input -> token vectors: __call__(x) -> (b, n, D). A torch module; see embodied/model/encoders."""

    tokens: int


class Head(Protocol):
    """Language-model states -> something that is not text. A torch module; see embodied/model/heads."""
