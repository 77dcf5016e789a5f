"""A person's own sentence: which things it names, whether it is a sentence we can try, and a table laid for it."""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import cache

import numpy as np

from embodied import registry
from embodied.errors import UserError
from embodied.plan import COLOURS, PLACES, SHAPES
from policies.symbolic import GAP
from sim import language
from sim.scene import Crowded, Layout
from sim.task import CHAIN, Episode

LONGEST = 400  # characters
_SHAPES = {word: shape for shape, words in language.NOUNS.items() for word in words}
_TINTS = {tint: colour for colour, tints in language.TINTS.items() for tint in tints} | {c: c for c in COLOURS}
_TINT = "|".join(sorted(_TINTS, key=len, reverse=True))
_NOUN = "|".join(sorted([*_SHAPES, *language.GENERIC], key=len, reverse=True))
_MENTION = re.compile(rf"\b({_TINT})(?:[- ]colou?red)? ({_NOUN})\b|\b({_NOUN}) (?:that|which) is ({_TINT})\b")
_ASIDE = re.compile(
    r"\b(?:off|from|out of|(?:that|which) (?:is|lies|stands|sits) [a-z ]{2,14})(?: (?:the|a|that|this))? $"
)
_SETS = re.compile(
    r"\b(?:all|every\w*|each|any\w*|both|things|objects|items|pieces|ones|colou?rs?|match\w*|same|own|rest|swap\w*|switch\w*|exchang\w*|interchang\w*|trad\w+|places)\b"
)
_SEVERAL = re.compile(rf"\b({_TINT})(?:[- ]colou?red)? ((?:{'|'.join(_SHAPES)}))(?:s|es)\b")
_FORBIDS = re.compile(
    r"^(?:please |robot |hey )*(?:don'?t|do not|never|avoid|stop|leave)\b(?!.*(?:,|;|\bbut\b|\bthen\b|\buntil\b|\bbefore\b))"
)
_EXAMPLE = "'put the red block in the blue bowl'"


def mentioned(goal: str) -> list[tuple[str, str]]:
    """(colour, shape) of the things that a goal names, in order, each once; shape "" for "the green one"."""
    found = []
    for one in _MENTION.finditer(" ".join(goal.lower().split())):
        colour, noun = _TINTS[one[1] or one[4]], one[2] or one[3]
        found.append((colour, _SHAPES.get(noun, "")))
    return list(dict.fromkeys(found))


def wanted(goal: str) -> list[tuple[str, str]]:
    """As mentioned, without things that only say where another one is taken from or which one is meant."""
    text = " ".join(goal.lower().split())
    by_the_way = {m for one in _MENTION.finditer(text) if _ASIDE.search(text[: one.start()]) for m in mentioned(one[0])}
    return [one for one in mentioned(goal) if one not in by_the_way]


@cache
def _vocabulary() -> frozenset[str]:
    sources = [*CHAIN, *language.OPENINGS, *language.CLOSINGS, *language.OPENINGS_HELD_OUT, *language.CLOSINGS_HELD_OUT]
    sources += [
        *_TINTS,
        *_SHAPES,
        *language.GENERIC,
        "and",
        "then",
        "of",
        "on",
        "in",
        "left",
        "right",
        "behind",
        "front",
        "coloured",
        "colored",
    ]
    for name in registry.choices("task"):
        made = registry.build("task", name)
        sources += [*made.templates(), *made.templates(held_out=True)]
    return frozenset(word for text in sources for word in re.findall(r"[a-z]+", re.sub(r"\{\w+\}", " ", text.lower())))


def tidied(goal: str) -> str:
    """The goal with tidy spaces. UserError when it is empty, too long, or says what not to do."""
    tidy = " ".join(goal.split())
    if not tidy:
        raise UserError(f"the goal is empty; say what to do, for example goal={_EXAMPLE!s}")
    if len(tidy) > LONGEST:
        raise UserError(f"the goal has {len(tidy):,} characters; say it in at most {LONGEST}, for example {_EXAMPLE}")
    if _FORBIDS.search(tidy.lower()):
        raise UserError(f"the goal {_short(tidy)!r} says what not to do; say what to do, for example {_EXAMPLE}")
    return tidy


