"""Spatial relation: one thing goes left of, right of, behind, in front of another one, or between two."""

from __future__ import annotations

import math

from embodied.registry import register
from policies.symbolic import Want
from sim.clauses import WORDS, beside
from sim.scene import Crowded, Layout, reachable
from sim.task import Laid, TableTask, budget


@register("task", "spatial-relation")
class SpatialRelation(TableTask):
    """{a} goes {where}: that is {relation} {b}, or between {b} and {c}; as the front camera sees it.

    Composition: two such jobs.
    """

    name = "spatial-relation"
    max_steps = budget(4)
    slots = ("a", "b", "c", "relation", "where")
    TRAIN = (
        "@ [put|place|set|lay|move] {a} {where} @",
        "@ [move|bring|carry|take|transfer] {a} [so that it is|so that it lies|to a place|to the spot] {where} @",
        "@ [pick up|grab|take|lift|get] {a} and [put|place|set|drop] it {where} @",
        "@ [take|get|fetch] {a} , then [put|place|set] it {where} @",
        "{a} [goes|belongs|should go|must go|has to go] {where}",
        "{a} [should|must|needs to|has to] [be|end up|stand|lie|be placed|be put] {where}",
        "[i want|i need|i would like|i'd like] {a} [|to be|to stand|to lie|placed] {where}",
        "[make sure|make sure that|see to it that|ensure that] {a} [is|ends up|stands|lies] {where}",
        "{where} [put|place|goes|set] {a}",
        "{where} is [where|the place where] {a} [belongs|goes|should go|should be]",
        "[can|could|will] {a} be [put|placed|moved|set] {where} ?",
        "[the place for|the new place of|the position of] {a} is {where}",
        "[your job|the task|your task|the goal] is to [get|put|bring|have] {a} {where}",
        "@ [find|locate] {a} and [put|place|move] it {where}",
        "{a} : [|put it|place it|goes] {where}",
        "{a} {where}",
        "@ [get|have] {a} {where}",
        "[the spot|the place] {where} is [for|free for|reserved for] {a}",
        "[put|place] {where} {a}",
        "@ [put|place|move] {a} [next to {b} ,|beside {b} ,|near {b} ,|close to {b} ,] {relation} it",
        "{b} [stays|stays where it is|does not move] , {a} [goes|is put|moves] {relation} it",
        "@ [leave|keep] {b} [there|where it is] and [put|place|move] {a} {relation} it",
        "@ [put|place|move] {a} [into|in] the [gap|space|middle] between {b} and {c}",
        "{b} and {c} [should|must|need to] have {a} [between them|in the middle|in between]",
        "@ [put|place] {a} [so that|such that] {b} and {c} are on [both|either|the two] sides [of it|]",
        "{a} [belongs|goes] [in the gap|in the middle] between {b} and {c}",
        "[as seen|seen] [in the picture|from the camera] , [put|place] {a} {where}",
        "{a} [is|stands] in the wrong place , [put|move|place] it {where}",
    )
    HELD_OUT = (
        "@ [deposit|park|leave] {a} {where} @",
        "@ relocate {a} , its [new home|destination] is {where}",
        "when you are done , {a} [is found|sits] {where}",
        "[my wish is|i'd be happy] to see {a} {where}",
        "how about [putting|placing|moving] {a} {where} ?",
        "@ shift {a} until it stands {where}",
        "take {b} as your landmark : {a} has to lie {relation} it",
        "look at {b} . the free spot {relation} it gets {a}",
        "{b} and {c} shall be [separated|parted] by {a}",
        "@ sandwich {a} between {b} and {c}",
        "once you have {a} , let go of it {where}",
        "{a} wants to be {where}",
        "@ position {a} {where} , nowhere else",
    )

    def lay(self, layout: Layout) -> Laid:
        rng = layout.rng
        if layout.split == "compositions":
            one, two = beside(layout, "a", "b"), beside(layout, "c", "d")
            layout.spots(1)
            layout.bystanders(most=1)
            return Laid(
                (one.want, two.want), one.names | two.names, {"first": one.phrase, "second": two.phrase}, chain=True
            )
        if rng.random() < 0.6:
            clause = beside(layout, "a", "b")
            relation, names, where = clause.want.relation, clause.names, "{relation} {b}"
            want = clause.want
        else:
            relation, where = "between", "{relation} {b} and {c}"
            a, b, c = layout.names(3)
            x, y, _ = layout.put(b).position
            u, v = rng.random(2).tolist()
            half, angle = (0.21 + 0.08 * u) / 2, 2 * math.pi * v
            middle = x + half * math.cos(angle), y + half * math.sin(angle)
            layout.put(c, at=(x + 2 * half * math.cos(angle), y + 2 * half * math.sin(angle)))
            if not reachable(*middle):
                raise Crowded
            layout.reserve("spot", *middle)
            layout.put(a)
            names = {"a": a, "b": b, "c": c}
            want = Want("between", a, (b, c))
        layout.spots(2)
        layout.bystanders()
        return Laid(
            (want,), names, {"relation": WORDS[relation] if len(names) == 2 else "[between|in between]", "where": where}
        )
