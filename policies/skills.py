"""Motion skills: from local geometry to the whole motion of one step, rows `x y z yaw width` at the control rate.

Pure functions. A skill starts at the present hand pose, rises before it travels, and ends at the look pose HOME, where
the hand leaves the front camera's view free (`reach` alone ends over the thing). Frames: robot base, metres, radians;
yaw as in embodied.control.arm.down: at 0 the fingers open along base y, only yaw mod pi matters.

Exact facts (policies/expert.py) and depth pictures (policies/perceive.py) fill the same Job.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from policies.motion import SLOW, Legs, Tempo, half_turn

HOME = (0.30, 0.0, 0.40, 0.0)  # x y z yaw of the look pose
OPEN = 0.08  # m
DEPTH = 0.020  # m, how far below a thing's top the fingertips grasp
LOWEST = 0.010  # m, lowest fingertips
DROP = 0.004  # m, a thing is released this far above its support
RIM = 0.058  # m, lowest fingertips while releasing into a bowl: above its wall
SQUEEZE = 0.012  # m, a held thing's commanded width is this much below its own
FINGER = (0.011, 0.022)  # m, half size of a finger along the hand's x, and its thickness along the hand's y
PALM = (0.034, 0.104, 0.045)  # m, half size of the hand along its x and y, and its height above the fingertips

Points = NDArray[np.float64]  # n 3
Hand = Sequence[float] | NDArray[np.floating]  # x y z yaw width, now
Rows = NDArray[np.float32]  # h 5
NOTHING: Points = np.zeros((0, 3))


@dataclass(frozen=True)
class Target:
    """A thing or a place, as far as a skill needs it.

    x, y: centre of its top face.  top: height of the top face; for a place, the height of the support there.
    yaw, size: direction and extents (length along yaw, width across it) of the top face; size 0 where unknown.
    round: no direction counts (cylinder).
    """

    x: float
    y: float
    top: float
    yaw: float = 0.0
    size: tuple[float, float] = (0.0, 0.0)
    round: bool = False


@dataclass(frozen=True)
class Held:
    """What a pick leaves in the hand. below: how far it reaches below the fingertips, m. width: between them, m."""

    below: float = 0.030
    width: float = 0.045


@dataclass(frozen=True)
class Job:
    """All that the motion of one step depends on.

    thing: what `reach`, `pick` and `push` act on.  place: where `put` sets down (top = support height) and `push` ends.
    bottom: height that the thing to pick stands on, m; None where only its top is known.
    around: (n, 3) points on everything that stands on the table; the hand keeps clear of them.
    bowl: the place is inside a bowl.
    """

    skill: str
    thing: Target | None = None
    place: Target | None = None
    bottom: float | None = None
    around: Points = field(default_factory=lambda: NOTHING)
    bowl: bool = False


def motion(job: Job, hand: Hand, held: Held = Held(), tempo: Tempo = Tempo()) -> tuple[Rows, Held]:
    """The whole motion of a step, (h, 5), and what the hand then holds (`held` itself unless the step is a pick)."""
    travel = clearance(job)
    if job.skill == "put" and job.place is not None:
        return put(hand, job.place, held, release_yaw(job, held), job.bowl, travel, tempo), held
    if job.thing is None:
        raise ValueError(f"the job {job.skill!r} lacks its thing")
    if job.skill == "reach":
        return reach(hand, job.thing, travel, tempo), held
    if job.skill == "push" and job.place is not None:
        return push(hand, job.thing, (job.place.x, job.place.y), travel, tempo), held
    if job.skill != "pick":
        raise ValueError(f"no motion for the skill {job.skill!r}")
    yaw, width = grasp_of(job.thing, job.around)
    return pick(hand, job.thing, yaw, width, travel, tempo), held_after(job, held)


def clearance(job: Job) -> float:
    """Height at which the hand travels, m."""
    highest = float(job.around[:, 2].max()) if len(job.around) else 0.05
    return min(0.30, max(0.15, highest + 0.09))


def held_after(job: Job, held: Held) -> Held:
    """What the hand holds when the job's motion has ended."""
    if job.skill != "pick" or job.thing is None:
        return held
    bottom = bottom_of(job.thing) if job.bottom is None else job.bottom
    return Held(grasp_height(job.thing) - bottom, grasp_of(job.thing, job.around)[1])


def grasp_height(thing: Target) -> float:
    """Height of the fingertips when they close on the thing, m."""
    return max(LOWEST, thing.top - DEPTH)


def bottom_of(thing: Target) -> float:
    """A guess of what height a thing stands on when only its top face is seen: things are 0.035 to 0.05 m high."""
    tall = min(0.050, max(0.038, max(thing.size))) if thing.size[0] > 0 else 0.045
    return 0.0 if thing.top < 0.06 else thing.top - tall


def crowding(x: float, y: float, z: float, yaw: float, opening: float, around: Points) -> float:
    """How many of the points (n, 3) the open hand would touch at this pose; near misses (8 mm) count a little."""
    if len(around) == 0:
        return 0.0
    c, s = np.cos(yaw), np.sin(yaw)
    flat = around[:, :2] - (x, y)
    along, across = np.abs(flat @ (c, s)), np.abs(flat @ (-s, c))
    hits = 0.0
    for gap, weight in ((0.0, 1.0), (0.008, 0.1)):
        finger = (along < FINGER[0] + gap) & (across < opening / 2 + FINGER[1] + gap) & (across > opening / 2)
        palm = (along < PALM[0] + gap) & (across < PALM[1] + gap) & (around[:, 2] > z + PALM[2] - gap)
        hits += weight * float(np.sum((finger & (around[:, 2] > z - gap)) | palm))
    return hits


