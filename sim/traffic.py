"""What else is on the road: a car ahead that brakes, people who cross, parked cars, a car that stands in the lane.

All of it is drawn from the seed and moves by rule; whether a person steps out depends on when the car arrives, so that
there is something to avoid in every episode that has one. Where a collision would follow if nobody acted is computed here.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from embodied.data.drives import HAZARD_S, REASONS, TTC_MAX_S
from sim.car import COLOURS, DISC_M, LENGTH_M, REAR_M, TICK_S, Car, discs
from sim.road import LANE_M, SHOULDER_M, Road

PERSON_M = 0.35
AHEAD_S = np.arange(0.0, 5.01, 0.1)  # over which danger is looked for


@dataclass
class Lead:
    """A car on the route. brakes: (when s, deceleration m/s^2, down to this share of its speed, for how long s)."""

    s: float
    speed: float
    cruise: float
    colour: str
    brakes: list[tuple[float, float, float, float]] = field(default_factory=list[tuple[float, float, float, float]])
    braking: bool = False

    def step(self, now_s: float, road: Road) -> None:
        ahead = self.s + np.linspace(0.0, 14.0, 8)
        bend = np.abs(np.interp(ahead, np.arange(len(road.route.curvature)) * 0.5, road.route.curvature))
        wanted = min(self.cruise, float(np.sqrt(2.0 / np.maximum(bend, 1e-4)).min()))
        hardest, self.braking = 2.0, False
        for start, strength, share, lasts in self.brakes:
            if start <= now_s < start + lasts:
                wanted, hardest, self.braking = min(wanted, share * self.cruise), strength, True
        change = np.clip(wanted - self.speed, -hardest * TICK_S, 1.5 * TICK_S)
        self.speed = max(0.0, self.speed + float(change))
        self.s += self.speed * TICK_S


@dataclass
class Person:
    """Crosses the route at arc length s, from `side` (1 left, -1 right) to the other, once the car is arrive_s seconds away.

    left: metres to the left of the lane's middle, now."""

    s: float
    side: int
    pace: float
    arrive_s: float
    left: float = 0.0
    walking: bool = False
    colour: tuple[float, float, float] = (0.5, 0.3, 0.2)

    @property
    def over(self) -> bool:
        return self.left * self.side < -(LANE_M + SHOULDER_M + 0.5)

    def step(self, car_s: float, car: Car) -> None:
        away = self.s - car_s - (LENGTH_M - REAR_M)
        if not self.walking and 0 < away < max(4.0, car.speed * self.arrive_s):
            self.walking = True
        # nobody walks into the side of a car that stands or passes in front of them
        blocked = -1.0 < car_s + LENGTH_M - REAR_M - self.s < LENGTH_M + 1.0 and 0.0 < self.left * self.side < 2.2
        if self.walking and not self.over and not blocked:
            self.left -= self.side * self.pace * TICK_S


@dataclass
class Traffic:
    """lead: ahead in the lane, or None.  standing: (s, colour) of a car that stands in the lane.  parked: (s, left, colour)."""

    lead: Lead | None = None
    standing: tuple[float, str] | None = None
    people: list[Person] = field(default_factory=list[Person])
    parked: list[tuple[float, float, str]] = field(default_factory=list[tuple[float, float, str]])

    def step(self, now_s: float, car: Car, car_s: float, road: Road) -> None:
        if self.lead is not None:
            self.lead.step(now_s, road)
        for person in self.people:
            person.step(car_s, car)


