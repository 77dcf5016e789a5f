"""Several plans for one sentence, ranked by what the model takes its words to mean and by how surely it can be done.

As in SayCan (arXiv 2204.01691, section 3): the score of a plan is the language model's chance of the words times the chance that
they can be carried out here. The first is how likely the reading of the sentence is among all that may be said on this table, with
"there is no such thing" and "I do not understand" among them. The second is how surely every thing that the plan handles was found,
and whether each thing that it picks up can be picked up then: free, within reach, with an empty hand (policies/afford.py).
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embodied.plan import DRAW, read_listing, write
from embodied.spec import BodySpec
from embodied.types import Candidate, Choice, Step
from policies import goals
from policies.afford import CAMERA, can_pick
from policies.foresee import Listing, after
from policies.judge import want_of

if TYPE_CHECKING:
    from embodied.model.decode import Look
    from embodied.model.grammar import Grammar

SPARE = 4  # answers beyond those wanted, since refusals and answers that come to the same steps are among them
UNKNOWN = 0.5  # how surely a thing is there that is remembered and was never found
# Of a pick that afford says cannot be: of 400 tries none that was called so came about (docs/tamp.md). More than 0, so that
# such plans keep an order among themselves.
UNABLE = 0.05


def readings(look: Look, grammar: Grammar, goal: str, most: int) -> list[tuple[list[str], float]]:
    """The likeliest lists of jobs that a sentence comes to and their chances, the likeliest first; at most so many. Its parts are
    taken as read, each of them in several ways. Raises goals.Refused when a part most likely cannot be done."""
    from embodied.model.lessons import ask_job

    goal, known = look.model.words.familiar(goal), grammar.placed(look.noted)
    ways: list[list[tuple[list[str], float]]] = []
    for part in goals.parts(look, grammar, goal):
        told = goals.every(partial(goals.next_job, look, grammar, part, known), look)
        if not told:
            continue  # nothing is asked for
        options = [
            (told, look.chance(ask_job(part), look.model.words.encode(told[0]), partial(grammar.job, known=known)))
        ]
        for said, chance in look.several(ask_job(part), partial(grammar.job, known=known), most + SPARE):
            if said[:1] in ([grammar.absent], [grammar.unclear], []):
                continue

            def following(before: list[str], said: list[int] = said, part: str = part) -> list[int]:
                return goals.next_job(look, grammar, part, known, before) if before else said

            jobs = goals.every(following, look)
            if jobs not in [other for other, _ in options]:
                options.append((jobs, chance))
        ways.append(options)
    whole = [([job for jobs, _ in way for job in jobs], math.prod(p for _, p in way)) for way in product(*ways)]
    best = heapq.nlargest(most, whole, key=lambda one: one[1])
    return [(list(dict.fromkeys(jobs)), p) for jobs, p in best]


def affordance(steps: Sequence[Step], sure: Mapping[str, float], table: Listing, spec: BodySpec) -> float:
    """How surely the steps can be carried out, one after another. sure: of each thing found, its chance. table: what lies where
    before the first, seen by the camera "front" of spec."""
    steps = [step for step in steps if step.text != DRAW]  # which handles nothing on the table
    wants = [want_of(step) for step in steps]
    chance = math.prod(sure.get(name, UNKNOWN) for name in {name for want in wants for name in (want.a, *want.b)})
    for step in steps:
        if step.skill == "pick" and not can_pick(step.args[0], table, spec):
            chance *= UNABLE
        table = after(table, [step], spec.cameras[CAMERA])
    return chance


def choose(
    look: Look, grammar: Grammar, goal: str, most: int, spec: BodySpec, hand: NDArray[np.floating], sure: Mapping[str, float]
) -> tuple[list[str], Choice]:  # fmt: skip
    """The jobs of the best candidate, and all candidates, the likeliest reading first, with why that one. Raises goals.Refused.

    hand as goals.steps has it; sure and spec as above."""
    table = read_listing(look.model.words.decode(look.noted))
    made: dict[str, tuple[list[str], Candidate]] = {}
    for jobs, chance in readings(look, grammar, goal, most):
        steps = tuple(goals.steps(look, grammar, jobs, spec.cameras[CAMERA], hand))
        made.setdefault(write(steps), (jobs, Candidate(steps, chance, affordance(steps, sure, table, spec))))
    if not made:
        raise goals.Refused
    several = list(made.values())
    order = sorted(range(len(several)), key=lambda i: -several[i][1].total)
    chosen = order[0]
    best, rest = several[chosen][1], [several[i][1] for i in order[1:]]
    why = f"{_scored(best)}" + (f"; next is {_scored(rest[0])}" if rest else "")
    return several[chosen][0], Choice(tuple(one for _, one in several), chosen, why)


def _scored(one: Candidate) -> str:
    words = repr(one.steps[-1].text if one.steps else "nothing to do")
    return f"{words} {one.total:.2g} ({one.language:.2g} that it is meant, {one.affordance:.2g} that it can be done)"
