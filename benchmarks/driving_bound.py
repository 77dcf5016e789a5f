"""What can be decided on the simulator's drives at all: the scripted driver, driven 3 s ahead from every moment's own state, knows
all that there is to see, and of what nobody sees beforehand only as much as each row says.

    python benchmarks/driving_bound.py [drives=100] [every=8]

Unseen are whether the driver reacts late (taken: no), when the car ahead brakes next (never) and for how long yet (as the mean of
those that have braked so long), and when somebody steps onto the road (who stands stays).
every: ticks of 1/20 s between moments.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from options import leave, options

from embodied.data.drives import DECISIONS
from embodied.drive import decisions
from embodied.drive.decisions import macro_f1
from embodied.errors import UserError
from embodied.trainlog import progress_bar
from embodied.types import Command
from policies.drive_expert import DriveExpert
from sim.car import Car
from sim.drive import ACTION, RATE_HZ, DriveBody
from sim.recorded_drives import decided, driver
from sim.road import Road
from sim.task import FIRST_EVALUATION_SEED
from sim.traffic import Lead, Traffic, danger

AHEAD = round(decisions.LOOK_S * RATE_HZ) + 3  # ticks
LONGEST_S = 3.0  # that a car ahead brakes; it is uniform from 1 s on
ALL = {"late", "lead", "people"}
KNOWN = {
    "nothing": ALL,
    "who is late": ALL - {"late"},
    "when the car ahead brakes": ALL - {"lead"},
    "when people step out": ALL - {"people"},
    "all three": set[str](),
}


@dataclass
class Ahead:
    """What DriveExpert needs of a body, without shapes."""

    car: Car
    traffic: Traffic
    road: Road
    cruise: float
    s: float
    tick: int
    ended: str = ""

    @property
    def now_s(self) -> float:
        return self.tick / RATE_HZ

    def danger(self) -> tuple[float, int]:
        return danger(self.car, self.s, self.traffic, self.road)

    def drive(self, command: np.ndarray) -> None:
        sent = ACTION.clip(command.astype(np.float32))
        self.car.drive(float(sent[0]), float(sent[1]))
        self.tick += 1
        self.s, _ = self.road.route.locate(np.array([self.car.x, self.car.y]), self.s)
        self.traffic.step(self.now_s, self.car, self.s, self.road)


def imagined(body: DriveBody, expert: DriveExpert, known: set[str]) -> int:
    """Index of the decision that follows from the state of now and from what is known of the rest."""
    ahead = Ahead(copy.copy(body.car), copy.deepcopy(body.traffic), body.road, body.cruise, body.s, body.tick)
    driver = DriveExpert(ahead, expert.late_s if "late" in known else np.inf)
    driver._alert_s = expert._alert_s
    if "lead" not in known and ahead.traffic.lead is not None:
        ahead.traffic.lead.brakes = list(_goes_on(ahead.traffic.lead, ahead.now_s))
    if "people" not in known:
        ahead.traffic.people = [one for one in ahead.traffic.people if one.walking]
    poses = [(ahead.car.x, ahead.car.y, ahead.car.yaw)]
    speed = float(np.float32(ahead.car.speed))
    for _ in range(AHEAD):
        if ahead.s >= body.road.route.length - 1.0:  # arrived, as the drive itself ends
            break
        ahead.drive(driver.command())
        poses.append((ahead.car.x, ahead.car.y, ahead.car.yaw))
    return DECISIONS.index(decided(np.array(poses), speed))


def _goes_on(lead: Lead, now_s: float) -> Iterator[tuple[float, float, float, float]]:
    for start, strength, share, lasts in lead.brakes:
        if start <= now_s < start + lasts:
            yield start, strength, share, (max(1.0, now_s - start) + LONGEST_S) / 2


def moments(seed: int, body: DriveBody, every: int) -> tuple[list[int], list[list[int]]]:
    """Of a drive: the true decisions, and those of each row of KNOWN."""
    body.reset(seed)
    expert, poses = driver(body, seed), [(body.car.x, body.car.y, body.car.yaw)]
    at, said = list[tuple[int, float]](), list[list[int]]()
    while not body.ended:
        if body.tick % every == 0:
            at.append((body.tick, float(np.float32(body.car.speed))))
            said.append([imagined(body, expert, known) for known in KNOWN.values()])
        body.apply(Command(body.now_s, expert.command().astype(np.float32)))
        poses.append((body.car.x, body.car.y, body.car.yaw))
    if not body.success():
        return [], []
    way = np.array(poses)
    return [DECISIONS.index(decided(way[tick:], speed)) for tick, speed in at], said


def main(arguments: list[str]) -> int:
    chosen = options(arguments, drives=100, every=8)
    if not chosen["drives"] or not chosen["every"]:
        raise UserError(f"drives={chosen['drives']} and every={chosen['every']} must both be 1 or more")
    body, seed, left = DriveBody(look=False), FIRST_EVALUATION_SEED, chosen["drives"]
    true, said = list[int](), list[list[int]]()
    start = time.perf_counter()
    with progress_bar(True) as bar:
        row = bar.add_task("drives", total=left)
        while left:
            were, ours = moments(seed, body, chosen["every"])
            true, said, seed = true + were, said + ours, seed + 1
            left -= bool(were)
            bar.advance(row, bool(were))
    print(
        f"\n{chosen['drives']} drives from seed {FIRST_EVALUATION_SEED}, {len(true)} moments, {time.perf_counter() - start:.0f} s\n"
    )
    print("| what is not known | decision macro F1 | decision errors |\n|" + " --- |" * 3)
    for name, ours in zip(KNOWN, np.array(said).T, strict=True):
        confusion = np.zeros((len(DECISIONS),) * 2)
        np.add.at(confusion, (true, ours), 1)
        print(f"| {name} | {macro_f1(confusion):.3f} | {100 * np.mean(ours != true):.1f} % |")
    return 0


if __name__ == "__main__":
    leave(main)
