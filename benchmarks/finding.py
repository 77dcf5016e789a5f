"""What the finder is worth: things named and placed right in first looks at tables of each split.

    python benchmarks/finding.py [weights=tabletop] [episodes=5] [seed=1] [splits=seen,pairs,distractors] [depth=yes] [show=1]

A thing is found when something of its name is listed within 2.5 cm of where it is seen; a table is right when all that can be
seen, and nothing else, is listed. depth=no: as with a camera without depth.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from options import leave, options

from embodied import registry
from embodied.model.weights import from_pretrained
from sim.body import SimBody
from sim.snapshots import VISIBLE, marks
from sim.task import seed_of

NEAR = 0.025  # shares of the picture's width


def main(arguments: list[str]) -> int:
    chosen = options(
        arguments, weights="tabletop", episodes=5, seed=1, splits="seen,pairs,distractors", depth="yes", show=0
    )
    episodes, seed = chosen["episodes"], chosen["seed"]
    torch.set_num_threads(1)
    model: Any = from_pretrained(chosen["weights"])
    print("| split | things found | named right where found | colour | shape | false | tables right | n |")
    print("|---|---|---|---|---|---|---|---|")
    for split in chosen["splits"].split(","):
        there = near = named = colour = shape = false = right = tables = 0
        for task in registry.choices("task"):
            body = SimBody(task, split=split)
            for k in range(episodes):
                obs = body.reset(seed_of(split, seed, k))
                counts = np.bincount(body.segmentation("front").ravel() + 2, minlength=64)[2:]
                seen = [i.name for n, i in enumerate(body.episode.items) if counts[n] >= VISIBLE]
                true = {n: p for n, p in marks(body.facts(), body.spec.cameras["front"]).items() if n in seen}
                depth = torch.from_numpy(obs.depth["front"])[None] if chosen["depth"] == "yes" else None
                found = model.finder.find("front", torch.from_numpy(obs.images["front"])[None], depth)
                tables += 1
                right += {one.name for one in found} == set(true)
                false += len(found)
                for name, at in true.items():
                    there += 1
                    place = name.split()[1] in ("bowl", "zone")
                    close = [
                        one.name for one in found
                        if abs(one.point.u - at.u) < NEAR and abs(one.point.v - at.v) < NEAR
                        and (one.name.split()[1] in ("bowl", "zone")) == place
                    ]  # fmt: skip
                    near += bool(close)
                    false -= bool(close)
                    named += name in close
                    colour += any(one.split()[0] == name.split()[0] for one in close)
                    shape += any(one.split()[1] == name.split()[1] for one in close)
                    if chosen["show"] and name not in close:
                        print(f"  {split} {task} {k}: {name} -> {', '.join(close) or 'nothing'}")
            body.close()
        shares = [near / there, *(n / max(1, near) for n in (named, colour, shape)), false / there, right / tables]
        print(
            f"| {split} | "
            + " | ".join(f"{100 * share:.1f} %" for share in shares)
            + f" | {there} things, {tables} tables |"
        )
    return 0


if __name__ == "__main__":
    leave(main)
