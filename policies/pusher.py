"""A hand that pushes one piece to a place, five decisions a second: closed fingers low behind it, onwards along the line.

Where the hand is not behind the piece it rises over all that stands, goes there and comes down; so nothing is pushed on the way. A
push that goes astray is mended by the next decision, from where the piece is seen then. Frames: robot base; metres, seconds.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from policies.motion import half_turn
from policies.skills import HOME

RATE_HZ = 5.0
PUSH_MPS, TRAVEL_MPS, LIFT_MPS = 0.12, 0.45, 0.35
LOW, HIGH = 0.016, 0.115  # m, of the fingertips
RADIUS, FINGER = 0.023, 0.012  # m, of a piece across, half of a finger along the push
GAP = 0.022  # m between finger and piece where the hand comes down
ASIDE = 0.014  # m, how far beside the line a push may go on
ROOM = 0.042  # m, from where the hand comes down to the middle of other pieces
TURNS = np.radians([0, 20, -20, 40, -40, 60, -60])  # from the straight line, where others stand in the way

Vector = NDArray[np.float64]


def decide(hand: Vector, piece: Vector, goal: Vector, others: Collection[Vector] = ()) -> tuple[Vector, float]:
    """Where the fingertips' midpoint shall be a decision later, (3,), and at which yaw. hand: (4,) x y z yaw now. piece, goal: (2,)
    where it is and shall be. others: (2,) each, where the hand must not come down."""
    dt = 1 / RATE_HZ
    ahead = _unit(goal - piece)
    turned = [_rotated(ahead, turn) for turn in TURNS]
    clear = [one for one in turned if _room(piece - one * (RADIUS + FINGER + GAP), others) > ROOM]
    ahead = clear[0] if clear else ahead
    yaw = half_turn(float(np.arctan2(ahead[1], ahead[0])))
    back = piece - hand[:2]
    behind, beside = float(back @ ahead), float(back @ _rotated(ahead, np.pi / 2))
    if hand[2] < 0.5 * HIGH and 0 < behind < RADIUS + FINGER + 2 * GAP and abs(beside) < ASIDE:
        step = PUSH_MPS * dt * ahead + 0.4 * beside * _rotated(ahead, np.pi / 2)  # onwards, and nearer to the line
        return np.append(hand[:2] + step, LOW), float(hand[3])
    over = piece - ahead * (RADIUS + FINGER + GAP)
    way = over - hand[:2]
    far = float(np.hypot(*way))
    if far < 0.006 and abs(half_turn(yaw - float(hand[3]))) < 0.1:
        return np.append(over, max(LOW, hand[2] - LIFT_MPS * dt)), yaw
    if hand[2] < HIGH - 0.01:  # first up, and back from what it touches
        return np.append(hand[:2] - 0.006 * ahead * (hand[2] < 0.5 * HIGH), min(HIGH, hand[2] + LIFT_MPS * dt)), float(
            hand[3]
        )
    return np.append(hand[:2] + way * min(1.0, TRAVEL_MPS * dt / max(far, 1e-9)), HIGH), yaw


def carried(hand: Vector, piece: Vector, goal: Vector) -> Vector:
    """Where a piece is that was last seen at `piece` (2,) and is hidden by the hand (4,) now: before the finger, if that has come
    so far."""
    ahead = _unit(goal - piece)
    along = float((hand[:2] - piece) @ ahead) + RADIUS + FINGER
    beside = float((hand[:2] - piece) @ _rotated(ahead, np.pi / 2))
    low = hand[2] < 0.5 * HIGH
    return piece + along * ahead if low and 0 < along < 2 * (RADIUS + FINGER) and abs(beside) < RADIUS else piece


def away(hand: Vector) -> tuple[Vector, float]:
    """Up, and home from there, until the picture is free."""
    if hand[2] < HIGH - 0.01:
        return np.append(hand[:2], hand[2] + LIFT_MPS / RATE_HZ), float(hand[3])
    way = np.array(HOME[:3]) - hand[:3]
    return hand[:3] + way * min(1.0, TRAVEL_MPS / RATE_HZ / max(float(np.linalg.norm(way)), 1e-9)), float(hand[3])


def _unit(vector: Vector) -> Vector:
    return vector / max(float(np.hypot(*vector)), 1e-9)


def _rotated(vector: Vector, angle: float) -> Vector:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([c * vector[0] - s * vector[1], s * vector[0] + c * vector[1]])


def _room(at: Vector, others: Collection[Vector]) -> float:
    return min((float(np.hypot(*(one - at))) for one in others), default=np.inf)
