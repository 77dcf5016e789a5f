"""Push to zone: slide one thing over the table onto a zone."""

from __future__ import annotations

from embodied.registry import register
from sim.clauses import pushed
from sim.scene import Layout
from sim.task import Laid, TableTask, budget


@register("task", "push-to-zone")
class PushToZone(TableTask):
    """The named thing lies on the named zone, 12 to 25 cm away at the start. Composition: two pushes."""

    name = "push-to-zone"
    max_steps = budget(3)
    slots = ("a", "b")
    TRAIN = (
        "@ [push|slide|shove] {a} [to|onto|into|on|over to] {b} @",
        "@ push {a} [across the table|over the table|along the table] [to|onto|into] {b} @",
        "@ [push|slide|shove] {a} [until it is|until it lies|so that it is|till it is] [on|inside|in] {b} @",
        "@ [push|slide] {a} [in the direction of|towards] {b} until it [gets there|is there|is on it] @",
        "{a} [should|must|has to|needs to] be [pushed|slid|shoved] [to|onto|into] {b}",
        "[i want|i need|i'd like|we want] {a} [pushed|slid|to be pushed|to be slid] [to|onto|into] {b}",
        "[make sure|make sure that|see to it that] {a} is [pushed|slid|shoved] [to|onto|into] {b}",
        "[can|could|will] {a} be [pushed|slid] [to|onto|into] {b} ?",
        "@ [move|bring|get] {a} [to|onto|into] {b} by pushing [it|] @",
        "@ [move|bring|get] {a} [to|onto] {b} without [lifting|picking up|grasping|grabbing] it @",
        "@ [do not|don't] [lift|pick up|grab] {a} , [push|slide|shove] it [to|onto|into] {b}",
        "@ use [the|your] [gripper|hand|fingers|arm] to [push|slide|shove] {a} [to|onto|into] {b}",
        "by pushing , [move|bring|get] {a} [to|onto|into] {b}",
        "[push|slide] [it|the thing] to {b} : {a}",
        "{a} : [push|slide|shove] it [to|onto|into] {b}",
        "{b} is where {a} [should|must] be [pushed|slid]",
        "{b} is the [target|goal] [for pushing|to push] {a}",
        "[your job|the task|your task|the goal] is to [push|slide|shove] {a} [to|onto|into] {b}",
        "@ [find|locate] {a} and [push|slide|shove] it [to|onto|into] {b}",
        "[let|make] {a} slide [to|onto|into|over to] {b}",
        "push {a} to {b}",
        "@ give {a} a [push|shove] [to|onto|towards|into] {b}",
        "[are you able to|is it possible to] [push|slide] {a} [to|onto] {b} ?",
        "@ [push|slide|shove] {a} [along|over there] , [to|onto] {b}",
    )
    HELD_OUT = (
        "@ [nudge|sweep|drive|press] {a} [onto|over to|to] {b} @",
        "@ propel {a} along the surface as far as {b}",
        "keep {a} on the table while you bring it to {b}",
        "[my wish is|all i ask is] that {a} glides onto {b}",
        "{a} shall travel to {b} without leaving the table",
        "@ herd {a} into {b}",
        "with closed fingers , force {a} onto {b}",
        "how about [pushing|sliding|shoving] {a} onto {b} ?",
        "@ move {a} along the ground until {b} is under it",
        "{b} waits for {a} , a shove will do",
        "from behind {a} , push until it arrives at {b}",
    )

    def lay(self, layout: Layout) -> Laid:
        one = pushed(layout, "a", "b")
        if layout.split == "compositions":
            two = pushed(layout, "c", "d")
            layout.bystanders(most=1)
            return Laid(
                (one.want, two.want), one.names | two.names, {"first": one.phrase, "second": two.phrase}, chain=True
            )
        layout.bystanders()
        return Laid((one.want,), one.names)
