"""What the prior behind a measured car ahead owes to its constants: published sets of the driver model, and reactions.

    python benchmarks/driving_following.py drive=FOLDER/comma2k19_example1

ADE and FDE at 3 s against CTRA in percent, same moments. The first set is the one in use (embodied/drive/following.py); none was
fitted here. Last: the same without the acceleration of the car ahead, and without the car ahead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from options import leave, options

from embodied.data import drives
from embodied.drive import kinematics
from embodied.drive.following import REACTION_S, Idm, followed
from embodied.drive.paths import Floats, unroll
from embodied.drive.replay import Replay
from embodied.drive.session import replay
from embodied.drive.state import Motion
from embodied.errors import UserError
from policies.drivers import Driving, Kinematic

PUBLISHED = {
    "Treiber, Hennecke & Helbing 2000, table I": Idm(),
    "Kesting, Treiber & Helbing 2010, table 1 (car)": Idm(1.5, 1.4, 2.0),
    "Treiber & Kesting 2013, table 11.2 (motorway)": Idm(1.0, 1.0, 1.5),
}
REACTIONS_S = (0.5, REACTION_S, 1.5, 2.0)


def behind(law: Idm, reaction_s: float) -> Callable[[Motion], Floats]:
    return lambda now: unroll(*followed(now, law, reaction_s))


def main(arguments: list[str]) -> int:
    chosen = options(arguments, drive="")
    if not chosen["drive"]:
        raise UserError(
            "give drive=FOLDER, a recording with the car ahead (comma2k19, or a table with lead_gap, lead_speed)"
        )
    paths = {f"{name} | {r:g}": behind(law, r) for name, law in PUBLISHED.items() for r in REACTIONS_S}
    steady = behind(Idm(), REACTION_S)
    paths["the first, the car ahead at its speed | 1"] = lambda now: steady(replace(now, lead_accel=0.0))
    paths["without the car ahead | -"] = kinematics.relaxing
    beside = {name: Kinematic(path, kinematics.SLOPES_S, filtered=True) for name, path in paths.items()}
    strata = ("all", "straight", "turning", "braking")
    print(f"| constants | reaction, s | {' | '.join(strata)} |\n|{' --- |' * (2 + len(strata))}")
    for drive in drives.read(chosen["drive"]):
        body = Replay(drive, beside, "ctra")
        if (ended := replay(body, Driving(Kinematic(kinematics.constant_turn_and_acceleration), body.spec))).error:
            raise UserError(f"{drive.name}: {ended.error}")
        for name in beside:
            shown = list[str]()
            for stratum in strata:
                ours, ctra = (body.tally.summary(one, stratum) for one in (name, "ctra"))
                less = [100 * (ours[k]["mean"] / ctra[k]["mean"] - 1) for k in ("ade@3", "fde@3")] if ctra["n"] else []
                shown.append(" / ".join(f"{one:+.0f}" for one in less) or "-")
            print(f"| {name} | {' | '.join(shown)} |")
    return 0


if __name__ == "__main__":
    leave(main)
