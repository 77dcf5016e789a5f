"""A job's geometry as the motion head reads it (embodied/aims.py)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from embodied.aims import FIELDS, ROWS
from policies.motion import half_turn
from policies.skills import Held, Job, clearance, grasp_of, held_after, release_yaw


def aims_of(job: Job, held: Held = Held()) -> NDArray[np.float32]:
    """(rows * fields,). The yaw is that of the hand when it grasps, lets go or pushes; a place's height is what the held thing
    reaches below the fingertips."""
    out = np.zeros((len(ROWS), len(FIELDS)), np.float32)
    if (thing := job.thing) is not None:
        yaw, width = grasp_of(thing, job.around)
        if job.skill == "push" and job.place is not None:
            yaw = half_turn(float(np.arctan2(job.place.y - thing.y, job.place.x - thing.x)))
        out[0] = thing.x, thing.y, thing.top, yaw, max(thing.size), width, held_after(job, held).below
    if (place := job.place) is not None:
        yaw = release_yaw(job, held) if job.skill == "put" else out[0, 3]
        out[1] = place.x, place.y, place.top, yaw, max(place.size), held.width, held.below
    out[2, 2] = clearance(job)
    return out.ravel()
