"""Time from a fresh observation and a sentence to a finished plan, over several tasks, on the CPU.

    python benchmarks/plan_latency.py [weights=tabletop|FOLDER] [seeds=3] [threads=2] [tasks=pick,stack-two,...]

Prefix: encoding the pictures and the state, finding the things and reading their listing, once per
observation.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from embodied.errors import UserError
from embodied.plan import write
from policies.planner import Planner
from sim.body import SimBody

TASKS = "pick,place-in-bowl,stack-two,spatial-relation,sort-by-colour,tower-in-order"


def now() -> np.ndarray:
    """Wall and CPU clock, ms."""
    return np.array([time.perf_counter(), time.process_time()]) * 1e3


def main() -> int:
    options = {"weights": "tabletop", "seeds": "3", "threads": "2", "tasks": TASKS}
    for argument in sys.argv[1:]:
        key, _, value = argument.partition("=")
        options[key] = value
    whole, prefix, token = [], [], []
    for task in options["tasks"].split(","):
        body = SimBody(task)
        policy = Planner(body, options["weights"], threads=int(options["threads"]))
        words = policy.model.words
        for seed in range(10_000_000, 10_000_000 + int(options["seeds"])):
            obs = body.reset(seed)
            for measured in (False, True):  # the first is to warm up, pictures are rendered on the way
                policy.reset()
                start = now()
                policy.look(obs)
                seen = now()
                plan = policy.plan(obs, body.goal)
                end = now()
                if measured:
                    prefix.append(seen - start)
                    whole.append(end - start)
                    if plan.steps:
                        token.append((end - seen) / len(words.encode(write(plan.steps))))
        body.close()
    print(f"{len(whole)} observations, {options['threads']} threads, ms")
    print("| | median | p90 | median CPU time | wanted median |\n|---|---|---|---|---|")
    for name, times, wanted in (
        ("plan from a fresh observation", whole, "300"),
        ("of it the prefix", prefix, ""),
        ("each token of the plan, the goal's reading included", token, ""),
    ):
        if times:
            wall, cpu = np.array(times).T
            print(
                f"| {name} | {np.median(wall):.1f} | {np.percentile(wall, 90):.1f} | {np.median(cpu):.1f} | {wanted} |"
            )
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        print(error)
        sys.exit(2)