def draw(rng: np.random.Generator, road: Road, speed: float, stop_for: str = "") -> Traffic:
    """Traffic for one episode. stop_for: the colour of the car to stop behind, which then stands in the lane."""
    length, made = road.route.length, Traffic()
    colours = [c for c in COLOURS if c != stop_for]
    blocked = (1e9, 1e9) if road.junction is None else (road.junction[0] - 14, road.junction[1] + 14)
    free = lambda s: not blocked[0] <= s <= blocked[1]  # noqa: E731
    if stop_for:
        made.standing = (rng.uniform(0.6, 0.8) * length, stop_for)
    elif rng.random() < 0.55:
        cruise = speed * rng.uniform(0.6, 0.95)
        brakes = []
        for start in np.cumsum(rng.uniform(3.0, 9.0, 3)):
            if rng.random() < 0.6:
                brakes.append(
                    (float(start), rng.uniform(3.0, 6.0), float(rng.choice([0.0, 0.4])), rng.uniform(1.0, 3.0))
                )
        made.lead = Lead(rng.uniform(16, 35), cruise, cruise, str(rng.choice(colours)), brakes)
    spots = np.sort(
        rng.uniform(30, min(length - 25, made.standing[0] - 20 if made.standing else 1e9), rng.integers(0, 3))
    )
    for s in spots[np.diff(spots, prepend=-99) > 15]:
        if free(s):
            side = int(rng.choice([-1, 1]))
            edge = LANE_M / 2 if side < 0 else 1.5 * LANE_M  # of the road, from this lane's middle
            coat = tuple(rng.uniform(0.1, 0.8, 3).tolist())
            made.people.append(
                Person(s, side, rng.uniform(1.1, 1.7), rng.uniform(2.2, 4.5), side * (edge + 1.0), colour=coat)
            )
    for s in rng.uniform(10, length - 10, rng.integers(0, 5)):
        near = made.standing is not None and abs(s - made.standing[0]) < 9
        if (
            free(s)
            and not near
            and all(abs(s - p.s) > 7 for p in made.people)
            and all(abs(s - o[0]) > 7 for o in made.parked)
        ):
            side = int(rng.choice([-1, 1]))
            left = -(LANE_M / 2 + 1.15) if side < 0 else 1.5 * LANE_M + 1.15
            made.parked.append((float(s), left, str(rng.choice(colours))))
    return made


# --- danger


def danger(car: Car, car_s: float, traffic: Traffic, road: Road) -> tuple[float, int]:
    """(time to collision s, index in REASONS) if the car keeps its speed along the route and everyone else goes on as they
    do now; TTC_MAX_S and 0 where nothing happens within AHEAD_S."""
    mine = discs(road.route.at(car_s + car.speed * AHEAD_S))
    found: list[tuple[float, int]] = []

    def meet(theirs: NDArray[np.float64], reach: float, reason: int) -> None:
        gap = np.hypot(*np.moveaxis(mine[:, :, None] - theirs[:, None], -1, 0)).min((1, 2))
        hit = np.flatnonzero(gap < reach)
        if len(hit):
            found.append((float(AHEAD_S[hit[0]]), reason))

    if traffic.lead is not None:
        lead = traffic.lead
        slow = -2.0 if lead.braking else 0.0
        way = lead.speed * AHEAD_S + slow * AHEAD_S**2 / 2 if slow else lead.speed * AHEAD_S
        way = np.maximum.accumulate(np.where(lead.speed + slow * AHEAD_S > 0, way, -np.inf))
        meet(discs(road.route.at(lead.s + np.maximum(way, 0.0))), 2 * DISC_M, 1)
    if traffic.standing is not None:
        meet(discs(road.route.at(np.full_like(AHEAD_S, traffic.standing[0]))), 2 * DISC_M, 4)
    for person in traffic.people:
        if person.walking and not person.over:
            left = person.left - person.side * person.pace * AHEAD_S
            where = road.route.at(np.full_like(AHEAD_S, person.s), left)[:, None, :2]
            meet(where, DISC_M + PERSON_M, 2 if person.side > 0 else 3)
    ttc, reason = min(found, default=(TTC_MAX_S, 0))
    assert reason < len(REASONS)
    return min(ttc, TTC_MAX_S), reason


def is_hazard(ttc_s: float) -> bool:
    return ttc_s <= HAZARD_S
