# ruff: noqa: E501  (a template is one line, however long)
"""Sort by colour: every small thing goes into the bowl of its own colour, from left to right."""

from __future__ import annotations

import itertools

from embodied.plan import COLOURS
from embodied.registry import register
from policies.symbolic import Want
from sim import language
from sim.scene import Crowded, Item, Layout, seen_from_left
from sim.task import Laid, TableTask, budget

MARGIN = 0.03  # m at one metre's distance, by which things differ in the picture where their order counts


def from_left(items: list[Item]) -> list[Item]:
    """The items as the front camera sees them from left to right; Crowded where the picture leaves that open."""
    items = sorted(items, key=lambda item: seen_from_left(item.position))
    for left, right in itertools.pairwise(items):
        if (
            seen_from_left(right.position) - seen_from_left(left.position) < MARGIN
            or right.position[1] - left.position[1] < 0.02
        ):
            raise Crowded
    return items


@register("task", "sort-by-colour")
class SortByColour(TableTask):
    """Two or three things whose colours have bowls; things without such a bowl stay. Composition: four things."""

    name = "sort-by-colour"
    max_steps = budget(8)
    slots = ("things",)
    TRAIN = (
        "@ sort [the things|the objects|everything|all things|the items|all objects|the pieces] [by colour|by color|according to colour|according to their colour] @",
        "@ sort [the things|the objects|everything|all things|the items] into the [bowls|dishes|basins] [by colour|by color|of their colour|with their colour] @",
        "@ [put|place|drop|move|sort] [each|every] [thing|object|item|piece] [in|into|inside] the [bowl|dish|basin] [of its colour|of its own colour|of the same colour|with the same colour|that has its colour] @",
        "@ [put|place|drop|sort] [everything|all things|all objects|the things|the objects] [in|into] the [bowl|bowls|dishes] [of the same colour|of their colour|of their own colour|with the matching colour|that match in colour] @",
        "@ match [the colours|the things with the bowls|the things to the bowls by colour|things and bowls by colour] @",
        "[each|every] [thing|object|item|piece] [should|must|has to|needs to] [go|be|end up|be put] in the [bowl|dish] of [its|its own|the same] colour",
        "[each|every] [thing|object|item|piece] [goes|belongs] [in|into|inside] the [bowl|dish|basin] of [its|its own|the same] colour",
        "[all|the] [things|objects|items] [should|must|have to] be sorted [by colour|by color|into the bowls of their colour]",
        "[i want|i need|i'd like|we want] [the things|everything|all objects] sorted [by colour|by color|into the bowls by colour]",
        "[i want|i need|i'd like] [every|each] [thing|object] [in|inside] the bowl [of its colour|that has the same colour]",
        "[make sure|make sure that|see to it that] [every|each] [thing|object] [is|ends up|lies] in the [bowl|dish] of [its|the same] colour",
        "[can|could] you sort [the things|these things|the objects|everything] by [colour|color] ?",
        "[could|can] [everything|the things|all of it] be sorted by [colour|color] ?",
        "[sort|sorting] by [colour|color]",
        "[colour|color] sorting [, please|please|]",
        "@ [put|place] things of [one|a] colour in the bowl of that colour @",
        "@ sort {things} [by colour|by color|into the bowls of their colour|into the matching bowls] @",
        "@ [put|place|drop] {things} [each|] [in|into] the [bowls|dishes] of [their|their own] [colour|colours|color] @",
        "{things} [go|belong|should go|must go] [in|into] the bowls of their [colour|colours|own colour]",
        "the [colour|color] of [each|every] [thing|object|item] [says|tells you] which bowl it [goes in|belongs to|goes into]",
        "[red in red , blue in blue and so on|same colours belong together] : sort [the things|everything] into the bowls",
        "@ [tidy up|clean up] by colour [: every thing in its bowl|, things into the bowls of their colour|]",
        "@ [bring|carry|take] [each|every] [thing|object] to the bowl [of its colour|with its colour]",
        "[the task|your task|your job|the goal] is to sort [the things|the objects|everything] [by colour|by color|into bowls by colour]",
    )
    HELD_OUT = (
        "@ [arrange|group|separate|classify] [everything|the objects] by hue",
        "let [each|every] bowl [collect|receive] what shares its colour",
        "@ distribute [the things|the objects] over the bowls so that the colours [agree|match]",
        "no [thing|object] may stay outside the bowl whose colour it has",
        "at the end the content of every bowl [should|shall] have the bowl's own colour",
        "like goes with like : [objects|things] into bowls of equal colour",
        "@ fill each of the bowls with the things that [look like it|have its colour]",
        "@ do the colour sorting job",
        "whatever matches a bowl in colour is to be [dropped|laid] there",
        "which things match which bowl ? put them [together|there]",
        "@ tidy the table , the colours tell you [how|where]",
    )

    def lay(self, layout: Layout) -> Laid:
        rng, split = layout.rng, layout.split
        count = 4 if split == "compositions" else 2 + int(rng.integers(2))
        bowls = 3 if split == "compositions" or (count == 3 and split != "distractors" and rng.random() < 0.6) else 2
        # in the split `pairs` it is the things that are held out: bowls take the colours of such things
        names: list[str] = []
        colours: list[str] = []
        for _ in range(bowls):
            names.append(layout.name(colours=[c for c in COLOURS if c not in colours]))
            colours.append(names[-1].split()[0])
            if f"{colours[-1]} bowl" in ("yellow bowl", "pink bowl"):
                raise Crowded
        while len(names) < count:
            names.append(layout.name(colours=colours, avoid=names))
        for colour in colours:
            layout.put(f"{colour} bowl")
        things = from_left([layout.put(name) for name in names])
        layout.spots(1)
        # another bowl might be some bystander's
        layout.bystanders(avoid_colours=colours, avoid_places=("bowl",), most=1 if count == 4 else 2)
        wants = tuple(Want("in", thing.name, (f"{thing.colour} bowl",)) for thing in things)
        keys = "abcd"[:count]
        named = {key: thing.name for key, thing in zip(keys, things, strict=True)}
        return Laid(wants, named, {"things": language.listing(keys)})
