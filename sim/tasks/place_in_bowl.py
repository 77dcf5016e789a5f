"""Place in bowl: one thing goes into one bowl."""

from __future__ import annotations

from embodied.registry import register
from sim.clauses import in_bowl
from sim.scene import Layout
from sim.task import Laid, TableTask, budget


@register("task", "place-in-bowl")
class PlaceInBowl(TableTask):
    """The named thing lies in the named bowl. Composition: two things, two bowls."""

    name = "place-in-bowl"
    max_steps = budget(4)
    slots = ("a", "b")
    TRAIN = (
        "@ [put|place|set|drop|lay] {a} [in|into|inside|in to] {b} @",
        "@ [move|bring|transfer|carry|take|throw] {a} [into|to|over to] {b} @",
        "@ [pick up|grab|take|lift|get] {a} and [put|place|drop|set] it [in|into|inside] {b} @",
        "@ [take|get|fetch] {a} , then [put|drop|place] it [in|into] {b} @",
        "{a} [goes|belongs|should go|must go|has to go|needs to go] [in|into|inside] {b}",
        "{a} [should|must|needs to|has to] [be|end up|be placed|be put|lie|land] [in|inside] {b}",
        "[i want|i need|i would like|i'd like] {a} [in|inside|to be in|to go into|to end up in] {b}",
        "[make sure|make sure that|see to it that|ensure that|ensure] {a} [is|ends up|lies|lands] [in|inside] {b}",
        "@ fill {b} with {a}",
        "[in|into] {b} [put|place|drop|goes|go] {a}",
        "[can|could|will] {a} be [put|placed|dropped] [in|into] {b} ?",
        "{b} [should|must|needs to|has to] [contain|hold|have] {a} [in the end|]",
        "{b} is [where|the place where] {a} [belongs|goes|should go|should be]",
        "{b} is for {a}",
        "@ use {b} [for|to hold|to store] {a}",
        "@ [get|have] {a} [in|into|inside] {b}",
        "[the place for|the home of] {a} is {b}",
        "[your job|the task|your task|the goal] is to [get|put|bring|have] {a} [in|into] {b}",
        "@ let {a} [go|fall|drop] into {b}",
        "@ [find|locate] {a} and [put|drop|place] it [in|into|inside] {b}",
        "{a} : [in|into|put it in|goes in] {b}",
        "[put|drop|place] in {b} {a}",
        "@ [put|place] {a} [where|so that] [it is|it lies] [in|inside] {b}",
        "{a} [in|into] {b}",
        "{b} is still empty , [put|drop|place] {a} [in it|into it|there]",
    )
    HELD_OUT = (
        "@ [deposit|stow|tuck|store] {a} [in|inside|within] {b} @",
        "when you are done , {a} [is|lies] in {b}",
        "[my wish is|i'd be happy] to find {a} in {b}",
        "{b} wants {a} ; [deliver it|bring it there]",
        "@ clear {a} away into {b}",
        "how about [putting|placing|dropping] {a} in {b} ?",
        "we store {a} in {b}",
        "@ relocate {a} , its [new home|destination] is {b}",
        "once you have {a} , release it over {b}",
    )

    def lay(self, layout: Layout) -> Laid:
        one = in_bowl(layout, "a", "b")
        if layout.split == "compositions":
            two = in_bowl(layout, "c", "d")
            layout.spots(1)
            layout.bystanders(most=1)
            return Laid(
                (one.want, two.want), one.names | two.names, {"first": one.phrase, "second": two.phrase}, chain=True
            )
        layout.spots(2)
        layout.bystanders()
        return Laid((one.want,), one.names)
