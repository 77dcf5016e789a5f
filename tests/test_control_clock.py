"""Ticks and a world's own rate: in step with it, as steady as can be."""

from __future__ import annotations

import numpy as np
import pytest

from embodied import plan as grammar
from embodied.control.clock import AFTER_S, NewsClock
from embodied.control.loop import run
from embodied.control.safety import Safety
from embodied.spec import BodySpec, Channels
from embodied.types import ActionChunk, Command, Observation, Plan, Step

ONE = Channels(("x",), ("m",), (-1.0,), (1.0,), 20.0)


class Still:
    """A body, and the policy that holds it still for ever."""

    spec = BodySpec("toy", {}, {"arm": ONE}, ONE)

    def reset(self, seed: int | None = None) -> Observation:
        return self.observe()

    def observe(self) -> Observation:
        return Observation(0.0, {}, {"arm": np.zeros((1, 1), np.float32)})

    def apply(self, command: Command) -> Command:
        return command

    def close(self) -> None: ...

    def plan(self, obs: Observation, goal: str, done: tuple[Step, ...] = ()) -> Plan:
        return Plan(goal, (grammar.step("pick red block"),))

    def act(self, obs: Observation, plan: Plan) -> ActionChunk:
        return ActionChunk(obs.t_s, 0.05, np.zeros((1, 1), np.float32))

    def check(self, obs: Observation, step: Step) -> float:
        return 1.0


class Rhythm(NewsClock):
    """Simulated time, and a body with a rate of its own: news at phase + k period, each up to `shaken` s before or after."""

    def __init__(self, period: float, phase: float, shaken: float = 0.0) -> None:
        super().__init__(0.0125)
        self.period, self.phase, self.shaken, self.ticks, self.time_s, self.told = period, phase, shaken, [], 0.0, 0

    def now_s(self) -> float:
        return self.time_s

    def next_s(self) -> float:
        return self.phase + self.told * self.period + self.shaken * np.sin(7.0 * self.told)

    def come(self, until_s: float) -> None:
        while self.next_s() <= until_s:
            self.time_s = self.next_s()
            self.told += 1
            self.tell()

    def sleep(self, t_s: float) -> None:
        self.come(t_s)
        self.time_s = max(self.time_s, t_s)

    def heard(self, since_s: float, until_s: float) -> float:
        if self._at_s < since_s:
            self.come(min(until_s, self.next_s()))
            self.time_s = self.time_s if self._at_s >= since_s else until_s
        self.ticks.append(self.time_s)
        return self._at_s


def ticks(clock: Rhythm) -> np.ndarray:
    body, blind = Still(), Safety(Still.spec, stale_s=1e9)
    run(body, body, "tidy", clock=clock, max_ticks=400, every_tick=True, safety=blind)
    return np.array(clock.ticks[40:])


@pytest.mark.parametrize("period", [0.05, 0.02, 0.002])
@pytest.mark.parametrize("phase", [0.0, 0.007, 0.031])
def test_ticks_fall_in_step_with_a_body_that_has_a_rate_of_its_own_and_keep_theirs(period, phase):
    came = ticks(Rhythm(period, phase))
    late = (came - phase + period / 2) % period - period / 2
    wanted = AFTER_S if period == 0.05 else 0.0
    assert np.abs(late - wanted).max() < 1e-3, "every tick begins with news, or a little after it"
    assert np.diff(came).mean() == pytest.approx(0.05, rel=0.01)
    assert np.abs(np.diff(came) - 0.05).max() < 0.0101


def test_news_that_are_early_or_late_by_a_little_move_no_tick_and_later_ones_are_waited_for():
    little, much = (np.diff(ticks(Rhythm(0.05, 0.01, shaken))) for shaken in (0.003, 0.010))
    assert np.abs(little - 0.05).max() < 0.0016 and 0.005 < np.abs(much - 0.05).max() < 0.016