def grasp_of(thing: Target, around: Points = NOTHING) -> tuple[float, float]:
    """Yaw of the hand and width between the fingers: across the narrow side, or across another side or with a turned
    hand (round things) when the hand would touch a neighbour there."""
    length, width = thing.size if min(thing.size) > 0 else (0.045, 0.045)
    if thing.round:
        candidates = [(a, max(length, width)) for a in (0.0, np.pi / 4, -np.pi / 4, -np.pi / 2)]
    else:
        candidates = [(half_turn(thing.yaw), width), (half_turn(thing.yaw + np.pi / 2), length)]

    def cost(candidate: tuple[float, float]) -> float:
        yaw, wide = candidate
        blocked = crowding(thing.x, thing.y, grasp_height(thing), yaw, min(OPEN, wide + 0.025), around)
        wider = max(0.0, wide - min(length, width) - 0.004)
        return blocked + 1000.0 * max(0.0, wide - 0.066) + 100.0 * wider + 0.1 * abs(yaw)

    return min(candidates, key=cost)


def release_yaw(job: Job, held: Held) -> float:
    """Yaw of the hand at which it lets go: that of the support, else 0, else turned where the hand would touch."""
    place = job.place
    assert place is not None
    if place.size[0] > 0 and not place.round:
        candidates = [half_turn(place.yaw), half_turn(place.yaw + np.pi / 2)]
    else:
        candidates = [0.0, np.pi / 4, -np.pi / 4, -np.pi / 2]
    z = place.top + held.below + DROP
    opening = held.width + 0.020

    def cost(yaw: float) -> float:
        return crowding(place.x, place.y, max(z, RIM) if job.bowl else z, yaw, opening, job.around) + 0.1 * abs(yaw)

    return min(candidates, key=cost)


def pick(hand: Hand, thing: Target, yaw: float, width: float, travel: float = 0.28, tempo: Tempo = Tempo()) -> Rows:
    """Take the thing across `width` with the hand at `yaw`, and carry it to HOME, closed."""
    z = grasp_height(thing)
    legs = _over(hand, thing.x, thing.y, max(travel, z + 0.06), yaw, min(OPEN, width + 0.025), tempo)
    legs.go(z=z + 0.03).go(z=z, speed=SLOW)
    legs.grip(max(0.0, width - SQUEEZE)).hold(6)
    return legs.go(z=max(travel, z + 0.06)).go(*HOME).rows()


def put(
    hand: Hand,
    place: Target,
    held: Held = Held(),
    yaw: float = 0.0,
    bowl: bool = False,
    travel: float = 0.28,
    tempo: Tempo = Tempo(),
) -> Rows:
    """Set the held thing down on the place's height, let go with the hand at `yaw`, and go HOME, open."""
    z = place.top + held.below + DROP
    z = max(z, RIM) if bowl else z
    closed = max(0.0, held.width - SQUEEZE)
    legs = _over(hand, place.x, place.y, max(travel, z + 0.05), yaw, closed, tempo)
    legs.go(z=z + 0.03).go(z=z, speed=SLOW).hold(1)
    legs.grip(min(OPEN, held.width + 0.020)).hold(4)
    legs.go(z=z + 0.05, speed=0.3).grip(OPEN).go(z=max(travel, z + 0.05))
    return legs.go(*HOME).rows()


def push(hand: Hand, thing: Target, goal: tuple[float, float], travel: float = 0.28, tempo: Tempo = Tempo()) -> Rows:
    """Shove the thing along the line from its centre to `goal` (x, y), two fingers behind it, and go HOME."""
    line = np.subtract(goal, (thing.x, thing.y))
    ahead = line / max(float(np.linalg.norm(line)), 1e-6)
    yaw = half_turn(float(np.arctan2(ahead[1], ahead[0])))
    touch = _half_extent(thing, ahead) + FINGER[0]  # from the fingertips' midpoint to the thing's centre
    z = max(LOWEST, min(0.018, thing.top - 0.02))
    behind = np.array([thing.x, thing.y]) - ahead * (touch + 0.03)
    stop = np.asarray(goal) - ahead * touch
    back = stop - 0.02 * ahead
    legs = _over(hand, behind[0], behind[1], travel, yaw, 0.5 * max(min(thing.size), 0.03), tempo)
    legs.go(z=z + 0.03).go(z=z, speed=0.25)
    legs.go(x=stop[0], y=stop[1], speed=0.17, melt=False).hold(2)
    legs.go(x=back[0], y=back[1], speed=0.25, melt=False).go(z=travel).grip(OPEN)
    return legs.go(*HOME).rows()


def reach(hand: Hand, thing: Target, travel: float = 0.28, tempo: Tempo = Tempo()) -> Rows:
    """Hover 4 cm over the thing's top."""
    z = thing.top + 0.04
    legs = _over(hand, thing.x, thing.y, max(travel, z), 0.0, OPEN, tempo)
    return legs.go(z=z + 0.03).go(z=z, speed=SLOW).hold(3).rows()


def _over(hand: Hand, x: float, y: float, height: float, yaw: float, width: float, tempo: Tempo) -> Legs:
    """Rise to the travel height if below it, then straight to the point above x y; the gripper goes to `width` first."""
    legs = Legs(np.asarray(hand, np.float64), tempo).grip(width)
    if legs.at[2] < height:
        legs.go(z=height)
    return legs.go(x, y, height, yaw)


def _half_extent(thing: Target, ahead: NDArray[np.float64]) -> float:
    """Half extent of the thing's footprint along a direction (2,), m."""
    length, width = thing.size if min(thing.size) > 0 else (0.045, 0.045)
    if thing.round:
        return max(length, width) / 2
    c, s = np.cos(thing.yaw), np.sin(thing.yaw)
    return float(abs(ahead @ (c, s)) * length / 2 + abs(ahead @ (-s, c)) * width / 2)
