"""A driver in the seat of a vehicle that takes velocities; and the plainest driver that starts from rest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from embodied.drive.follow import twist
from embodied.drive.forecast import Driver
from embodied.drive.paths import MIDDLES, Floats, unroll
from embodied.drive.state import Motion
from embodied.registry import register
from embodied.spec import BodySpec
from embodied.types import ActionChunk, Observation, Plan, Step
from policies.drivers import Driving, Kinematic

ROWS = 10  # ticks that a forecast is driven on when no newer one comes; then the vehicle stands
GAIN_MPS2 = 1.0


class Steering(Driving):
    """embodied.protocols.Policy of any driver on a body whose action is forward, left, turn (m/s, m/s, rad/s). It drives until it
    is told to stop; its forecast is asked for anew at every tick.  said: the newest forecast."""

    execute_rows = 1

    def __init__(self, driver: Driver, spec: BodySpec) -> None:
        super().__init__(driver, spec)
        self._speed = spec.states["ego"].names.index("speed")

    def plan(self, obs: Observation, goal: str, done: tuple[Step, ...] = ()) -> Plan:
        """The goal is the driver's route command."""
        self.driver.begin(replace(self._spec, facts={**self._spec.facts, "task": goal}))
        return super().plan(obs, goal, done)

    def act(self, obs: Observation, plan: Plan) -> ActionChunk:
        self.said = self.driver(obs)
        row = twist(self.said.path, float(obs.states["ego"][-1, self._speed]))
        return ActionChunk(obs.t_s, self._dt_s, row.astype(np.float32)[None].repeat(ROWS, 0))


@register("driver", "cruise")
def cruise(speed: float = 5.0) -> Kinematic:
    """Straight on, at a steady speed (m/s): sees nothing, and is there to try a vehicle with."""

    def path_of(now: Motion) -> Floats:
        gained = now.speed + np.clip(speed - now.speed, -GAIN_MPS2 * MIDDLES, GAIN_MPS2 * MIDDLES)
        return unroll(gained, np.zeros_like(MIDDLES))

    return Kinematic(path_of)
