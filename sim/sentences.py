"""Goals and their plans as text alone: no physics, no picture. A hundred times cheaper than a snapshot, they teach the
language model to read a goal; where things are it learns from pictures.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from embodied import registry
from embodied.plan import write_step
from embodied.spec import BodySpec, Channels
from policies.expert import grounded
from policies.symbolic import remaining
from sim.camera import front
from sim.hindsight import another
from sim.scene import facts
from sim.task import EPISODES, seed_of

FURTHER = 3  # further goals tried on each table


def sentences(count: int, seed: int = 0) -> Iterator[tuple[str, list[str]]]:
    """(goal, plan lines with points in the unshaken front camera), tasks in turn, compound twice."""
    names = [*registry.choices("task"), "compound"]
    tasks = {name: registry.build("task", name) for name in names}
    spec = BodySpec("table", {"front": front()}, {}, Channels((), (), (), (), 20.0))
    made = 0
    for k in range(count):
        rng = np.random.default_rng([seed_of("train", seed, k % EPISODES), 7])
        episode = tasks[names[k % len(names)]].sample(rng, "train")
        table = facts(episode.items)
        for one in (episode, *(another(episode.items, table, rng) for _ in range(FURTHER))):
            if one is None or not (steps := remaining(one.wants, table)):
                continue
            yield one.goal, list(map(write_step, grounded(steps, table, spec, one.wants)))
            made += 1
            if made == count:
                return


def write(path: Path, count: int, seed: int = 0) -> None:
    """`count` sentences as JSON lines [goal, [plan lines]]; written whole or not at all."""
    part = path.with_suffix(".part")
    with part.open("w") as out:
        out.writelines(json.dumps(one) + "\n" for one in sentences(count, seed))
    part.rename(path)