def check(goal: str) -> str:
    """The goal as tidied. UserError when it is mostly of words that are not our English, or names what no table here has."""
    tidy = tidied(goal)
    words = re.findall(r"[^\W\d_]+", tidy.lower())
    known = [word for word in words if word in _vocabulary()]
    if len(known) < 0.6 * len(words) or len(words) < 2:
        raise UserError(f"the goal {_short(tidy)!r} is not English that I can follow; write for example {_EXAMPLE}")
    for noun in _nouns(tidy.lower()):
        if (
            len(noun) > 3 and noun not in _vocabulary() and not get_close_matches(noun, _vocabulary(), 1, 0.7)
        ):  # a typo is forgiven
            kinds = ", ".join(f"{shape}s" for shape in SHAPES + PLACES)
            raise UserError(f"the goal names a {noun!r}, and I know {kinds} only; write for example {_EXAMPLE}")
    return tidy


def of_sets(goal: str) -> bool:
    """Whether a goal speaks of things that it does not name one by one ("everything", "the things of one colour")."""
    return bool(_SETS.search(goal.lower()) or _SEVERAL.search(goal.lower()))


def _nouns(goal: str) -> list[str]:
    """Words that stand where a thing's name stands: behind a colour, or behind an article with nothing known to follow."""
    behind = re.findall(rf"\b(?:{_TINT})(?:[- ]colou?red)? ([a-z]+)", goal)
    return behind + re.findall(rf"\b(?:the|a|an|this|that|my|your) ([a-z]+)\b(?! (?:{_TINT}|{_NOUN})\b)", goal)


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


def check_present(goal: str, names: list[str]) -> None:
    """UserError when the goal names a thing that is not among `names` (the things on the table)."""
    for colour, shape in mentioned(goal):
        there = [n for n in names if n.startswith(colour) and (n.endswith(shape) if shape else True)]
        if not there:
            what = f"{colour} {shape or 'thing'}"
            raise UserError(f"the goal names a {what}, and there is none on this table; there are {', '.join(names)}")


def table_for(goal: str, seed: int) -> Episode:
    """A table with the things that the goal names and up to two others. "the green one" becomes a green block.

    The episode wants nothing by itself: what the goal means is for the policy to say.
    """
    if several := _SEVERAL.search(goal.lower()):
        raise UserError(
            f"the goal asks for several {several[0]}, and a table has one thing of each colour and shape; name each, or give "
            "task=put-all-of-a-colour"
        )
    things: list[str] = []
    for colour, shape in mentioned(goal):
        same = [t for t in things if t.startswith(colour + " ")]
        if shape or not same:
            things.append(f"{colour} {shape or 'block'}")
    things = list(dict.fromkeys(things))
    if not things:
        raise UserError(
            f"the goal {_short(goal)!r} names no thing by colour and shape; say for example {_EXAMPLE}, or give task="
        )
    if len(things) > 8:
        raise UserError(f"the goal names {len(things)} things, and the table has room for 8; name fewer")
    relations = any(
        word in goal.lower() for word in ("left", "right", "behind", "front", "between", "beside", "next to")
    )
    rng = np.random.default_rng([seed, 11])
    for attempt in range(300):
        layout = Layout(rng, "seen")
        try:
            # what relations refer to stands away from the border, so that the place beside it is within reach
            inset = GAP if relations and attempt < 200 else 0.0
            for name in sorted(things, key=lambda n: n.split()[1] in SHAPES):  # large things first
                layout.put(name, x=(0.36 + inset, 0.68 - inset), y=(-0.28 + inset, 0.28 - inset))
            layout.spots(2)
            layout.bystanders(avoid_colours=[t.split()[0] for t in things])
        except Crowded:
            continue
        return Episode("table", tuple(layout.items), (), goal, {}, "")
    raise UserError(f"found no room on the table for {', '.join(things)}; name fewer things")
