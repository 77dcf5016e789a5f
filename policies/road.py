"""The network in the driver's seat: its path for the wheel, its speed, decision and hazard for the pedals. No fact of the
simulator.

The wheel follows the path by pure pursuit (policies/drive_expert.py), the pedals its speed. Where the network says that it stops,
the car is not let roll on; where it says that a collision comes, the car brakes so that it stands before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from embodied.drive.forecast import Forecast
from embodied.drive.paths import RATE_HZ, Floats
from embodied.protocols import Body
from embodied.registry import register
from embodied.types import ActionChunk, Observation, Plan, Step
from policies.drive_expert import HARD_MPS2, LOOK_M, LOOK_S, pursue

if TYPE_CHECKING:
    from policies.drive_network import Network

AHEAD_S, HALF = 0.9, 2  # where on the path the wanted speed is read; rows before and after it that make a mean
TICKS = 2  # for which a look serves: 10 looks a second, as in the training's drives
STAND_MPS = 0.3
CRAWL_MPS = (
    2.5  # up to which no hazard brakes: who crawls follows the path, or he would stand for ever behind what stands
)
# The hazard that brakes; how much sooner than said and how far before it the car shall stand; how much harder than just enough.
# In the collisions looked at (training seeds 950007, 950008) the time to collision was said 0.5 to 1.5 s too long.
ALARM, EARLY_S, CLEAR_M, FIRM = 0.5, 0.7, 2.0, 1.3


def aim(path: Floats, reach_m: float) -> Floats:
    """(2,) the point of a path (n, 2) whose way from the car is reach_m; straight on beyond a short one's end."""
    line = np.vstack([[0.0, 0.0], path])
    steps = np.hypot(*np.diff(line, axis=0).T)
    way = np.append(0.0, np.cumsum(steps))
    if way[-1] < 0.5:
        return np.array([reach_m, 0.0])
    if way[-1] >= reach_m:
        return np.array([np.interp(reach_m, way, line[:, k]) for k in (0, 1)])
    moved = np.flatnonzero(way <= way[-1] - min(0.5, way[-1] / 2))[-1]
    last = line[-1] - line[moved]
    return line[-1] + last / max(float(np.hypot(*last)), 1e-6) * (reach_m - way[-1])


def pedals(said: Forecast, speed: float) -> float:
    """Acceleration, m/s^2."""
    way = np.cumsum(np.hypot(*np.diff(np.vstack([[0.0, 0.0], said.path]), axis=0).T))
    k = round(AHEAD_S * RATE_HZ) - 1
    wanted = (way[k + HALF] - way[k - HALF]) * RATE_HZ / (2 * HALF)
    accel = (wanted - speed) / AHEAD_S if wanted > STAND_MPS else -max(1.0, speed / AHEAD_S)
    if said.decision == "stop" and speed < 1.0:
        accel = min(accel, -1.0)
    if said.hazard >= ALARM and speed > CRAWL_MPS:
        room = max(speed * (said.ttc_s - EARLY_S) - CLEAR_M, 1.0)
        accel = min(accel, -min(HARD_MPS2, FIRM * speed**2 / 2 / room))
    return float(accel)


class RoadPolicy:
    """embodied.protocols.Policy on a car (a body whose action is accel, steer). said: the newest forecast, for watches.
    scans: whether it reads a lidar."""

    drives = True

    def __init__(self, driver: Network, body: Body) -> None:
        self.driver, self._body, self.scans = driver, body, driver.scans
        self.said: Forecast | None = None

    def reset(self) -> None:
        self.said = None
        self.driver.begin(self._body.spec)

    def plan(self, obs: Observation, goal: str, done: tuple[Step, ...] = ()) -> Plan:
        self.driver.say(goal)
        return Plan(goal, done or (Step(goal, "drive"),), len(done))

    def act(self, obs: Observation, plan: Plan) -> ActionChunk:
        if getattr(self._body, "ended", ""):  # the episode is over, not the drive
            return ActionChunk(obs.t_s, 1 / self._body.spec.action.rate_hz, np.zeros((0, 2), np.float32))
        self.said = said = self.driver(obs)
        names = self._body.spec.states["ego"].names
        speed = float(obs.states["ego"][-1, names.index("speed")])
        wheel = pursue(aim(said.path, float(np.clip(LOOK_S * speed, *LOOK_M))))
        rows = np.tile(np.array([pedals(said, speed), wheel], np.float32), (TICKS, 1))
        return ActionChunk(obs.t_s, 1 / self._body.spec.action.rate_hz, rows)

    def check(self, obs: Observation, step: Step) -> float:
        return 1.0


@register("policy", "network")
def network(body: Body, weights: str = "road") -> RoadPolicy:
    """Drives by pictures, motion and words."""
    from policies.drive_network import Network

    return RoadPolicy(Network(weights, follows=False), body)


@register("policy", "network-blind")
def network_blind(body: Body, weights: str = "road") -> RoadPolicy:
    """The same with its eyes shut: what the picture is worth."""
    from policies.drive_network import Network

    return RoadPolicy(Network(weights, looks=False, follows=False), body)
