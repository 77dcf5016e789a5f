"""The loop on a toy body: one channel, time in ticks, no wall clock in lockstep."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from embodied import plan as grammar
from embodied.control.clock import SimulatedClock
from embodied.control.loop import Watch, run
from embodied.control.safety import Safety
from embodied.errors import UserError
from embodied.spec import BodySpec, Channels
from embodied.types import ActionChunk, Command, Observation, Plan, Step

ONE = Channels(("x",), ("m",), (-1.0,), (1.0,), 20.0)
STEPS = (grammar.step("pick red block"), grammar.step("put red block on table"))


class ToyBody:
    spec = BodySpec("toy", {}, {"arm": ONE}, ONE)

    def __init__(self) -> None:
        self.x, self.tick, self.sent = 0.0, 0, []

    def reset(self, seed: int | None = None) -> Observation:
        return self.observe()

    def observe(self) -> Observation:
        return Observation(self.tick / 20, {}, {"arm": np.array([[self.x]], np.float32)})

    def apply(self, command: Command) -> Command:
        self.x = float(command.values[0])
        self.tick += 1
        self.sent.append(self.x)
        return command

    def close(self) -> None: ...


class ToyPolicy:
    """Moves x up by 0.01 a row, 5 rows a step; `fails` says how often each check fails first."""

    def __init__(self, fails: int = 0, chunks: int = 1) -> None:
        self.fails, self.chunks, self.given, self.calls = fails, chunks, 0, []

    def reset(self) -> None: ...

    def plan(self, obs: Observation, goal: str, done: tuple[Step, ...] = ()) -> Plan:
        self.calls.append("plan")
        return Plan(goal, STEPS, len(done))

    def act(self, obs: Observation, plan: Plan) -> ActionChunk:
        self.calls.append("act")
        x = obs.states["arm"][-1, 0]
        self.given = (self.given + 1) % (self.chunks + 1)
        rows = x + 0.01 * np.arange(1, 6)[:, None] if self.given else np.zeros((0, 1))
        return ActionChunk(obs.t_s, 0.05, rows.astype(np.float32))

    def check(self, obs: Observation, step: Step) -> float:
        self.calls.append("check")
        self.fails -= 1
        return 0.1 if self.fails >= 0 else 0.9


class Diary(Watch):
    def __init__(self) -> None:
        self.words = []

    def planned(self, plan, obs, seconds):
        self.words.append("planned")

    def began(self, plan):
        self.words.append(f"began {plan.at}")

    def ticked(self, command, obs):
        self.words.append("tick" if obs is None else "tick seen")

    def checked(self, step, p, obs):
        self.words.append(f"checked {p}")

    def replanned(self, plan, reason):
        self.words.append(f"replanned {reason}")

    def ended(self, reason):
        self.words.append(reason)


def test_plan_act_check_advance():
    body, policy, diary = ToyBody(), ToyPolicy(), Diary()
    result = run(body, policy, "tidy", watch=diary)
    assert (result.reason, result.replans, result.ticks) == ("finished", 0, 10)
    assert result.plan.finished and body.sent == pytest.approx(np.arange(1, 11) * 0.01)
    assert policy.calls == ["plan", *["act", "act", "check"] * 2, "plan"]
    assert diary.words == ["planned", *["began 0", *["tick"] * 5, "checked 0.9"], *["began 1", *["tick"] * 5, "checked 0.9"],
                           "planned", "finished"]  # fmt: skip
    assert [e["step"] for e in result.log if e["event"] == "checked"] == [s.text for s in STEPS]
    assert run(ToyBody(), ToyPolicy(), "tidy", confirm=False).log[-1]["event"] == "checked"


def test_a_failed_step_is_planned_and_done_again():
    policy, diary = ToyPolicy(fails=2), Diary()
    result = run(ToyBody(), policy, "tidy", watch=diary)
    assert (result.reason, result.replans, result.ticks) == ("finished", 2, 20)
    assert sum(w.startswith("replanned pick red block: not achieved") for w in diary.words) == 2


def test_without_replanning_the_first_plan_is_carried_out():
    policy = ToyPolicy(fails=99)
    result = run(ToyBody(), policy, "tidy", replan=False)
    assert (result.reason, result.replans, result.ticks, policy.calls.count("plan")) == ("finished", 0, 10, 1)


def test_budgets_end_the_run():
    body = ToyBody()
    assert run(body, ToyPolicy(), "tidy", max_ticks=7).reason == "budget"
    assert body.sent[-1] == body.sent[-2], "told to stand still"
    assert run(ToyBody(), ToyPolicy(fails=99), "tidy", max_replans=3).reason == "replans"


def test_a_refusal_moves_nothing():
    class No(ToyPolicy):
        def plan(self, obs, goal, done=()):
            return Plan(goal, (), 0, "no red block here")

    body = ToyBody()
    result = run(body, No(), "tidy")
    assert (result.reason, result.refusal, set(body.sent)) == ("refused", "no red block here", {0.0})


def test_a_refusal_later_on_keeps_the_plan():
    class Blinks(ToyPolicy):
        def plan(self, obs, goal, done=()):
            first = not self.calls
            plan = super().plan(obs, goal, done)
            return plan if first else Plan(goal, done, len(done), "no red block here")

    result = run(ToyBody(), Blinks(fails=1), "tidy")
    assert (result.reason, result.replans, result.ticks, result.refusal) == ("finished", 1, 15, "")


@pytest.mark.parametrize("lockstep", [True, False])
@pytest.mark.parametrize("where", ["plan", "act", "check"])
def test_whatever_a_policy_raises_the_body_holds(where, lockstep):
    policy, body = ToyPolicy(), ToyBody()

    def burst(*_):
        raise RuntimeError("burst")

    setattr(policy, where, burst)
    result = run(body, policy, "tidy", lockstep=lockstep)
    assert result.reason == "stopped" and result.error == "policy: RuntimeError: burst"
    assert body.sent[-1] == pytest.approx(body.sent[-2] if len(body.sent) > 1 else 0.0)

    def mistake(*_):
        raise UserError("say it otherwise")

    setattr(policy, where, mistake)
    with pytest.raises(UserError):
        run(body, policy, "tidy", lockstep=lockstep)
    assert body.sent[-1] == body.sent[-2]


def test_a_command_that_is_not_finite_stops_the_run():
    class Sick(ToyPolicy):
        def act(self, obs, plan):
            return ActionChunk(obs.t_s, 0.05, np.full((3, 1), np.nan, np.float32))

    body = ToyBody()
    result = run(body, Sick(), "tidy")
    assert result.reason == "stopped" and result.error.startswith("nan") and body.sent == [0.0]


def test_the_stop_flag_stops_and_observations_reach_the_recorder():
    body, diary = ToyBody(), Diary()
    safety = Safety(body.spec, stop=lambda: body.tick >= 3)
    result = run(body, ToyPolicy(), "tidy", safety=safety, watch=diary, every_tick=True)
    assert (result.reason, result.error) == ("stopped", "stop")
    assert diary.words.count("tick seen") == 4 and body.sent[-1] == body.sent[-2]


def test_chunks_follow_each_other_within_a_step_and_the_policy_hears_what_is_left():
    class Ahead(ToyPolicy):
        heard = []

        def upcoming(self, chunk):
            self.heard.append(len(chunk.actions))

    policy = Ahead(chunks=2)
    result = run(ToyBody(), policy, "tidy", execute_rows=3, confirm=False)
    assert result.ticks == 2 * 2 * 3
    assert policy.heard == [0, 2, 2] * 2


def test_thinking_beside_control_goes_on_with_the_chunk_then_holds():
    class Slow(ToyPolicy):
        """Thinks until the body has made 4 more ticks."""

        def act(self, obs, plan):
            before = body.tick
            while body.tick < before + 4:
                threading.Event().wait(0.0005)
            return super().act(obs, plan)

    body = ToyBody()
    beside = {"lockstep": False, "max_ticks": 10**7}  # simulated time may run far ahead of a thread that has to wait
    result = run(body, Slow(chunks=2), "tidy", execute_rows=3, clock=SimulatedClock(), confirm=False, **beside)
    assert result.reason == "finished"
    assert body.sent[:4] == [0.0] * 4, "no chunk yet: held"
    first = next(k for k, x in enumerate(body.sent) if x > 0)
    assert body.sent[first : first + 5] == pytest.approx([0.01, 0.02, 0.03, 0.04, 0.05]), "rows 4 and 5 while thinking"
    assert body.sent[first + 5] == pytest.approx(0.05), "then held"


def test_a_tick_that_came_late_is_not_made_up_for_in_a_burst():
    class Slow(SimulatedClock):
        ticks = []

        def sleep_until(self, t_s):
            later = super().sleep_until(t_s)
            if len(self.ticks) == 10:
                self.pass_s(0.2)
            self.ticks.append(self.time_s)
            return later

    clock = Slow()
    run(ToyBody(), ToyPolicy(chunks=50), "tidy", clock=clock, max_ticks=30)
    gaps = np.diff(clock.ticks)
    assert gaps.max() == pytest.approx(0.25) and gaps.min() > 0.024


class SlowBody(ToyBody):
    """Goes 0.004 a tick, and says so; at 0.025 it is blocked."""

    spec = BodySpec("slow", {}, {"arm": ONE}, ONE, speeds={"x": 0.08})
    end = 1.0

    def apply(self, command: Command) -> Command:
        self.asked = [*getattr(self, "asked", []), round(float(command.values[0]), 6)]
        x = min(self.end, self.x + np.clip(command.values[0] - self.x, -0.004, 0.004))
        return super().apply(Command(command.t_s, np.array([x], np.float32)))


class Late(SimulatedClock):
    """One tick comes four ticks late."""

    def sleep_until(self, t_s):
        later = super().sleep_until(t_s)
        if 0.29 < self.time_s < 0.31:
            self.pass_s(0.2)
        return later


@pytest.mark.parametrize("clock", [SimulatedClock, Late])
def test_a_body_that_says_its_speed_gets_every_row_once_it_has_reached_the_one_before(clock):
    body = SlowBody()
    result = run(body, ToyPolicy(), "tidy", clock=clock(), confirm=False)
    ahead = np.array(body.asked) - [0, *body.sent[:-1]]
    assert result.reason == "finished" and ahead.max() <= 0.014 + 1e-6  # a row further than what is near enough
    assert list(dict.fromkeys(body.asked))[:5] == [0.01, 0.02, 0.03, 0.04, 0.05] and body.sent[-1] > 0.09
    closed_loop = SlowBody()
    run(closed_loop, ToyPolicy(), "tidy", confirm=False, execute_rows=5)
    assert len(closed_loop.asked) == 10, "what looks again by itself is not waited for"


def test_a_body_that_gets_no_nearer_gives_the_motion_up():
    body = SlowBody()
    body.end = 0.025
    result = run(body, ToyPolicy(), "tidy", confirm=False)
    assert [e["event"] for e in result.log].count("stuck") == 2 and max(body.asked[:40]) <= 0.04
    assert [e["event"] for e in result.log].count("checked") == 2 and result.ticks < 80


def test_a_body_that_asks_hears_what_will_follow_as_far_as_it_would_pass() -> None:
    class Told(ToyBody):
        heard: list[list[float]] = []

        def upcoming(self, rows: np.ndarray) -> None:
            assert len(self.heard) == len(self.sent)
            self.heard.append(rows[:, 0].tolist())

    class Wild(ToyPolicy):
        def act(self, obs: Observation, plan: Plan) -> ActionChunk:
            chunk = super().act(obs, plan)
            if len(chunk.actions):
                chunk.actions[4] = np.nan if plan.at else 0.9  # no number; faster than it may go
            return chunk

    for policy, ends in ((ToyPolicy(), [4, 3, 2, 1, 0]), (Wild(), [3, 2, 1, 0, 0])):
        body = Told()
        body.heard = []
        run(body, policy, "go", confirm=False)
        assert [len(rows) for rows in body.heard[:5]] == ends
        for k, rows in enumerate(body.heard[:4]):
            assert body.sent[k + 1 : k + 1 + len(rows)] == pytest.approx(rows)
    stopped = Told()
    stopped.heard = []
    safety = Safety(ToyBody.spec, stop=lambda: len(stopped.sent) == 2)
    assert run(stopped, ToyPolicy(), "go", safety=safety).reason == "stopped"
    assert [len(rows) for rows in stopped.heard] == [4, 3, 0], "nothing follows a stop"
