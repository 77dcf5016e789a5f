"""Compound: two small jobs in one sentence, one after the other."""

from __future__ import annotations

from embodied.registry import register
from sim.clauses import CLAUSES
from sim.scene import Crowded, Layout
from sim.task import CHAIN, Laid, TableTask, budget


@register("task", "compound")
class Compound(TableTask):
    """{first}, then {second}: into a bowl, onto a thing or zone, beside a thing, or a push. Composition: three.

    {doing_first} and {doing_second} are the same clauses in the -ing form.
    """

    name = "compound"
    max_steps = budget(6)
    slots = ("first", "second", "third", "doing_first", "doing_second", "doing_third")
    loose = 0.3
    TRAIN = (
        *CHAIN,
        "@ {first} . when [that is done|you are done|you are finished|this is done] [,|] {second}",
        "@ {first} , and when [that is done|you are done|you have done that] [,|] {second}",
        "[two things|two steps|two jobs] : {first} , [and|then|and then] {second}",
        "[step one|step 1|1.|first step|first] : {first} [,|.|;] [step two|step 2|2.|second step|second] : {second}",
        "[start|begin] by {doing_first} [,|] [then|and then] {second}",
        "{second} , but [first|before that] {first}",
        "once you have finished {doing_first} , {second}",
        "[i want you to|you should|you have to|your job is to] {first} and [then|afterwards|after that] to {second}",
        "[can|could|would] you {first} and [then|after that|afterwards] {second} ?",
        "{first} ; {second}",
        "{first} , {second}",
        "{first} and {second}",
        "@ {first} and also {second}",
        "{first} , then {second} , then {third}",
        "@ first {first} , then {second} and [finally|at the end|after that] {third}",
        "{first} , {second} and {third}",
        "{first} . then {second} . [then|finally|after that] {third}",
    )
    HELD_OUT = (
        "@ {first} , followed by {doing_second}",
        "begin with this : {first} . go on with this : {second}",
        "job one , {first} . job two , {second}",
        "there are two jobs , {doing_first} and then {doing_second}",
        "do not {second} until you have finished {doing_first}",
        "as soon as you are through with {doing_first} , {second}",
        "initially {first} , subsequently {second}",
        "{second} , though not before {doing_first}",
        "@ {first} to begin with , later {second}",
        "the plan is {doing_first} , with {doing_second} as the next item",
        "the first thing to do is {doing_first} , the last thing {doing_second}",
        "having finished {doing_first} , go on to {second}",
    )

    def lay(self, layout: Layout) -> Laid:
        keys = ("first", "second", "third")[: 3 if layout.split == "compositions" else 2]
        wants, names, phrases = [], {}, {}
        for at, key in enumerate(keys):
            draw = CLAUSES[int(layout.rng.integers(len(CLAUSES)))]
            clause = draw(layout, "ace"[at], "bdf"[at])
            wants.append(clause.want)
            names |= clause.names
            phrases[key] = clause.phrase
        movable = [item for item in layout.items if item.movable]
        if len(movable) > 7:
            raise Crowded
        layout.spots(1)
        layout.bystanders(most=1)
        return Laid(tuple(wants), names, phrases)
