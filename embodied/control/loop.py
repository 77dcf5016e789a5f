"""The loop that every body and policy share: observe, plan, act, look, check; advance or plan again.

In lockstep the world stands still while the policy thinks (simulation; deterministic). Otherwise the policy thinks in
one worker thread, and control goes on at its rate meanwhile: the rest of the chunk, then holding the pose.

A chunk that is played to its end is played with closed eyes. To a body that says its speeds (BodySpec.speeds) its rows are sent one
by one, each when the one before is reached: so that no corner is cut and no finger closes early when the body is slower than
the chunk, or a tick comes late. A body that gets no nearer gives the motion up, and the step is checked as it stands.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from concurrent.futures import wait
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from embodied.control.beside import Beside
from embodied.control.chunks import Blend, Seam
from embodied.control.clock import SimulatedClock
from embodied.control.safety import GRIPPER, Safety
from embodied.errors import UserError
from embodied.protocols import Body, Clock, Policy
from embodied.types import ActionChunk, Command, Floats, Observation, Plan, Step

T = TypeVar("T")
QUICK_S = 0.004  # s that the next command may wait for an answer of the policy
NEAR = {"m": 0.004, "rad": 0.05}  # how far a body that says its speeds may be behind a row when the next one comes
PATIENCE_S = 1.0  # without getting nearer, after which such a body is stuck
AHEAD = 4  # rows that a body is told of beyond the one it is sent


class Watch:
    """Follows a run; every method may be overridden, none has to be."""

    def planned(self, plan: Plan, obs: Observation, seconds: float) -> None: ...
    def began(self, plan: Plan) -> None:
        """The motion of plan.current starts."""

    def ticked(self, command: Command, obs: Observation | None) -> None:
        """After every body.apply. command: what was really sent. obs: what it answered, with every_tick, else None."""

    def checked(self, step: Step, p: float, obs: Observation) -> None: ...
    def replanned(self, plan: Plan, reason: str) -> None: ...
    def ended(self, reason: str) -> None: ...


@dataclass
class Result:
    """How a run ended.

    reason: "finished" (the policy says so), "refused" (the first plan was), "budget" (ticks), "replans", or "stopped"
    (a fault; see error).
    log: one dict per event with "event", "tick", "step" and what belongs to it ("ms", "p").
    """

    reason: str
    plan: Plan
    replans: int
    ticks: int
    refusal: str = ""
    error: str = ""
    log: list[dict[str, Any]] = field(default_factory=list)


class _End(Exception):
    """Leaves the loop for a reason."""

    def __init__(self, reason: str, error: str = "") -> None:
        super().__init__(reason)
        self.reason, self.error = reason, error


def run(
    body: Body,
    policy: Policy,
    goal: str,
    *,
    obs: Observation | None = None,
    clock: Clock | None = None,
    safety: Safety | None = None,
    watch: Watch | None = None,
    seam: Seam | None = None,
    max_ticks: int = 3000,
    max_replans: int = 6,
    replan: bool = True,
    confirm: bool = True,
    threshold: float = 0.5,
    execute_rows: int | None = None,
    lockstep: bool = True,
    every_tick: bool | None = None,
    log: bool = True,
) -> Result:
    """Carry out `goal` on a body that has been reset (obs: its newest observation, by default asked for).

    max_ticks: commands in all.  max_replans: failed steps in all.
    replan: False carries out the first plan to its end whatever the checks say (to compare).
    confirm: when all steps are done, ask for a plan once more and go on if it has further steps.
    threshold: a step has succeeded when policy.check is at least this.
    execute_rows: rows of each chunk to execute before asking for the next one; None: what the policy's own `execute_rows`
    says, and all where it says nothing.
    every_tick: observe after every command (recorders; real bodies); by default only when not in lockstep.
    log: False keeps no events, for runs of hours.
    A policy with a method `upcoming(chunk)` is told the rows still to be executed before each `act`; a body with a method
    `upcoming(rows)` is told before each `apply` which rows (k, a) will follow if nothing changes, so that it need not stand still
    when a tick comes late.

    Whatever the policy raises, the body is told to hold, and the run ends as "stopped" (a UserError is raised on).
    """
    return _Run(
        body, policy, goal, clock, safety, watch or Watch(), seam, max_ticks, max_replans, replan, confirm, threshold,
        execute_rows, lockstep, not lockstep if every_tick is None else every_tick, log,
    ).go(obs)  # fmt: skip


@dataclass
class _Run:
    body: Body
    policy: Policy
    goal: str
    clock: Clock | None
    safety: Safety | None
    watch: Watch
    seam: Seam | None
    max_ticks: int
    max_replans: int
    replan: bool
    confirm: bool
    threshold: float
    execute_rows: int | None
    lockstep: bool
    every_tick: bool
    log: bool

    def go(self, obs: Observation | None) -> Result:
        self.obs = self.body.observe() if obs is None else obs
        self.time: Clock = self.clock or SimulatedClock(self.obs.t_s)
        self.filter = self.safety or Safety(self.body.spec, stale_s=0.5 if self.every_tick else float("inf"))
        action = self.body.spec.action
        self.dt_s = 1.0 / action.rate_hz
        periods = np.array([np.pi if name == "yaw" else np.inf for name in action.names])
        self.rows: Seam = self.seam or Blend(periods=periods)
        self.woke_s = self.time.now_s()  # when this tick began
        # In step with the body's own observations from the first tick on.
        missed = round((self.woke_s - self.obs.t_s) * action.rate_hz)
        self.next_s = self.obs.t_s + missed * self.dt_s
        self.held: Floats | None = None
        self.tell: Callable[[Floats], None] | None = getattr(self.body, "upcoming", None)
        waited = self.body.spec.speeds.keys() - {GRIPPER}  # fingers stop at what they hold
        channels = zip(action.names, action.units, strict=True)
        self.near = np.array([NEAR.get(unit, np.inf) if name in waited else np.inf for name, unit in channels])
        self._play(False, self.woke_s)
        self.result = Result("", Plan(self.goal, ()), 0, 0)
        self.worker = None if self.lockstep else Beside("policy")
        try:
            self._steps()
            self.result.reason = "finished"
        except _End as end:
            self.result.reason, self.result.error = end.reason, end.error
        except BaseException:
            with contextlib.suppress(Exception):  # the body itself may be what failed
                self._stand_still("interrupted")
            raise
        finally:
            if self.worker is not None:
                self.worker.close()
        self.watch.ended(self.result.reason)
        return self.result

    def _steps(self) -> None:
        self._plan(())
        while True:
            plan = self.result.plan
            if plan.finished:
                if not (self.confirm and self.replan and plan.steps):
                    return
                self._look()
                self._plan(plan.steps, again=True)
                if self.result.plan.finished:
                    return
                self._count_replan("something else is not as wanted")
                continue
            self.watch.began(plan)
            self._note("began")
            self._move(plan)
            self._look()
            p, ms = self._think(self.policy.check, self.obs, plan.current)
            self._note("checked", p=float(p), ms=ms)
            self.watch.checked(plan.current, float(p), self.obs)
            if p >= self.threshold or not self.replan:
                self.result.plan = plan.advanced()
                continue
            reason = f"{plan.current.text}: not achieved (p = {p:.2f})"
            self._plan(plan.done, again=True)
            self._count_replan(reason)

    def _plan(self, done: tuple[Step, ...], again: bool = False) -> None:
        """Ask for a plan. again: not the first time; a refusal then does not end the run (things do not vanish, they
        are overlooked): the plan before stays."""
        plan, ms = self._think(self.policy.plan, self.obs, self.goal, done)
        self._note("planned", steps=[s.text for s in plan.steps[plan.at :]], ms=ms, refusal=plan.refusal)
        if plan.refusal and again:
            return
        self.result.plan = plan
        self.watch.planned(plan, self.obs, ms / 1000)
        if plan.refusal:
            self.result.refusal = plan.refusal
            self._stand_still()
            raise _End("refused")

    def _count_replan(self, reason: str) -> None:
        self.result.replans += 1
        self._note("replanned", reason=reason)
        if self.result.replans > self.max_replans:
            self._stand_still()
            raise _End("replans")
        self.watch.replanned(self.result.plan, reason)

    def _move(self, plan: Plan) -> None:
        """Chunk after chunk until the policy says that the step's motion has ended."""
        self.rows.clear()
        while True:
            if (tell := getattr(self.policy, "upcoming", None)) is not None:
                tell(self.rows.left(self._due_s(self.time.now_s())))
            chunk, ms = self._think(self.policy.act, self.obs, plan)
            self._note("acted", rows=len(chunk.actions), ms=ms)
            if chunk.ended:
                return
            now = self.time.now_s()
            if self.rows.due(self._due_s(now)) is None:  # the body has been waiting: nothing is late yet
                chunk = ActionChunk(now, chunk.dt_s, chunk.actions)
            self.rows.add(chunk, now)
            rows = getattr(self.policy, "execute_rows", None) if self.execute_rows is None else self.execute_rows
            self._play(rows is None, now)
            count = len(chunk.actions) if rows is None else rows
            while count > 0 and self._tick():
                count -= not self.lags
            self._look()

    def _play(self, whole: bool, now: float) -> None:
        """A chunk begins. whole: it is played to its end."""
        self.waits, self.lags = whole and bool(np.isfinite(self.near).any()), False
        self.row_s = now  # of the row to send, where rows are waited for
        self.nearest, self.since_s = np.inf, now  # how near the body has come to the row that it lags behind, and when

    def _due_s(self, now: float) -> float:
        """The moment whose row is to be sent."""
        return self.row_s if self.waits else now

    def _follow(self, far: float, now: float) -> None:
        """A row was sent, and the body is `far` from it, 1 where that is near enough: the next one, or the same again."""
        self.lags = far > 1.0
        if not self.lags:
            self.row_s, self.nearest = self.row_s + self.dt_s, np.inf
        elif far < self.nearest:
            self.nearest, self.since_s = far, now
        elif now - self.since_s > PATIENCE_S:
            self._note("stuck")
            self.rows.clear()

    def _tick(self) -> bool:
        """One command: the row that is due, or holding still. False when no row was due any more."""
        if self.result.ticks >= self.max_ticks:
            self._stand_still()
            raise _End("budget")
        now = self.time.now_s()
        row = self.rows.due(self._due_s(now))
        if row is None:
            self.held = self.filter.hold(self.obs) if self.held is None else self.held
        else:
            self.held = None
        far = self._send(self.held if row is None else row, now)
        if row is not None and self.waits:
            self._follow(far, now)
        if self.filter.fault:
            raise _End("stopped", self.filter.fault)
        return row is not None

    def _send(self, values: Floats | None, now: float) -> float:
        """How far what was really sent is from that, 1 where it is near enough, if rows are waited for."""
        assert values is not None
        before = self.obs
        asked = self.filter.filter(values, self.obs, now, self.dt_s)
        if self.tell is not None:
            still = self.held is not None or self.filter.fault  # nothing follows a hold
            following = self.rows.left(self._due_s(now) + self.dt_s).actions[: 0 if still else AHEAD]
            self.tell(self.filter.passing(following, asked, self.dt_s))
        sent = self.body.apply(Command(now, asked))
        self.result.ticks += 1
        self.watch.ticked(sent, before if self.every_tick else None)
        late = now > self.next_s + self.dt_s / 2  # what was missed is not made up for
        self.next_s = (now if late else self.next_s) + self.dt_s
        self.next_s += self.time.sleep_until(self.next_s)
        self.woke_s = self.time.now_s()
        if self.every_tick:
            self.obs = self.body.observe()
        return float(np.linalg.norm((asked - sent.values) / self.near)) if self.waits else 0.0

    def _look(self) -> None:
        if not self.every_tick:
            self.obs = self.body.observe()

    def _stand_still(self, fault: str = "") -> None:
        """Tell the body once to stay where it is measured."""
        if fault:
            self.filter.trip(fault, self.obs)
        if not self.every_tick:
            self.obs = self.body.observe()
        self.body.apply(Command(self.time.now_s(), self.filter.hold(self.obs)))
        self.result.ticks += 1

    def _think(self, call: Callable[..., T], *inputs: Any) -> tuple[T, float]:
        """The policy's answer and how long it took, ms; without lockstep, control goes on meanwhile."""
        start = time.perf_counter()
        try:
            if self.worker is None:
                answer = call(*inputs)
            else:
                waiting = self.worker.submit(call, *inputs)
                # Holding still for a tick would cost more than such an answer.
                wait([waiting], max(0.0, self.woke_s + QUICK_S - self.time.now_s()))
                while not waiting.done():
                    self._tick()
                answer = waiting.result()
        except (_End, UserError):
            raise
        except Exception as error:  # the policy's own failure must not leave the body moving
            self._stand_still(f"policy: {type(error).__name__}: {error}")
            raise _End("stopped", self.filter.fault) from error
        return answer, (time.perf_counter() - start) * 1000

    def _note(self, event: str, **more: Any) -> None:
        if not self.log:
            return
        plan = self.result.plan
        step = "" if plan.finished else plan.current.text
        self.result.log.append({"event": event, "tick": self.result.ticks, "step": step, **more})
