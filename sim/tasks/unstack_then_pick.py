# ruff: noqa: E501  (a template is one line, however long)
"""Unstack, then pick: the wanted thing lies under others, which have to go first."""

from __future__ import annotations

from embodied.registry import register
from policies.symbolic import Want
from sim.clauses import FLAT, STACK_X
from sim.scene import Layout
from sim.task import Laid, TableTask, budget


@register("task", "unstack-then-pick")
class UnstackThenPick(TableTask):
    """Hold the named thing, which has one or two others on top of it. Composition: three on top."""

    name = "unstack-then-pick"
    max_steps = budget(7)
    slots = ("a",)
    TRAIN = (
        "@ [pick up|grab|take|lift|grasp|get|pick] {a} @",
        "@ [get|take|pull|fetch|pick] {a} [out of|out from|from] the [stack|pile|tower] @",
        "@ [unstack|clear|uncover|free] {a} and [pick it up|lift it|take it|grab it|hold it] @",
        "@ [remove|take away|clear away|put away|take off] [what is|everything|whatever is|the things|all that is] [on|on top of|above] {a} and [pick|take|lift] it up @",
        "@ [unstack|take apart|clear|dismantle] the [tower|stack|pile] [and|, then] [pick up|grab|take|lift] {a} @",
        "@ [get|fetch|pick up|take] {a} [from under|from underneath|from below] the [others|other things|other objects|rest] @",
        "@ [get|fetch|pick up|take] {a} , which is [under|underneath|below] [the others|other things|something else]",
        "@ [uncover|unstack|free|clear] {a} , then [pick it up|lift it|grab it|take it] @",
        "{a} is [under|underneath|below|buried under] [other things|the others|something] , [pick it up|get it|take it|grab it]",
        "{a} [should|must|needs to] be [unstacked|uncovered|freed] and [picked up|lifted|taken]",
        "[i want|i need|we want|i'd like] {a} [from|out of] the [stack|pile|tower]",
        "[i want|i need|we want] {a} , [clear|unstack|remove|take away] what is [on top of it|on it|above it] first",
        "[make sure|see to it] that you [hold|are holding] {a} , even if [you have to unstack it|others lie on it|it is covered]",
        "@ dig out {a} @",
        "@ [pick up|take|lift] {a} after [unstacking|clearing|removing|putting away] [the others|what is on top|the things above it]",
        "after [unstacking|clearing|removing] [the things on top|what is on top of it|the others] , [pick up|grab|lift|take] {a}",
        "[can|could] {a} be [picked up|taken out|lifted] from the [stack|pile|tower] ?",
        "[first|] [take|move|put] the [things|objects|others] on {a} [away|aside] , then [pick it up|lift it|grab it]",
        "[which|what] lies on {a} ? [remove it|take it away] and [pick|lift] {a} up",
        "[give me|hand me|fetch me] {a} [from the stack|out of the pile|from under the others|]",
        "{a} : [unstack and pick|unstack it and pick it up|get it out of the pile|uncover it and take it]",
        "@ [hold|raise|lift|grab] {a} , it is [in the stack|in the tower|under something]",
        "the [thing|object] i [want|need] is {a} , [in|inside] the [stack|pile|tower]",
        "@ [find|locate] {a} in the [stack|pile|tower] and [pick it up|lift it|take it]",
    )
    HELD_OUT = (
        "@ [extract|recover|retrieve|rescue] {a} @",
        "@ liberate {a} from [its load|what it carries] and seize it",
        "@ unload {a} and bring it up",
        "@ get at {a} , whatever stands in the way",
        "something is blocking {a} ; [deal with that|sort that out] , then take hold of it",
        "@ set the upper ones aside until {a} can be [lifted|held]",
        "everything that rests upon {a} has to leave before you hold it",
        "your fingers should close around {a} once nothing covers it any more",
        "{a} is trapped , [rescue it|help it out]",
        "@ strip the pile down to {a} and lift that",
        "[my wish is|all i ask is] to have {a} out of there",
    )

    def lay(self, layout: Layout) -> Laid:
        above = 3 if layout.split == "compositions" else 1 + int(layout.rng.integers(2))
        wanted = layout.name(FLAT)
        pile = [wanted]
        if above == 1 and layout.rng.random() < 0.4:  # the wanted thing may itself stand on another one
            pile.insert(0, layout.name(FLAT, named=False, avoid=pile))
        for level in range(above):
            cylinders = sum(name.endswith("cylinder") for name in pile)
            shapes = ("block", "cylinder", "brick") if level == above - 1 else FLAT if cylinders < 2 else ("block",)
            pile.append(layout.name(shapes, named=False, avoid=pile))
        below = layout.put(pile[0], x=STACK_X)
        for name in pile[1:]:
            below = layout.stack(name, below)
        layout.spots(above + 1)
        layout.bystanders()
        return Laid((Want("held", wanted),), {"a": wanted})
