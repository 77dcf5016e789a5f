"""A path is driven at its own speed and bend; a driver in the seat says velocities."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embodied import registry
from embodied.data.drives import body_spec
from embodied.drive.follow import twist
from embodied.drive.paths import MIDDLES, unroll
from embodied.drive.replay import CLOCK
from embodied.drive.state import HISTORY_S, Past, motion
from embodied.protocols import Policy
from embodied.spec import BodySpec, Channels
from embodied.types import Observation, Plan, Step
from policies.steering import ROWS, Steering

ACTION = Channels(("forward", "left", "turn"), ("m/s", "m/s", "rad/s"), (-9, 0, -2), (9, 0, 2), 20.0)
SPEC = BodySpec("car", {}, {**body_spec("test", 20.0, ("speed", "yaw_rate")).states, "clock": CLOCK}, ACTION)


@given(st.floats(1.0, 20.0), st.floats(-0.3, 0.3))
def test_a_circle_is_driven_at_its_speed_and_turn(speed: float, turn: float) -> None:
    path = unroll(np.full_like(MIDDLES, speed), np.full_like(MIDDLES, turn))
    np.testing.assert_allclose(twist(path, speed), [speed, 0.0, turn], rtol=5e-3, atol=1e-6)


def test_to_stand_is_to_stand() -> None:
    assert not twist(np.zeros((60, 2)), 0.0).any()


def seen(speed: float) -> Observation:
    past = Past()
    for k in range(5):
        past.add(0.05 * k, np.array([speed, 0.0]))
    return Observation(0.2, {}, past.states())


def test_the_past_is_as_long_as_an_observation_carries_and_its_clock_ends_now() -> None:
    past = Past()
    for k in range(200):
        past.add(0.05 * k, np.array([float(k), 0.0]))
    states = past.states()
    assert states["clock"][-1] == 0 and states["clock"][0] == pytest.approx(-HISTORY_S) and states["ego"][-1, 0] == 199
    assert len(states["ego"]) == len(states["clock"]) == round(HISTORY_S * 20) + 1
    assert motion(Observation(0.0, {}, states), SPEC.states).accel == pytest.approx(20.0, rel=1e-4)


def test_any_driver_in_the_seat_says_velocities_and_is_told_its_route() -> None:
    policy = Steering(registry.build("driver", "cruise", speed=6.0), SPEC)
    assert isinstance(policy, Policy)
    plan = policy.plan(seen(0.0), "turn left")
    chunk = policy.act(seen(0.0), plan)
    assert chunk.actions.shape == (ROWS, 3) and not chunk.actions[:, 1:].any()
    assert 0.3 < chunk.actions[0, 0] < 0.7  # half a second at 1 m/s2
    assert policy.act(seen(6.0), plan).actions[0].tolist() == pytest.approx([6.0, 0.0, 0.0])
    resting = Steering(registry.build("driver", "relaxing"), SPEC)
    assert not resting.act(seen(0.0), plan).actions.any()

    class Listens:
        heard: list[str] = []

        def begin(self, spec: BodySpec) -> None:
            self.heard.append(spec.facts.get("task", ""))

    told = Steering(Listens(), SPEC)  # type: ignore[arg-type]
    told.plan(seen(0.0), "turn left")
    assert Listens.heard == ["", "turn left"] and plan == Plan("turn left", (Step("turn left", "drive"),), 0)
