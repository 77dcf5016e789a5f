"""Reach: bring the fingertips to just above one thing."""

from __future__ import annotations

from embodied.registry import register
from policies.symbolic import Want
from sim.clauses import in_bowl
from sim.scene import Layout
from sim.task import Laid, TableTask, budget


@register("task", "reach")
class Reach(TableTask):
    """The fingertips hover over the named thing. Composition: after another thing was put into a bowl."""

    name = "reach"
    max_steps = budget(3)
    slots = ("a",)
    TRAIN = (
        "@ [reach|reach for|reach to|go to|move to|go over to] {a} @",
        "@ [touch|approach|point at|point to|hover over|get to] {a} @",
        "@ move [the|your] [gripper|hand|fingers|arm] [to|over|above|towards] {a} @",
        "@ [bring|take|get] [the|your] [gripper|hand|fingers|arm] [to|over|above|close to|near] {a} @",
        "@ [place|put|hold|position] [the|your] [gripper|hand|fingers] [above|over|right above] {a} @",
        "@ [show me|show] {a} [with your hand|with the gripper|]",
        "@ [go|move|stay|hover] [over|above|right above|on top of] {a} @",
        "@ [find|locate|look for] {a} and [go to it|reach it|reach for it|touch it|point at it|hover over it]",
        "@ [reach|reach for|go to] {a} , [do not|don't] [grab|take|pick up|lift|hold] it",
        "@ [reach|go to|approach] {a} without [picking it up|lifting it|grabbing it|grasping it]",
        "[the|your] [gripper|hand|fingers] [should|must|needs to] [be|hover|end up|stop] [above|over|at|near] {a}",
        "[i want|i need|we want] [the|your] [gripper|hand] [above|over|at|close to] {a}",
        "[make sure|make sure that|see to it that] [the|your] [gripper|hand] [is|ends up|stops] [above|over|at|near] {a}",
        "[can|could] you [reach|touch|get to] {a} ?",
        "[where is|which one is|where do you see] {a} ? [go there|show me|point at it|move to it|]",
        "[are you able to|is it possible to] reach {a} ?",
        "{a} : [reach it|go there|touch it|point at it|reach for it]",
        "reach {a}",
        "[the target|your target|the goal|the thing to reach] is {a}",
        "{a} is [your target|where to go|where your hand should be]",
        "there is {a} [,|.] [reach for it|go to it|touch it]",
        "@ stretch [the|your] [arm|hand] [out|] [to|towards] {a}",
        "@ [go|move|get] [close to|near|next to] {a} @",
        "[only|just] [reach|touch|point at] {a}",
    )
    HELD_OUT = (
        "@ [aim at|indicate|head for|visit] {a} @",
        "@ extend the arm until it is over {a}",
        "let your fingertips hang above {a}",
        "[guide|steer|drive] the [arm|gripper] to {a}",
        "[my wish is|all i ask is] that your hand stops above {a}",
        "i would be glad to see the gripper right over {a}",
        "leave {a} where it is , but go there",
        "{a} is the one to [head for|visit]",
        "what about [reaching for|touching|going to] {a} ?",
        "lower your hand towards {a} and wait there",
    )

    def lay(self, layout: Layout) -> Laid:
        if layout.split == "compositions":
            before = in_bowl(layout, "a", "b")
            layout.put(last := layout.name())
            layout.spots(1)
            layout.bystanders(most=1)
            phrases = {"first": before.phrase, "second": "[reach|reach for|go to|touch|point at] {c}"}
            return Laid((before.want, Want("reached", last)), before.names | {"c": last}, phrases, chain=True)
        layout.put(a := layout.name())
        layout.bystanders()
        return Laid((Want("reached", a),), {"a": a})
