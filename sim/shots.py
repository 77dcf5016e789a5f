"""Solved examples for a prompt: questions of one form about tables of training seeds, with their true answers."""

from __future__ import annotations

import re

import numpy as np

from embodied.errors import UserError
from embodied.plan import COLOURS, PLACES, SHAPES
from embodied.types import Observation, Shot
from sim.snapshots import Moments
from sim.task import EPISODES, FIRST_EVALUATION_SEED, seed_of

FURTHER = 4  # tables that are looked through in vain before it is said that there is none
_NAME = re.compile(rf"\b({'|'.join(COLOURS)}) ({'|'.join((*SHAPES, *PLACES))})\b")


def form(question: str) -> str:
    """The question without the names of things: 'what is on the <thing>'."""
    return _NAME.sub("<thing>", question.lower())


def solved(task: str, question: str, count: int, seed: int) -> list[Shot]:
    """`count` examples, each from a moment of another episode; never from the first one of a run, which `embodied ask` shows.
    UserError where this task's moments have none of that form."""
    run, first = seed % (FIRST_EVALUATION_SEED // EPISODES), seed % (EPISODES - count - FURTHER)
    moments, known, out = Moments(task), set[str](), list[Shot]()
    try:
        for k in range(1, count + FURTHER + 1):
            at = seed_of("train", run, first + k)
            found = _episode(moments, at, form(question), known)
            if found:
                out.append(found[int(np.random.default_rng([at, 13]).integers(len(found)))])
            if len(out) == count:
                return out
    finally:
        moments.body.close()
    raise UserError(
        f"there are no solved examples of the form {form(question)!r}; ask one of {', '.join(map(repr, sorted(known)))}, "
        "or give your own with examples="
    )


def _episode(moments: Moments, seed: int, wanted: str, known: set[str]) -> list[Shot]:
    """The questions of this form at all moments of an episode; known: takes the forms that there are."""
    out: list[Shot] = []
    for number, (record, _) in enumerate(moments.episode(seed)):
        now = moments.body.observe()
        # Pictures have to be looked at before the world moves on.
        seen = Observation(now.t_s, dict(now.images), now.states, dict(now.depth))
        known |= {form(question) for question, _ in record.asks}
        source = f"training seed {seed}, after {number} steps"
        out += [Shot(seen, q, a, source) for q, a in record.asks if form(q) == wanted]
    return out
