# ruff: noqa: E501  (a template is one line, however long)
"""Tower in order: three or four things on top of each other, in the named order; the bottom one stays where it is."""

from __future__ import annotations

import itertools

from embodied.registry import register
from policies.symbolic import Want
from sim import language
from sim.clauses import FLAT, STACK_X
from sim.scene import Layout
from sim.task import Laid, TableTask, budget


def tall(layout: Layout, count: int) -> list[str]:
    """Names of a stable tower's things, bottom first: flat ones, at most two cylinders, anything on top."""
    names: list[str] = []
    for level in range(count):
        cylinders = sum(name.endswith("cylinder") for name in names)
        shapes = ("block", "cylinder", "brick") if level == count - 1 else FLAT if cylinders < 2 else ("block",)
        names.append(layout.name(shapes, avoid=names))
    return names


@register("task", "tower-in-order")
class TowerInOrder(TableTask):
    """{a} is the bottom, {b} stands on it, and so on; {up} lists all from the bottom, {down} from the top.

    Composition: five things.
    """

    name = "tower-in-order"
    max_steps = budget(8)
    slots = ("a", "b", "c", "d", "e", "up", "down")
    TRAIN = (
        "@ [build|make|construct|set up] a [tower|stack|pile] [of|from|with|out of] {up} [from bottom to top|, bottom to top|from the bottom up|, bottom first|starting at the bottom] @",
        "@ [build|make|construct|set up] a [tower|stack|pile] [of|from|with|out of] {down} [from top to bottom|, top to bottom|from the top down|, top first|starting at the top] @",
        "@ [stack|stack up|pile up|arrange] {up} [from bottom to top|, bottom to top|from the bottom up|, bottom first|in this order from the bottom] @",
        "@ [stack|stack up|pile up|arrange] {down} [from top to bottom|, top to bottom|from the top down|, top first|in this order from the top] @",
        "from [the bottom up|bottom to top|the bottom to the top] , [stack|pile|put] {up} [on top of each other|]",
        "from [the top down|top to bottom|the top to the bottom] , [stack|pile|put] {down} [on top of each other|]",
        "[tower|stack|tower order|stacking order] [from bottom to top|bottom to top|, bottom first] : {up}",
        "[tower|stack|tower order|stacking order] [from top to bottom|top to bottom|, top first] : {down}",
        "[i want|i need|i'd like|we want] a [tower|stack] [that is|which is|] , from bottom to top , {up}",
        "[i want|i need|i'd like|we want] a [tower|stack] [that is|which is|] , from top to bottom , {down}",
        "[bottom to top|from bottom to top|bottom up] , the [tower|stack] [should|must|has to] [be|consist of|contain] {up}",
        "[top to bottom|from top to bottom|top down] , the [tower|stack] [should|must|has to] [be|consist of|contain] {down}",
        "@ [stack|put|place] {b} [on|on top of|onto] {a} and {c} [on|on top of|onto] {b} @",
        "@ [stack|put|place] {b} [on|on top of|onto] {a} , [then|and then] {c} [on|on top of|onto] {b} @",
        "{a} [at the bottom|is the bottom|goes at the bottom|stays at the bottom] , {b} [in the middle|goes in the middle|is in the middle] , {c} [on top|goes on top|at the top]",
        "@ [build|make] a [tower|stack] with {a} at the bottom , {b} in the middle and {c} [on top|at the top]",
        "{c} [on|on top of] {b} [on|on top of] {a}",
        "[make sure|make sure that|see to it that] {b} [is|ends up|stands] on {a} and {c} [is|ends up|stands] on {b}",
        "@ [stack|put|place] {b} on {a} , {c} on {b} and {d} on {c} @",
        "@ [stack|put|place] {b} on top of {a} , then {c} on top of {b} , then {d} on top of {c} @",
        "{d} on {c} on {b} on {a}",
        "@ [build|make] a [tower|stack] with {a} at the bottom , then {b} , then {c} and {d} [on top|at the top]",
        "@ [start|begin] with {a} [at the bottom|as the bottom|] , then [add|stack|put] {b} , [then|and then] {c} [on top|]",
        "@ [start|begin] with {a} [at the bottom|as the bottom|] , then [add|stack|put] {b} , then {c} [and finally|and then|, then] {d} [on top|]",
        "[could|can] you [build|make|stack] a tower , [bottom first|starting from the bottom] : {up} ?",
        "{up} [should|must|need to] be [stacked|piled up] [in this order from the bottom|from bottom to top|, bottom first]",
        "{down} [should|must|need to] be [stacked|piled up] [in this order from the top|from top to bottom|, top first]",
        "[the order is|use this order] from the bottom : {up} . [build the tower|stack them|stack them up]",
    )
    HELD_OUT = (
        "@ [erect|raise] a [column|tower] , its parts from the ground up are {up}",
        "@ [erect|raise] a [column|tower] that reads {down} when you look from the top to the bottom",
        "a [column|tower] is [wanted|required] : lowest first , {up}",
        "a [column|tower] is [wanted|required] : highest first , {down}",
        "@ [heap|pile] {up} on one another , the first one lowest",
        "@ [heap|pile] {down} on one another , the first one highest",
        "looking from the bottom to the top i want to see {up}",
        "looking from the top to the bottom i want to see {down}",
        "{a} carries {b} , which carries {c}",
        "{a} carries {b} , {b} carries {c} and {c} carries {d}",
        "with {a} as the foundation , [mount|add] {b} and then {c}",
        "with {a} as the foundation , [mount|add] {b} , after that {c} and lastly {d}",
        "{c} shall crown {b} , which rests upon {a}",
    )

    def lay(self, layout: Layout) -> Laid:
        count = 5 if layout.split == "compositions" else 3 + int(layout.rng.integers(2))
        names = tall(layout, count)
        layout.put(names[0], x=STACK_X)
        for name in names[1:]:
            layout.put(name)
        layout.spots(1)
        layout.bystanders()
        keys = "abcde"[:count]
        wants = tuple(Want("on", top, (below,)) for below, top in itertools.pairwise(names))
        phrases = {"up": language.listing(keys), "down": language.listing(keys[::-1])}
        return Laid(wants, dict(zip(keys, names, strict=True)), phrases)
