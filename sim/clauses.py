"""The small jobs that longer goals are made of: each lays its things and knows how to say itself in the imperative."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from policies.symbolic import DIRECTIONS, Want
from sim.phrasings import clause
from sim.scene import Crowded, Layout

FLAT = ("block", "cylinder")  # things can be stacked on these
STACK_X = (0.38, 0.62)  # towers stay where the arm reaches well above the table
WORDS = {
    "left of": "[to the left of|left of|on the left of|on the left side of|to the left side of]",
    "right of": "[to the right of|right of|on the right of|on the right side of|to the right side of]",
    "behind": "[behind|behind|at the back of|in back of]",
    "in front of": "[in front of|in front of|in front of|at the front of]",
    "between": "[between|in between|in the middle between|halfway between|in the middle of]",
}


OWN = {
    "in bowl": "[put|place|drop|set|move] {a} [in|into|inside] {b}",
    "on thing": "[stack|put|place|set] {a} [on|on top of|onto] {b}",
    "on zone": "[put|place|set|move] {a} [on|onto|in] {b}",
    "beside": "[put|place|set|move] {a} {relation} {b}",
    "push": "[push|slide|shove] {a} [to|onto|into|on] {b}",
}


def said(kind: str, a: str, b: str, relation: str = "") -> str:
    """How training says a small job about the placeholders a and b, as a template that begins with the verb."""
    text = clause(kind.replace(" ", "-"), OWN[kind]).replace("{a}", f"{{{a}}}").replace("{b}", f"{{{b}}}")
    return text.replace("{relation}", WORDS.get(relation, ""))


@dataclass(frozen=True)
class Clause:
    """want: what shall hold. names: placeholder -> thing. phrase: a template that begins with the verb."""

    want: Want
    names: dict[str, str]
    phrase: str


def in_bowl(layout: Layout, a: str, b: str) -> Clause:
    layout.put(bowl := layout.name(("bowl",)))
    layout.put(thing := layout.name())
    phrase = said("in bowl", a, b)
    if layout.split == "phrasings":
        phrase = f"[deposit|stow|tuck|get|leave] {{{a}}} [in|inside|within] {{{b}}}"
    return Clause(Want("in", thing, (bowl,)), {a: thing, b: bowl}, phrase)


def stacked(layout: Layout, a: str, b: str) -> Clause:
    layout.put(below := layout.name(FLAT), x=STACK_X)
    layout.put(thing := layout.name())
    phrase = said("on thing", a, b)
    if layout.split == "phrasings":
        phrase = f"[rest|perch|leave|mount] {{{a}}} [on|on top of|upon] {{{b}}}"
    return Clause(Want("on", thing, (below,)), {a: thing, b: below}, phrase)


def on_zone(layout: Layout, a: str, b: str) -> Clause:
    layout.put(zone := layout.name(("zone",)))
    layout.put(thing := layout.name())
    phrase = said("on zone", a, b)
    if layout.split == "phrasings":
        phrase = f"[leave|rest|deposit] {{{a}}} [on|upon] {{{b}}}"
    return Clause(Want("on", thing, (zone,)), {a: thing, b: zone}, phrase)


def beside(layout: Layout, a: str, b: str) -> Clause:
    relation = tuple(DIRECTIONS)[int(layout.rng.integers(4))]
    reference = layout.put(layout.name())
    layout.beside(relation, reference)
    layout.put(thing := layout.name())
    phrase = said("beside", a, b, relation)
    if layout.split == "phrasings":
        phrase = f"[leave|bring|position] {{{a}}} {WORDS[relation]} {{{b}}}"
    return Clause(Want(relation, thing, (reference.name,)), {a: thing, b: reference.name}, phrase)


def pushed(layout: Layout, a: str, b: str) -> Clause:
    zone = layout.put(layout.name(("zone",)))
    x, y, _ = zone.position
    thing = layout.put(layout.name(FLAT), x=(x - 0.25, x + 0.25), y=(y - 0.25, y + 0.25))
    if not 0.12 <= ((thing.position[0] - x) ** 2 + (thing.position[1] - y) ** 2) ** 0.5 <= 0.25:
        raise Crowded
    layout.lane(thing, zone)
    phrase = said("push", a, b)
    if layout.split == "phrasings":
        phrase = f"[nudge|sweep|push] {{{a}}} [across to|over to|towards] {{{b}}}"
    return Clause(Want("pushed", thing.name, (zone.name,)), {a: thing.name, b: zone.name}, phrase)


CLAUSES: tuple[Callable[[Layout, str, str], Clause], ...] = (in_bowl, stacked, on_zone, beside, pushed)
