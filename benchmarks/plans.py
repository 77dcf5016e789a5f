"""What the plans are worth when seeing and moving never fail: exact listings in, each step's effect put in place by rule.

    python benchmarks/plans.py [weights=tabletop] [episodes=20] [seed=1] [splits=seen,pairs,phrasings,compositions] [show=1]

Prints for every task and split the share of goals whose first plan, carried out step by step, makes the goal true. It
tells a misread sentence from a misread picture, and takes a tenth of a second an episode.
"""

from __future__ import annotations

import numpy as np
import torch
from options import leave, options

from embodied import registry
from embodied.model.decode import Look
from embodied.model.grammar import Grammar
from embodied.model.lessons import ALL, listing
from embodied.model.network import EmbodiedModel
from embodied.model.weights import from_pretrained
from embodied.types import Step
from policies import goals
from policies.skills import HOME
from policies.symbolic import Facts, holds
from sim.camera import front
from sim.scene import facts
from sim.snapshots import lies, marks
from sim.task import Episode, seed_of
from sim.words import after

CAMERA = front()


def written(table: Facts) -> str:
    """The listing of exact facts, as a faultless finder would make it."""
    return listing(marks(table, CAMERA), lies(table, table.things))


def planned(model: EmbodiedModel, allowed: Grammar, goal: str, table: Facts) -> tuple[Step, ...] | None:
    """The model's plan for an exactly listed table, without pictures; None when it refuses."""
    look = Look(model, {}, {})
    look.note(ALL, written(table))
    try:
        wanted = goals.jobs(look, allowed, goal)
    except goals.Refused:
        return None
    return tuple(goals.steps(look, allowed, wanted, CAMERA, np.array(HOME[:3])))


def reached(model: EmbodiedModel, allowed: Grammar, episode: Episode) -> tuple[bool, str]:
    """Whether the first plan makes the episode's goal true, and the plan in words."""
    table: Facts | None = facts(episode.items)
    steps = planned(model, allowed, episode.goal, table)
    for step in steps or ():
        table = after(step, table, CAMERA)
        if table is None:
            break
    said = "refused" if steps is None else "; ".join(step.text for step in steps)
    # reach leaves the hand where it is wanted only if it comes last
    return table is not None and steps is not None and all(holds(want, table) for want in episode.wants), said


def main(arguments: list[str]) -> int:
    chosen = options(
        arguments, weights="tabletop", episodes=20, seed=1, splits="seen,pairs,phrasings,compositions", show=0
    )
    episodes, seed, splits = chosen["episodes"], chosen["seed"], chosen["splits"].split(",")
    torch.set_num_threads(1)
    model = from_pretrained(chosen["weights"])
    allowed = Grammar(model.words)
    tasks = [*registry.choices("task")]
    print(f"{'task':22s}" + "".join(f"{split:>14s}" for split in splits))
    totals = dict.fromkeys(splits, 0.0)
    for task in tasks:
        row = f"{task:22s}"
        for split in splits:
            good = 0
            for k in range(episodes):
                rng = np.random.default_rng(seed_of(split, seed, k))
                episode = registry.build("task", task).sample(rng, split)
                right, said = reached(model, allowed, episode)
                good += right
                if not right and chosen["show"]:
                    print(f"  {split}: {episode.goal!r} -> {said}")
            totals[split] += good / episodes
            row += f"{good / episodes:14.2f}"
        print(row)
    print(f"{'mean':22s}" + "".join(f"{total / len(tasks):14.3f}" for total in totals.values()))
    return 0


if __name__ == "__main__":
    leave(main)
