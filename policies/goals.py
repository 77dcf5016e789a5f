"""From a sentence to steps, in the language model's words: its jobs first, then each job on the table as it will be.

A plan in one breath fails on a sentence that asks for more than training's sentences did. Told apart first, every part is
one that it knows, and every job is planned alone (least-to-most prompting, arXiv 2205.10625, with a grammar at every stage).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embodied import plan as text
from embodied.errors import UserError
from embodied.plan import PLACES
from embodied.spec import CameraSpec
from embodied.types import Plan, Point, Step
from policies.foresee import Listing, after
from policies.told import told

if TYPE_CHECKING:
    from embodied.model.decode import Look
    from embodied.model.grammar import Grammar, Known
    from embodied.model.network import EmbodiedModel

ONE = 0.9  # how sure a sentence must be one job to be read whole; sentences of training are told apart there
TAKEN = -1  # no token
LIKELY = 0.02  # chance of a job that is not left out
MOST = 12  # parts of a sentence, or jobs of a part


class Refused(Exception):
    """The sentence cannot be carried out: names a thing that is not there, or, with no name, means nothing."""


def jobs(look: Look, grammar: Grammar, goal: str) -> list[str]:
    """What a sentence comes to, in order, each job in the words of a step. Raises Refused."""
    goal = look.model.words.familiar(goal)
    known = grammar.placed(look.noted)
    out: list[str] = []
    for part in parts(look, grammar, goal):
        out += every(partial(next_job, look, grammar, part, known), look)
    return list(dict.fromkeys(out))


def next_job(look: Look, grammar: Grammar, part: str, known: Known, before: list[str]) -> list[int]:
    """The first job, or one about another thing that follows on the last. What a set of things comes to may be said in any
    order: then the likeliest thing comes again, and another one is as good an answer."""
    from embodied.model.lessons import ask_job

    if not before:
        allowed = partial(grammar.job, known=known)
        said = look.say(ask_job(part), allowed)[0]
        if not _doubtful(said, look, grammar):
            return said
        return look.say(ask_job(part), lambda so_far: [i for i in allowed(so_far) if so_far or i != said[0]])[0]
    encode = look.model.words.encode
    moved = [tuple(encode(job)[1:3]) for job in before]
    question, allowed = ask_job(part, before[-1]), partial(grammar.job, known=known, first=False)
    rest = {name for name in known if name not in moved and name[1] in grammar.movable}

    def other(so_far: Sequence[int]) -> list[int]:
        there = [i for i in allowed(so_far) if i != grammar.eos or len(so_far) > 3]
        if len(so_far) == 1:
            there = [i for i in there if any(colour == i for colour, _ in rest)]
        elif len(so_far) == 2:
            there = [i for i in there if (so_far[1], i) in rest]
        return there or [grammar.eos]

    if not rest:
        return []
    said = look.say(question, other)[0]
    return said if len(said) > 2 and look.chance(question, said, allowed) > LIKELY else []


def parts(look: Look, grammar: Grammar, goal: str) -> list[str]:
    """The words that ask for each of several jobs, in the order of doing; or the whole sentence, where it is surely one."""
    from embodied.model.lessons import ask_part

    ids = look.model.words.encode(goal)
    choices = grammar.part([], ids)
    if float(look.choose(ask_part(goal), choices)[choices.index(grammar.eos)]) > ONE:
        return [goal]

    def following(before: list[str]) -> list[int]:
        def allowed(so_far: Sequence[int]) -> list[int]:
            there = grammar.part(so_far, ids)
            if so_far or len(before) > 1:
                return there
            return [i for i in there if i != grammar.eos] or there  # one part is not all

        said = look.say(ask_part(goal, before[-1] if before else ""), allowed)[0]
        at = next((i for i in range(len(ids)) if said and ids[i : i + len(said)] == said), 0)
        ids[at : at + len(said)] = [TAKEN] * len(said)  # parts do not overlap
        return said

    out = every(following, look)
    return out if len(out) > 1 else [goal]


def every(following: Callable[[list[str]], list[int]], look: Look) -> list[str]:
    """What follows on nothing, on that, and so on; until nothing does, or something comes again. Raises Refused."""
    from embodied.model.tokens import ABSENT, UNCLEAR

    words = look.model.words
    out: list[str] = []
    while len(out) < MOST:
        said = following(out)
        if said[:1] == [words[UNCLEAR]]:
            raise Refused
        if said[:1] == [words[ABSENT]]:
            raise Refused(words.decode(said[1:]))
        text = words.decode(said)
        if not said or text in out:
            break
        out.append(text)
    return out


def _doubtful(said: Sequence[int], look: Look, grammar: Grammar) -> bool:
    """Whether a refusal names as absent what may have been listed by another name: a shape is misread more often than a
    thing is asked for that is not there."""
    if len(said) < 3 or said[0] != grammar.absent:
        return False
    places = {look.model.words[place] for place in PLACES}
    return any(
        colour == said[1] and (shape in places) == (said[2] in places) for colour, shape in grammar.placed(look.noted)
    )


def with_pen(weights: str, goal: str) -> Plan:
    """What the model of these weights makes of a sentence when the arm holds a pen, see asked_of_pen."""
    from embodied.model.grammar import Grammar
    from embodied.model.weights import from_pretrained

    model = from_pretrained(weights)
    grammar = Grammar(model.words)
    if not grammar.draw:
        raise UserError(
            f"weights {weights!r} were taught before there was a pen; use weights=tabletop, or train them again"
        )
    return asked_of_pen(model, grammar, goal)


def asked_of_pen(model: EmbodiedModel, grammar: Grammar, goal: str) -> Plan:
    """The plan of an arm that holds a pen over a sheet: no thing lies there, and all that can be asked for is the drawing. A
    refusal where the sentence asks for none."""
    from embodied.model.decode import Look
    from embodied.model.lessons import ALL

    look = Look(model, {}, {})
    look.note(ALL, "")
    refusal = (
        f"I do not understand {goal[:60]!r} with a pen in the hand; ask for a drawing, for example 'draw the house'"
    )
    try:
        wanted = jobs(look, grammar, goal)
    except Refused as why:
        absent = f"I hold a pen and see no {why}; ask for a drawing, or leave out picture="
        return Plan(goal, (), refusal=absent if str(why) else refusal)
    return Plan(goal, tuple(map(text.step, wanted)), refusal="" if wanted else refusal)


def steps(
    look: Look, grammar: Grammar, wanted: Sequence[str], camera: CameraSpec, hand: NDArray[np.floating]
) -> list[Step]:
    """The steps of all jobs that do not hold yet on the table that `look` has noted; `look` is left as it was.

    Whether a job holds is said by the listing where it tells (policies/told.py), as in a verdict; else by the model, which
    then has nothing to add. hand: where the fingertips are, (3,), m, base frame."""
    from embodied.model.lessons import ALL, ask_plan
    from embodied.model.tokens import LINE

    words = look.model.words
    seen = words.decode(look.noted)
    table = text.read_listing(seen)
    out: list[Step] = []
    for job in wanted:
        if job == text.DRAW:  # how it is drawn is no matter of words
            out.append(text.step(job))
            continue
        # What is not seen cannot be handled: a plan names listed things, by the names that they were listed by.
        holds = told(text.step(job), table, camera, hand)
        if holds:
            continue
        known = grammar.placed(look.noted)
        said, _ = look.say(
            ask_plan(job), partial(grammar.steps, known=known, some=holds is False, job=words.encode(job))
        )
        found = text.read(words.decode(said)).steps
        if found:
            out += found
            table = after(table, found, camera)
            look.note(ALL, write(table))
    if out:
        look.note(ALL, seen.replace("\n", LINE))
    return out


def write(table: Listing) -> str:
    """A listing in the words that the model reads."""
    from embodied.model.lessons import listing

    points = {name: at or Point(0.5, 0.5) for name, (at, _) in table.items()}
    return listing(points, {name: where for name, (_, where) in table.items() if where})
