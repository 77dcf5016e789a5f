"""Paths that follow from how the car moves now, without a look at the road: the baselines of every score.

CV, CTRV, CTRA: Schubert et al. 2008, "Comparison and evaluation of advanced motion models for vehicle tracking", sections
II and III. Bicycle: Rajamani 2012, "Vehicle dynamics and control", section 2.2. Paths (STEPS, 2) as in embodied.drive.paths;
integrated in steps of 25 ms, and a car that has braked to a stop stands.
With motions whose fields are (n, 1) arrays they give n paths at once.
"""

from __future__ import annotations

import numpy as np

from embodied.drive.paths import MIDDLES, Floats, unroll
from embodied.drive.state import Motion

# The prior's constants, fitted by benchmarks/driving_prior.py to the drives that it names; none of them is evaluated on.
ACCEL_FADES_S, BRAKE_FADES_S, JERK_FADES_S, TURN_FADES_S, TURNING_FADES_M = 2.0, 30.0, 0.4, 15.0, 2.0
SLOPES_S = 0.4  # over which its rates of change are taken (embodied.drive.state), fitted with them
HELD_MPS2, HELD_RADPS = 0.3, 0.03  # what counts as braking or turning at all


def constant_velocity(now: Motion) -> Floats:
    """Straight on at this speed."""
    return unroll(now.speed + 0 * MIDDLES, 0 * MIDDLES)


def constant_turn(now: Motion) -> Floats:
    """CTRV: this speed and yaw rate."""
    return unroll(now.speed + 0 * MIDDLES, now.yaw_rate + 0 * MIDDLES)


def _speed(now: Motion, gained: Floats) -> Floats:
    """The speed with what is gained since now, never through zero."""
    later = now.speed + gained
    return np.where(np.asarray(now.speed) >= 0, np.maximum(later, 0.0), np.minimum(later, 0.0))


def held(now: Motion) -> tuple[Floats, Floats]:
    """Speed and yaw rate of CTRA at MIDDLES."""
    return _speed(now, now.accel * MIDDLES), now.yaw_rate + 0 * MIDDLES


def constant_turn_and_acceleration(now: Motion) -> Floats:
    """CTRA: this yaw rate and acceleration."""
    return unroll(*held(now))


def bicycle(now: Motion) -> Floats:
    """This acceleration and this curvature: the wheels stay as they are turned, so the car turns slower as it brakes."""
    speed = _speed(now, now.accel * MIDDLES)
    rolls = np.abs(now.speed) > 0.5
    return unroll(speed, np.where(rolls, now.yaw_rate / np.where(rolls, now.speed, 1.0), 0.0) * speed)


def fading(level: float, rate: float, fades_s: float | Floats, rate_fades_s: float | Floats, held: float) -> Floats:
    """(4 STEPS,) of a quantity that is `level` and grows by `rate` a second now, where growth dies away with the time
    constant rate_fades_s and the whole with fades_s. A level beyond `held` does not grow through zero: who lets go of the
    brake has not yet stepped on the gas."""
    grown = level + rate * rate_fades_s * (1 - np.exp(-MIDDLES / rate_fades_s))
    kept = np.where(np.asarray(level) > 0, np.maximum(grown, 0.0), np.minimum(grown, 0.0))
    return np.where(np.abs(level) > held, kept, grown) * np.exp(-MIDDLES / fades_s)


def relaxed(
    now: Motion, accel_fades_s: float = ACCEL_FADES_S, brake_fades_s: float = BRAKE_FADES_S,
    jerk_fades_s: float = JERK_FADES_S, turn_fades_s: float = TURN_FADES_S, turning_fades_m: float = TURNING_FADES_M,
) -> tuple[Floats, Floats]:  # fmt: skip
    """Speed and yaw rate at MIDDLES of a CTRA that knows that drivers do not hold: acceleration and yaw rate first go on
    changing as they do, then fade.

    A Singer model (Singer 1970, "Estimating optimal tracking filter performance for manned maneuvering targets") of second
    order in both. Braking has its own constant, since who brakes mostly brakes to a stop; and the wheel is turned into a bend
    over a length of road rather than a time, so that a correction on a motorway is short. The learned network corrects this."""
    gains = now.accel * np.copysign(1.0, now.speed) > 0
    accel = fading(now.accel, now.jerk, np.where(gains, accel_fades_s, brake_fades_s), jerk_fades_s, HELD_MPS2)
    speed = _speed(now, (np.cumsum(accel, axis=-1) - accel / 2) * (MIDDLES[1] - MIDDLES[0]))
    turning_fades_s = turning_fades_m / np.maximum(np.abs(now.speed), 1.0)
    return speed, fading(now.yaw_rate, now.yaw_accel, turn_fades_s, turning_fades_s, HELD_RADPS)


def relaxing(now: Motion, *constants: float, **named: float) -> Floats:
    """The path of `relaxed`, whose constants it takes."""
    return unroll(*relaxed(now, *constants, **named))
