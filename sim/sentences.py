"""What is asked for at a moment: goals in sentences, what they come to, and those that have to be refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from embodied import registry
from embodied.data.snapshots import Record, Snapshots
from embodied.plan import write_step
from embodied.spec import CameraSpec
from policies.expert import grounded
from policies.judge import job_of
from policies.symbolic import Facts, remaining
from sim import language
from sim.hindsight import unheard
from sim.nonsense import nonsense
from sim.task import Episode

PHRASINGS = 4  # stored for every goal
OTHERS, UNHEARD = 4, 1  # further goals tried for every moment; sentences of made-up jobs


def nonsensical(record: Record, episode: Episode, rng: np.random.Generator) -> None:
    """Now and then a goal that has to be refused takes the place of the goal."""
    if rng.random() < 0.08:
        goal, name = language.absent(rng, episode)
        record.goals, record.refusal = [goal], name
    elif rng.random() < 0.03:
        record.goals, record.refusal = [nonsense(rng) for _ in range(PHRASINGS)], "unclear"
    if record.refusal:
        record.jobs, record.parts = [], []


def ask(
    record: Record,
    told: Sequence[Episode],
    others: Sequence[Episode | None],
    table: Facts,
    camera: CameraSpec,
    rng: np.random.Generator,
) -> None:
    """Write goals and what they come to into the record. told: the episode in several phrasings."""
    if registry.build("task", told[0].task).told_by(told[0].wants, table):
        record.goals, record.parts = [one.goal for one in told], [list(one.parts) for one in told]
    record.jobs = list(map(job_of, told[0].wants))
    wants = dict.fromkeys(told[0].wants)
    for other in filter(None, others):
        record.others.append((other.goal, list(other.parts), list(map(job_of, other.wants))))
        wants |= dict.fromkeys(other.wants)
    record.others += [(*unheard(told[0].items, rng), []) for _ in range(UNHEARD)]
    for want in wants:
        steps = grounded(remaining((want,), table), table, camera, (want,))
        record.plans.append((job_of(want), list(map(write_step, steps))))


def write_corpus(out: Path) -> None:
    """Write out/corpus.txt, all goals below `out` that mean something, for the vocabulary."""
    data = Snapshots(out)
    records = [record for record in map(data.record, range(len(data))) if record.refusal != "unclear"]
    goals = [goal for record in records for goal in [*record.goals, *(other[0] for other in record.others if other[2])]]
    (out / "corpus.txt").write_text("\n".join(goals) + "\n")
