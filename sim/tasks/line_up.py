# ruff: noqa: E501  (a template is one line, however long)
"""Line up: things in a row from left to right in the named order; the first one stays where it is."""

from __future__ import annotations

import itertools

from embodied.registry import register
from policies.symbolic import Want
from sim import language
from sim.scene import Layout, X, Y
from sim.task import Laid, TableTask, budget


@register("task", "line-up")
class LineUp(TableTask):
    """{b} goes right of {a}, {c} right of {b}; {list} lists them from the left, {back} from the right.

    Composition: four things.
    """

    name = "line-up"
    max_steps = budget(6)
    slots = ("a", "b", "c", "d", "list", "back")
    TRAIN = (
        "@ [line up|arrange in a row|put in a row|put in a line|align] {list} [from left to right|, left to right|, starting on the left|, starting from the left] @",
        "@ [line up|arrange in a row|put in a row|put in a line|align] {back} [from right to left|, right to left|, starting on the right|, starting from the right] @",
        "@ [make|form|build] a [row|line] [of|with|from] {list} [from left to right|, left to right|, starting on the left|] @",
        "@ [make|form|build] a [row|line] [of|with|from] {back} [from right to left|, right to left|, starting on the right] @",
        "@ [put|place|set|arrange] {list} [in a row|in a line|next to each other|side by side] [from left to right|, left to right|, in this order|] @",
        "@ [put|place|set|arrange] {back} [in a row|in a line|next to each other|side by side] [from right to left|, right to left] @",
        "from left to right [, the row should be|, the row must be|, i want|, put|, line up|:] {list}",
        "from right to left [, the row should be|, the row must be|, i want|, put|, line up|:] {back}",
        "[row|line|order] [from left to right|left to right] : {list}",
        "[row|line|order] [from right to left|right to left] : {back}",
        "{list} [should|must|have to|need to] [be lined up|be in a row|stand in a row|form a row|be in a line] [from left to right|, left to right|]",
        "{back} [should|must|have to|need to] [be lined up|be in a row|stand in a row|form a row|be in a line] [from right to left|, right to left]",
        "[i want|i need|i'd like|we want] {list} [in a row|in a line|lined up|side by side] [from left to right|, left to right|]",
        "[i want|i need|i'd like|we want] {back} [in a row|in a line|lined up|side by side] [from right to left|, right to left]",
        "[make sure|make sure that|see to it that] {list} [are|stand|end up] in a [row|line] [from left to right|, left to right|]",
        "[can|could] {list} be [lined up|put in a row|put in a line] [from left to right|] ?",
        "[can|could] you [line up|put in a row] {list} , [left to right|from left to right|in this order] ?",
        "@ [put|place] {b} [right of|to the right of|on the right of] {a} and {c} [right of|to the right of|on the right of] {b} @",
        "@ [put|place] {b} [right of|to the right of] {a} , [then|and then] {c} [right of|to the right of] {b} @",
        "{a} [on the left|is on the left|stays on the left] , {b} in the middle , {c} on the right",
        "@ make a [row|line] with {a} on the left , {b} in the middle and {c} on the right",
        "[start|begin] with {a} on the left , then {b} , then {c}",
        "[start|begin] a [row|line] with {a} , [put|place] {b} right of it and {c} right of [that|{b}]",
        "[your job|the task|your task|the goal] is to [line up|put in a row] {list} [from left to right|, left to right|]",
        "[the order is|use this order] from left to right : {list} . [line them up|put them in a row]",
        "[line up|row] {list}",
        "{list} : [line them up|in a row|put them in a row] [from left to right|]",
    )
    HELD_OUT = (
        "@ [queue up|string together|range] {list} , the first one leftmost",
        "@ [queue up|string together|range] {back} , the first one rightmost",
        "reading from the left , one should [find|see] {list}",
        "reading from the right , one should [find|see] {back}",
        "{a} is the left end of the [chain|line] , {b} follows and {c} is the right end",
        "a straight [chain|row] is [wanted|required] , leftmost first : {list}",
        "a straight [chain|row] is [wanted|required] , rightmost first : {back}",
        "[my wish is|all i ask is] to see {list} standing beside one another , left to right",
        "let {b} be the right neighbour of {a} , and {c} that of {b}",
        "how about lining up {list} from the left to the right ?",
        "@ [lay out|assemble] {list} as a line running to the right",
        "going right from {a} there should be {b} , after that {c}",
    )

    def lay(self, layout: Layout) -> Laid:
        count = 4 if layout.split == "compositions" else 3
        names = layout.names(count)
        first = layout.put(names[0], x=(X[0], X[1]), y=(Y[0], Y[1] - 0.1 * (count - 1)))
        for place in range(1, count):
            layout.beside("right of", first, times=place)
        for name in names[1:]:
            layout.put(name)
        layout.spots(1)
        layout.bystanders(most=2 if count == 3 else 1)
        keys = "abcd"[:count]
        wants = tuple(Want("right of", right, (left,)) for left, right in itertools.pairwise(names))
        phrases = {"list": language.listing(keys), "back": language.listing(keys[::-1])}
        return Laid(wants, dict(zip(keys, names, strict=True)), phrases)
