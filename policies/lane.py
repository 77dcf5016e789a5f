"""A driver that keeps its lane and its distance by what a car senses of lane and vehicles: the rule that highway-env is driven by.

Lane keeping: the wheel turns to a point ahead on the lane's middle (pure pursuit); distance: the intelligent driver model.
"""

from __future__ import annotations

import numpy as np

from embodied.protocols import Body
from embodied.registry import register
from embodied.types import ActionChunk, Observation, Plan, Step
from policies.drive_expert import LATERAL_MPS2, idm, pursue

REACH_S, LENGTH_M = 0.8, 5.0
WIDE_M = 2.2  # who is less far to the side is in the way


class LaneKeeper:
    """embodied.protocols.Policy on a body with the states ego, lane and around (sim/highway.py)."""

    drives = True

    def __init__(self, body: Body, cruise: float = 25.0) -> None:
        self._body, self._cruise = body, cruise

    def reset(self) -> None: ...

    def plan(self, obs: Observation, goal: str, done: tuple[Step, ...] = ()) -> Plan:
        return Plan(goal, done or (Step(goal, "drive"),), len(done))

    def act(self, obs: Observation, plan: Plan) -> ActionChunk:
        rate_hz = self._body.spec.action.rate_hz
        if getattr(self._body, "ended", ""):
            return ActionChunk(obs.t_s, 1 / rate_hz, np.zeros((0, 2), np.float32))
        speed = float(obs.states["ego"][-1, 0])
        lane = obs.states["lane"][-1].astype(float)
        ahead = lane[2:].reshape(-1, 2)
        reach = np.hypot(*ahead.T)
        aim = ahead[min(int(np.searchsorted(reach, max(6.0, REACH_S * speed))), len(ahead) - 1)]
        wheel = pursue(aim)
        bend = np.abs(2 * ahead[:, 1] / np.maximum(reach, 1.0) ** 2)  # of the circle to each point
        cruise = min(self._cruise, lane[1], float(np.sqrt(LATERAL_MPS2 / np.maximum(bend, 1e-4)).min()))
        accel = idm(speed, cruise)
        for there, ahead, side, forward, sideways in obs.states["around"][-1].reshape(-1, 5).astype(float):
            soon = side + sideways * 1.0  # who moves over is there in a second
            if there and ahead > 0 and min(abs(side), abs(soon)) < WIDE_M:
                accel = min(accel, idm(speed, cruise, max(ahead - LENGTH_M, 0.1), speed + forward))
        return ActionChunk(obs.t_s, 1 / rate_hz, np.array([[accel, wheel]], np.float32))

    def check(self, obs: Observation, step: Step) -> float:
        return 1.0


@register("policy", "lane-keeper")
def lane_keeper(body: Body) -> LaneKeeper:
    """Keeps its lane and its distance; for highway-env."""
    return LaneKeeper(body)
