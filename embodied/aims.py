"""What the hand goes for, as object words for the motion head: a thing, a place and the height that is clear of all else.

Filled from a depth picture at a grounded point (policies/perceive.py), once when a step begins; seen from the hand anew for
every chunk. A row of zeros: there is none.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from embodied.spec import Channels

ROWS = ("thing", "place", "clear")
FIELDS = ("x", "y", "z", "yaw", "length", "width", "height")  # z: of the top face; m, rad, base frame
CHANNELS = Channels(
    tuple(f"{row}.{name}" for row in ROWS for name in FIELDS),
    tuple("rad" if name == "yaw" else "m" for _ in ROWS for name in FIELDS),
    (-2.0,) * (len(ROWS) * len(FIELDS)),
    (2.0,) * (len(ROWS) * len(FIELDS)),
    20.0,
)  # as a state of a recorded body
FAR, LARGE = 0.1, 0.02  # m, units of distances and extents in the words


def seen_from(aims: NDArray[np.floating], hand: NDArray[np.floating]) -> NDArray[np.float32]:
    """aims (rows * fields,) and the hand's x y z yaw width (5,), base frame -> object vectors (rows, 11) as
    embodied/model/encoders/objects.py names them, without colours: distances from the hand in units of FAR, extents in units
    of LARGE, and the sine and cosine of twice the turn that is left, since a parallel gripper is alike after half a turn."""
    rows = np.asarray(aims, np.float64).reshape(len(ROWS), len(FIELDS))
    turn = 2 * (rows[:, 3] - hand[3])
    out = np.zeros((len(ROWS), 11), np.float32)
    out[:, :3] = (rows[:, :3] - np.asarray(hand)[:3]) / FAR
    out[:, 3], out[:, 4] = np.sin(turn), np.cos(turn)
    out[:, 5:8] = rows[:, 4:] / LARGE
    return out * (rows != 0).any(1, keepdims=True)
