"""How the scripted driver's episodes of Embodied/Drive-v0 end, over evaluation seeds: arrived, collision, off the road, late.

python benchmarks/driving_expert.py seeds=200
"""

from __future__ import annotations

import sys
import time
from collections import Counter

import numpy as np

from embodied.types import Command
from policies.drive_expert import DriveExpert
from sim.drive import DriveBody
from sim.traffic import is_hazard

FIRST_SEED = 10_000_000


def main() -> None:
    words = dict(word.partition("=")[::2] for word in sys.argv[1:])
    seeds = int(words.get("seeds", "200"))
    body = DriveBody(look=False)
    expert = DriveExpert(body)
    ends: Counter[str] = Counter()
    kinds: dict[str, list[bool]] = {}
    way, ticks, hazards, close = 0.0, 0, 0, 0
    start = time.perf_counter()
    for seed in range(FIRST_SEED, FIRST_SEED + seeds):
        body.reset(seed)
        before = False
        while not body.ended:
            body.apply(Command(body.now_s, expert.command().astype(np.float32)))
            now = is_hazard(body.danger()[0])
            hazards += now and not before
            before = now
        ends[body.ended] += 1
        kinds.setdefault(body.told, []).append(body.success())
        way, ticks, close = way + body.way_m, ticks + body.tick, close + (body.nearest_m < 1.0)
    print(
        f"{seeds} seeds from {FIRST_SEED}, {way / 1000:.1f} km, {ticks / 20 / 3600:.2f} h, {time.perf_counter() - start:.0f} s"
    )
    print("| end | episodes | share |\n|---|---|---|")
    for end, n in ends.most_common():
        print(f"| {end} | {n} | {100 * n / seeds:.1f} % |")
    print("\n| instruction | episodes | arrived |\n|---|---|---|")
    for kind, won in sorted(kinds.items()):
        print(f"| {kind} | {len(won)} | {sum(won)} |")
    print(
        f"\nhazards met (collision within 3 s if nobody acts): {hazards}; episodes with less than 1 m to something: {close}"
    )


if __name__ == "__main__":
    main()
