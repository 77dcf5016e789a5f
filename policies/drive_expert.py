"""The scripted driver: pure pursuit for the wheel, the intelligent driver model for the pedals. It sees the simulator's facts.

Pure pursuit: Coulter 1992, CMU-RI-TR-92-01. IDM: Treiber, Hennecke & Helbing 2000, Phys. Rev. E 62, 1805, equations 1-3.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from embodied.drive.following import Idm
from embodied.registry import register
from embodied.types import ActionChunk, Observation, Plan, Step

LOOK_S, LOOK_M = 0.75, (4.0, 14.0)  # how far ahead the wheel aims, by speed, within bounds
LATERAL_MPS2, COMFORT_MPS2, GAS_MPS2, HARD_MPS2 = 2.2, 2.5, 1.8, 8.0
HEADWAY_S, GAP_M = 1.2, 2.5  # IDM
WHEELBASE_M, NOSE_M, TAIL_M = 2.7, 3.55, 0.85  # rear axle to front and rear bumper
ALERT_S = 3.0
YIELD_M, LANE_HALF_M = 3.0, 2.3  # stop before a crossing person; how wide the way is that must be free of them


def idm(speed: float, wanted: float, gap_m: float = np.inf, their_speed: float = 0.0) -> float:
    """Acceleration, m/s^2, towards `wanted` behind something gap_m ahead (bumper to bumper)."""
    return Idm(HEADWAY_S, GAS_MPS2, COMFORT_MPS2, GAP_M, max(wanted, 0.1))(speed, gap_m, speed - their_speed)


def pursue(point: NDArray[np.floating]) -> float:
    """Pure pursuit: the angle of the road wheels (rad) whose circle goes through a point (2,) of the vehicle frame."""
    return float(np.arctan2(2 * WHEELBASE_M * point[1] / np.hypot(*point), np.hypot(*point)))


class DriveExpert:
    """embodied.protocols.Policy on a body with road, traffic, car and s (sim.drive.DriveBody).

    late_s: reacts to people and cars only once a collision is that near; for recordings with near misses."""

    def __init__(self, body: Any, late_s: float = np.inf) -> None:
        self.body, self.late_s = body, late_s
        self.reset()

    drives = True

    def reset(self) -> None:
        self._alert_s = -np.inf  # until when a late driver is awake

    def plan(self, obs: Observation, goal: str, done: tuple[Step, ...] = ()) -> Plan:
        return Plan(goal, done or (Step(goal, "drive"),), len(done))

    def act(self, obs: Observation, plan: Plan) -> ActionChunk:
        rows = np.zeros((0, 2)) if self.body.ended else self.command()[None]
        return ActionChunk(obs.t_s, 1 / self.body.spec.action.rate_hz, rows.astype(np.float32))

    def check(self, obs: Observation, step: Step) -> float:
        return float(self.body.success())

    def command(self) -> np.ndarray:
        """(accel, steer) for now."""
        return np.array([self._pedals(), self._wheel()])

    def _wheel(self) -> float:
        car, route = self.body.car, self.body.road.route
        reach = float(np.clip(LOOK_S * car.speed, *LOOK_M))
        x, y, _ = route.at(self.body.s + reach)
        c, s = np.cos(car.yaw), np.sin(car.yaw)
        return pursue(np.array([[c, s], [-s, c]]) @ (x - car.x, y - car.y))

    def _pedals(self) -> float:
        car, route, traffic, s = self.body.car, self.body.road.route, self.body.traffic, self.body.s
        ahead = np.arange(0.0, 40.0, 1.0)
        bend = np.abs(np.interp(s + ahead, np.arange(len(route.curvature)) * 0.5, route.curvature))
        # what may be driven here so that every bend ahead can be reached at its own speed
        bends = LATERAL_MPS2 / np.maximum(bend, 1e-4)
        wanted = min(self.body.cruise, float(np.sqrt(bends + 2 * 1.5 * np.maximum(ahead - 2.0, 0.0)).min()))
        options = [idm(car.speed, wanted)]
        if self.late_s < np.inf:
            if self.body.danger()[0] <= self.late_s:
                self._alert_s = self.body.now_s + ALERT_S
            if self.body.now_s > self._alert_s and car.speed > 1.0:
                return options[0]
        if traffic.lead is not None and traffic.lead.s - TAIL_M > s:
            options.append(idm(car.speed, wanted, traffic.lead.s - TAIL_M - s - NOSE_M, traffic.lead.speed))
        if traffic.standing is not None:
            options.append(idm(car.speed, wanted, traffic.standing[0] - TAIL_M - s - NOSE_M))
        for person in traffic.people:
            stop_in = person.s - YIELD_M - s - NOSE_M + GAP_M
            if person.s - 0.4 > s + NOSE_M and self._in_the_way(person, person.s - s - NOSE_M, car.speed):
                options.append(idm(car.speed, wanted, stop_in))
                need = car.speed**2 / (2 * max(person.s - 1.2 - s - NOSE_M, 0.1))
                if need > COMFORT_MPS2:  # IDM would be too gentle for one who steps out close by
                    options.append(-min(HARD_MPS2, 1.3 * need + 0.5))
        return min(options)

    @staticmethod
    def _in_the_way(person: Any, away_m: float, speed: float) -> bool:
        """Whether a walking person is in the lane, or will be before the car has passed."""
        if not person.walking or person.over:
            return False
        to_go = person.left * person.side  # positive: not yet at the middle of the lane
        if to_go < -LANE_HALF_M:
            return False
        enters_s = max(0.0, (to_go - LANE_HALF_M) / person.pace)
        passed_s = (away_m + NOSE_M + TAIL_M + 1.0) / max(speed, 1.0)
        return enters_s < passed_s + 0.8


@register("policy", "road-expert")
def road_expert(world: Any) -> DriveExpert:
    """The scripted driver, which sees the simulator's facts; on the simulator's road only."""
    return DriveExpert(world)
