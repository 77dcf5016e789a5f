# ruff: noqa: E501  (a template is one line, however long)
"""Swap two: two things on two zones change places, which needs a free spot in between."""

from __future__ import annotations

from embodied.registry import register
from policies.symbolic import Facts, Want, support
from sim.clauses import in_bowl
from sim.scene import Layout
from sim.task import Laid, TableTask, budget


@register("task", "swap-two")
class SwapTwo(TableTask):
    """The first-named thing goes to the other's zone first. Composition: then a third thing goes into a bowl."""

    name = "swap-two"
    max_steps = budget(8)
    slots = ("a", "b")
    TRAIN = (
        "@ [swap|exchange|switch] {a} and {b} @",
        "@ [swap|exchange|switch] {a} with {b} @",
        "@ [swap|exchange|switch] [the places of|the positions of|the zones of] {a} and {b} @",
        "@ [let|make] {a} and {b} [change|swap|trade|switch] [places|positions] @",
        "@ [swap|switch] {a} and {b} [around|round|over] @",
        "@ [put|place|move] {a} where {b} [is|lies|is now|stands] and {b} where {a} [is|lies|was|is now|stands] @",
        "@ [put|place|move] {a} [in place of|to the place of|on the zone of] {b} and [vice versa|the other way round|the other way around|{b} on the zone of {a}] @",
        "{a} and {b} [should|must|have to|need to] [change|swap|trade|switch] [places|positions|zones]",
        "{a} and {b} [should|must|have to|need to] be [swapped|exchanged|switched]",
        "[i want|i need|i'd like] {a} and {b} [swapped|exchanged|switched|to change places|to swap places]",
        "[make sure|make sure that|see to it that] {a} and {b} [change|swap|trade] places",
        "[can|could] {a} and {b} be [swapped|exchanged|switched] ?",
        "[can|could|would] {a} [swap|change|trade] places with {b} ?",
        "{a} [should|must|has to|needs to] [go|be] where {b} is and {b} where {a} is",
        "{a} [goes|belongs] where {b} is , {b} [goes|belongs] where {a} is",
        "{a} and {b} : [swap|swap them|exchange them|switch them|change places]",
        "[your job|the task|your task|the goal] is to [swap|exchange|switch] {a} and {b}",
        "@ [swap|switch] the [things|objects] on the two zones : {a} and {b}",
        "@ [bring|move] {a} to the zone [of|under] {b} , and {b} to the zone [of|under] {a}",
        "[swap|exchange] {a} and {b}",
        "[are you able to|is it possible to] [swap|exchange|switch] {a} and {b} ?",
        "{a} [in|takes] the place of {b} , {b} [in|takes] the place of {a}",
        "[take|find] {a} and {b} and [swap|exchange|switch] [them|their places|their positions]",
        "[places|positions] of {a} and {b} [must|should] be [swapped|exchanged]",
    )
    HELD_OUT = (
        "@ [interchange|trade|transpose] {a} and {b} @",
        "@ turn the arrangement around : {a} there , {b} here",
        "{a} takes over from {b} , and {b} from {a}",
        "where {a} lies i want {b} afterwards , and the reverse",
        "@ reverse [the roles of|] {a} and {b}",
        "[my wish is|all i ask is] that {a} and {b} sit on each other's zone",
        "how about [swapping|exchanging] {a} and {b} ?",
        "{a} gets the spot of {b} , who gets the spot of {a}",
        "two things are in the wrong place : {a} and {b} , put that right by exchanging them",
        "@ rotate {a} and {b} through each other's places",
        "@ play musical chairs with {a} and {b}",
    )

    def told_by(self, wants: tuple[Want, ...], table: Facts) -> bool:
        a, b = wants[:2]
        return support(table, a.a) == b.b[0] and support(table, b.a) == a.b[0]

    def lay(self, layout: Layout) -> Laid:
        a, b = layout.names(2)
        zones = []
        for name in (a, b):
            zone = layout.put(layout.name(("zone",), named=False))
            x, y, _ = zone.position
            dx, dy = (0.02 * (layout.rng.random(2) - 0.5)).tolist()
            layout.put(name, at=(x + dx, y + dy), inside=zone.name)
            zones.append(zone.name)
        wants = (Want("on", a, (zones[1],)), Want("on", b, (zones[0],)))
        if layout.split == "compositions":
            then = in_bowl(layout, "c", "d")
            layout.spots(2)
            layout.bystanders(most=1)
            phrases = {"first": "[swap|exchange|switch] {a} [and|with] {b}", "second": then.phrase}
            return Laid((*wants, then.want), {"a": a, "b": b} | then.names, phrases, chain=True)
        layout.spots(2)
        layout.bystanders()
        return Laid(wants, {"a": a, "b": b})
