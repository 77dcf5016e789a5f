"""Stack two: one thing on top of another one."""

from __future__ import annotations

from embodied.registry import register
from sim.clauses import stacked
from sim.scene import Layout
from sim.task import Laid, TableTask, budget


@register("task", "stack-two")
class StackTwo(TableTask):
    """The first thing stands on the second one, which is flat. Composition: two such stacks."""

    name = "stack-two"
    max_steps = budget(4)
    slots = ("a", "b")
    TRAIN = (
        "@ [stack|put|place|set|lay] {a} [on|on top of|onto|upon|atop] {b} @",
        "@ [move|bring|carry|transfer] {a} [onto|on top of|on to the top of] {b} @",
        "@ [pick up|grab|take|lift|get] {a} and [put|place|set|stack] it [on|on top of|onto] {b} @",
        "@ [take|get|fetch] {a} , then [put|place|stack] it [on|on top of|onto] {b} @",
        "{a} [goes|belongs|should go|must go|has to go] [on|on top of|onto] {b}",
        "{a} [should|must|needs to|has to] [be|end up|stand|sit|rest|be placed|be put|be stacked] [on|on top of] {b}",
        "[i want|i need|i would like|i'd like] {a} [on|on top of|to be on|to stand on|to sit on|stacked on] {b}",
        "[make sure|make sure that|see to it that|ensure that] {a} [is|ends up|stands|sits|rests] [on|on top of] {b}",
        "@ [build|make] a [tower|stack|pile] [of|from|with] {a} on {b}",
        "@ [build|make] a [tower|stack] with {b} [at the bottom|below|underneath] and {a} [on top|above|on top of it]",
        "[on|on top of|onto] {b} [put|place|goes|stack] {a}",
        "[can|could|will] {a} be [put|placed|stacked|set] [on|on top of] {b} ?",
        "{b} [should|must|needs to|has to] [carry|support|have] {a} [on its top|on top|]",
        "@ cover {b} with {a}",
        "@ use {b} as [the|a] [base|stand|support] for {a}",
        "@ [get|have] {a} [on|on top of|onto] {b}",
        "[the place for|the home of] {a} is on top of {b}",
        "[your job|the task|your task|the goal] is to [get|put|bring|stack] {a} [on|onto|on top of] {b}",
        "@ [find|locate] {a} and [put|place|stack] it [on|on top of] {b}",
        "{a} : [on|on top of|onto|put it on|stack it on] {b}",
        "@ [put|place] {a} [so that|such that] it [stands|rests|sits] on {b}",
        "{a} [on|onto|on top of] {b}",
        "{b} [goes|stays] [below|under|underneath] , {a} goes on top",
        "there is nothing on {b} , [put|place|stack] {a} [on it|there|on top]",
    )
    HELD_OUT = (
        "@ [mount|balance|perch] {a} [on|on top of] {b} @",
        "@ let {a} rest upon {b}",
        "when you are done , {a} [tops|crowns] {b}",
        "[my wish is|i'd be happy] to find {a} sitting on {b}",
        "{b} will be the bottom and {a} the top of [a|our] stack",
        "how about [stacking|putting|placing] {a} on {b} ?",
        "@ arrange that {b} is right underneath {a}",
        "@ position {a} directly above {b} and let go",
        "two storeys please : {b} first , {a} second",
        "once you hold {a} , release it above {b} so that it stays there",
    )

    def lay(self, layout: Layout) -> Laid:
        one = stacked(layout, "a", "b")
        if layout.split == "compositions":
            two = stacked(layout, "c", "d")
            layout.spots(1)
            layout.bystanders(most=1)
            return Laid(
                (one.want, two.want), one.names | two.names, {"first": one.phrase, "second": two.phrase}, chain=True
            )
        layout.spots(2)
        layout.bystanders()
        return Laid((one.want,), one.names)
