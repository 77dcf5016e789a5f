"""Drivers of recorded drives: the kinematic baselines, and the Policy that takes any driver through the loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from embodied.drive import decisions, following, kinematics
from embodied.drive.forecast import Driver, Forecast, pack
from embodied.drive.paths import MIDDLES, Floats, unroll
from embodied.drive.state import WINDOW_S, Motion, motion
from embodied.registry import register
from embodied.spec import BodySpec, Channels
from embodied.types import ActionChunk, Observation, Plan, Step

NOMINAL_MPS = 10.0  # where a recording has no speed: the scale of the picture's path, and nothing that is scored
HARD_MPS2 = 4.0


def measured(spec: BodySpec) -> Mapping[str, Channels]:
    """The states of a car. An angle of the steering wheel says nothing without its ratio and goes by the name of `wheel`."""
    ego = spec.states.get("ego")
    if ego is None or spec.facts.get("steer") != "wheel":
        return spec.states
    return {**spec.states, "ego": replace(ego, names=tuple("wheel" if n == "steer" else n for n in ego.names))}


class Kinematic:
    """A path from how the car moves now. Its hazard is that it brakes, what an ego-only signal can know, and where it looks at the
    car ahead (leads) that too."""

    def __init__(
        self, path_of: Callable[[Motion], Floats], window_s: float = WINDOW_S, filtered: bool = False, leads: bool = False
    ) -> None:  # fmt: skip
        self._path_of, self._window_s, self._filtered, self._leads = path_of, window_s, filtered, leads
        self._states: Mapping[str, Channels] = {}

    def begin(self, spec: BodySpec) -> None:
        self._states = measured(spec)

    def __call__(self, obs: Observation) -> Forecast:
        now = motion(obs, self._states, self._window_s, self._filtered)
        if not now.known:
            return Forecast(unroll(np.full_like(MIDDLES, NOMINAL_MPS), np.zeros_like(MIDDLES)))
        path = self._path_of(now)
        said = Forecast(path, decisions.decision(path, now.speed), float(np.clip(-now.accel / HARD_MPS2, 0.0, 1.0)))
        return following.warned(said, now) if self._leads else said


@register("driver", "cv")
def cv() -> Kinematic:
    """Constant velocity."""
    return Kinematic(kinematics.constant_velocity)


@register("driver", "ctrv")
def ctrv() -> Kinematic:
    """Constant turn rate and velocity."""
    return Kinematic(kinematics.constant_turn)


@register("driver", "ctra")
def ctra() -> Kinematic:
    """Constant turn rate and acceleration."""
    return Kinematic(kinematics.constant_turn_and_acceleration)


@register("driver", "bicycle")
def bicycle() -> Kinematic:
    """Constant acceleration and curvature."""
    return Kinematic(kinematics.bicycle)


@register("driver", "relaxing")
def relaxing() -> Kinematic:
    """CTRA whose acceleration and yaw rate go on changing, then fade, behind the car ahead where one is measured; the prior that a
    network corrects."""
    return Kinematic(following.following, kinematics.SLOPES_S, filtered=True, leads=True)


BASELINES = ("cv", "ctrv", "ctra", "bicycle", "relaxing")
LEARNED = ("network", "network-blind", "network-ego")  # policies/drive_network.py


class Driving:
    """embodied.protocols.Policy of a driver: its plan is to drive, its motion one forecast a tick, until nothing new comes."""

    def __init__(self, driver: Driver, spec: BodySpec) -> None:
        self.driver, self._spec, self._dt_s = driver, spec, 1.0 / spec.action.rate_hz
        self.reset()

    def reset(self) -> None:
        self.said: Forecast | None = None
        self._last_s = -np.inf
        self.driver.begin(self._spec)

    def plan(self, obs: Observation, goal: str, done: tuple[Step, ...] = ()) -> Plan:
        return Plan(goal, done or (Step(goal, "drive"),), len(done))

    def act(self, obs: Observation, plan: Plan) -> ActionChunk:
        if obs.t_s <= self._last_s:  # the recording has ended
            return ActionChunk(obs.t_s, self._dt_s, np.zeros((0, 0), np.float32))
        self._last_s = obs.t_s
        self.said = self.driver(obs)
        return ActionChunk(obs.t_s, self._dt_s, pack(self.said)[None])

    def check(self, obs: Observation, step: Step) -> float:
        return 1.0
