"""One episode of a policy on a body, with what an evaluation wants to know of it. Shared by run, evaluate and record."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from embodied.control import loop
from embodied.control.clock import RealClock
from embodied.control.loop import Watch
from embodied.protocols import Body, Policy
from embodied.types import Command, Observation, Plan, Step

__all__ = ["Outcome", "Watch", "Watches", "rollout"]


@dataclass
class Outcome:
    """How an episode went.

    reason: the loop's word for why it ended ("finished" when every step was done).  refusal: what the policy said when it
    would not plan.  error: the fault of a run that was stopped.  plans: every plan in order.  plan_s: wall seconds of each.
    verdicts: of each check, the policy's probability that its step succeeded and what the simulator said (None without one).
    """

    reason: str = ""
    refusal: str = ""
    error: str = ""
    plans: list[Plan] = field(default_factory=list)
    plan_s: list[float] = field(default_factory=list)
    verdicts: list[tuple[float, bool | None]] = field(default_factory=list)
    replans: int = 0
    ticks: int = 0
    episode_s: float = 0.0
    time_s: float = 0.0


class Watches(Watch):
    """Several watches as one, called in order."""

    def __init__(self, watches: Sequence[Watch]) -> None:
        self._all = tuple(watches)

    def planned(self, plan: Plan, obs: Observation, seconds: float) -> None:
        for one in self._all:
            one.planned(plan, obs, seconds)

    def began(self, plan: Plan) -> None:
        for one in self._all:
            one.began(plan)

    def ticked(self, command: Command, obs: Observation | None) -> None:
        for one in self._all:
            one.ticked(command, obs)

    def checked(self, step: Step, p: float, obs: Observation) -> None:
        for one in self._all:
            one.checked(step, p, obs)

    def replanned(self, plan: Plan, reason: str) -> None:
        for one in self._all:
            one.replanned(plan, reason)

    def ended(self, reason: str) -> None:
        for one in self._all:
            one.ended(reason)


class _Notes(Watch):
    """Fills an Outcome."""

    def __init__(self, outcome: Outcome, truth: Callable[[Step], bool] | None) -> None:
        self._outcome, self._truth = outcome, truth

    def planned(self, plan: Plan, obs: Observation, seconds: float) -> None:
        self._outcome.plans.append(plan)
        self._outcome.plan_s.append(seconds)

    def checked(self, step: Step, p: float, obs: Observation) -> None:
        self._outcome.verdicts.append((p, self._truth(step) if self._truth else None))


def rollout(
    body: Body,
    policy: Policy,
    goal: str,
    *,
    obs: Observation | None = None,
    budget_s: float = 180.0,
    max_replans: int = 6,
    replan: bool = True,
    realtime: bool = False,
    truth: Callable[[Step], bool] | None = None,
    watches: Sequence[Watch] = (),
) -> Outcome:
    """Plan, act, check, plan again, until done or out of budget. The body is already reset; it is not closed.

    budget_s: of the body's own time.  replan: False carries the first plan through whatever happens.  realtime: keep to the
    wall clock and go on controlling while the policy thinks; else the world waits and the run is repeatable.  truth: the
    simulator's answer to "did this step succeed?", noted beside the policy's own and never shown to it.
    """
    outcome = Outcome()
    started = time.perf_counter()
    rate_hz = body.spec.action.rate_hz
    policy.reset()
    result = loop.run(
        body,
        policy,
        goal,
        watch=Watches([_Notes(outcome, truth), *watches]),
        max_ticks=round(budget_s * rate_hz),
        max_replans=max_replans,
        replan=replan,
        obs=obs,
        clock=RealClock() if realtime else None,
        lockstep=not realtime,
    )
    outcome.reason, outcome.refusal, outcome.error = result.reason, result.refusal, result.error
    outcome.replans, outcome.ticks = result.replans, result.ticks
    outcome.episode_s, outcome.time_s = result.ticks / rate_hz, time.perf_counter() - started
    return outcome
