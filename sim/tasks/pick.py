"""Pick: lift one thing off the table."""

from __future__ import annotations

from embodied.registry import register
from policies.symbolic import Want
from sim.clauses import in_bowl
from sim.scene import Layout
from sim.task import Laid, TableTask, budget


@register("task", "pick")
class Pick(TableTask):
    """Hold the named thing above the table. Composition: after another thing was put into a bowl."""

    name = "pick"
    max_steps = budget(3)
    slots = ("a",)
    TRAIN = (
        "@ [pick up|grab|take|lift|grasp|get|pick] {a} @",
        "@ [pick|lift|take] {a} up @",
        "@ [take hold of|get hold of|grab hold of] {a} @",
        "@ [hold|hold up|raise|take up] {a} @",
        "@ lift {a} [off the table|from the table|up from the table|off the ground]",
        "@ [pick|take|grab] {a} [from|off] the table @",
        "@ [fetch|get] [me |]{a} @",
        "@ [pick up|grab|lift] {a} [with the gripper|with your gripper|with your hand]",
        "@ close [the|your] [gripper|hand|fingers] [around|on] {a} and [lift|raise] it",
        "@ go to {a} and [pick it up|grab it|lift it|take it]",
        "@ [find|locate|look for] {a} and [pick it up|grab it|lift it|take it]",
        "{a} [should|must|has to|needs to] be [picked up|lifted|grasped|in your hand|in the gripper|held]",
        "[i want|i need|we want] {a} [in your hand|in the gripper|lifted|picked up|to be picked up|to be lifted]",
        "[make sure that|make sure] {a} is [in the gripper|in your hand|lifted|off the table]",
        "[make sure|see to it] that you [hold|are holding|have] {a} [at the end|]",
        "[can|could|will] {a} be [lifted|picked up|grasped] ?",
        "[are you able to|is it possible to] [pick up|grab|lift|hold] {a} ?",
        "{a}: [pick it up|grab it|lift it|take it]",
        "[what i want you to grab|the thing to pick up|the object to lift] is {a}",
        "[give me|hand me|pass me] {a}",
        "pick {a}",
        "[grab|lift] {a}[, please|]",
        "[get|take] {a} [in|into] [your|the] [gripper|hand]",
        "there is {a}[,|.] [pick it up|lift it|grab it]",
    )
    HELD_OUT = (
        "@ [seize|clutch|snatch|collect] {a} @",
        "@ have the [arm|robot|gripper] [pick|lift] {a} @",
        "[my wish is|all i ask is] that {a} [leaves the table|gets lifted]",
        "{a} is the one [to go for|you should pick up]",
        "@ [hoist|elevate] {a} into the air @",
        "you see {a} [there|on the table] ? [take|grab] it",
        "i would be glad to see {a} in your fingers",
        "@ bring {a} up @",
        "@ get {a} into your grip",
        "what about [lifting|grabbing|picking up] {a} ?",
    )

    def lay(self, layout: Layout) -> Laid:
        if layout.split == "compositions":
            before = in_bowl(layout, "a", "b")
            layout.put(last := layout.name())
            layout.spots(1)
            layout.bystanders(most=1)
            phrases = {"first": before.phrase, "second": "[pick up|grab|lift|take] {c}"}
            return Laid((before.want, Want("held", last)), before.names | {"c": last}, phrases, chain=True)
        layout.put(a := layout.name())
        layout.spots(2)
        layout.bystanders()
        return Laid((Want("held", a),), {"a": a})
