# ruff: noqa: E501  (a template is one line, however long)
"""Put all of a colour: every small thing of one colour goes into one bowl, from left to right."""

from __future__ import annotations

from embodied.plan import COLOURS
from embodied.registry import register
from policies.symbolic import Want
from sim import language
from sim.scene import HELD_OUT_THINGS, Layout
from sim.task import Laid, TableTask, budget
from sim.tasks.sort_by_colour import from_left


@register("task", "put-all-of-a-colour")
class PutAllOfAColour(TableTask):
    """Two or three things of {colour} go into bowl {b}. Composition: then one more thing goes into another bowl."""

    name = "put-all-of-a-colour"
    max_steps = budget(8)
    slots = ("colour", "b")
    TRAIN = (
        "@ [put|place|drop|set|move] [all|all the|all of the|every one of the] {colour} [things|objects|items|ones|pieces] [in|into|inside] {b} @",
        "@ [put|place|drop|move] [every|each] {colour} [thing|object|item|piece] [in|into|inside] {b} @",
        "@ [put|place|drop] [everything|all|all things|all objects] [that is|which is|] {colour} [in|into|inside] {b} @",
        "@ [collect|gather] [all|all the|the] {colour} [things|objects|items|ones] in {b} @",
        "@ [collect|gather] [everything|all things|all] [that is|] {colour} in {b} @",
        "@ [bring|carry|take|transfer] [all|all the|the] {colour} [things|objects|items|ones] to {b} @",
        "@ [pick up|take|grab] [all|all the|every one of the] {colour} [things|objects|items] and [put|place|drop] them [in|into] {b} @",
        "[all|all the] {colour} [things|objects|items|ones|pieces] [go|belong|should go|must go|have to go] [in|into|inside] {b}",
        "[every|each] {colour} [thing|object|item|piece] [goes|belongs|should go|must go|has to go] [in|into|inside] {b}",
        "[everything|all that is] {colour} [goes|belongs|should go|must go|should be] [in|into] {b}",
        "[all|all the] {colour} [things|objects|items|ones] [should|must|need to|have to] [be|end up|be put|be placed|lie] [in|inside] {b}",
        "[i want|i need|i'd like|we want] [all|all the|every one of the] {colour} [things|objects|ones] [in|inside|to be in|to go into] {b}",
        "[make sure|make sure that|see to it that] [all|all the] {colour} [things|objects|items|ones] [are|end up|lie] [in|inside] {b}",
        "[make sure|see to it] that [every|each] {colour} [thing|object|item] [is|ends up|lies] in {b}",
        "[can|could] [all|all the] {colour} [things|objects|ones] be [put|placed|collected] in {b} ?",
        "@ fill {b} with [everything that is|all that is|everything] {colour}",
        "@ fill {b} with [all the|all|the] {colour} [things|objects|items]",
        "{b} is for [all|all the|the] {colour} [things|objects|items|ones]",
        "{b} [should|must|has to] [contain|hold|have] [all|all the|every one of the] {colour} [things|objects|items]",
        "[in|into] {b} [go|put|place] all [the|] {colour} [things|objects|ones]",
        "[your job|the task|your task|the goal] is to [put|get|bring] [all|all the] {colour} [things|objects] [in|into] {b}",
        "@ [find|locate] [all|all the|every one of the] {colour} [things|objects] and [put|drop|place] them [in|into] {b}",
        "[anything|everything] [that is|] {colour} : [in|into|put it in] {b}",
        "[do you see|there are] {colour} [things|objects] [?|:] [put|place] [all of them|them all] in {b}",
        "@ [put|place|drop] the {colour} [things|objects|ones|items] [in|into] {b} , all of them",
    )
    HELD_OUT = (
        "@ [deposit|stow|store|tuck] [the whole|the entire] {colour} [lot|set] in {b}",
        "@ clear the table of {colour} [things|objects] , {b} takes them",
        "no {colour} [thing|object] may stay outside {b}",
        "when you are done , {b} [keeps|contains] whatever was {colour}",
        "@ let {b} [receive|swallow] every {colour} [thing|object] there is",
        "is it {colour} ? then it [goes|belongs] in {b}",
        "@ round up what is {colour} and leave it in {b}",
        "whatever you see in {colour} is to be dropped into {b}",
        "[my wish is|all i ask is] to find each and every {colour} [thing|object] in {b}",
        "how about [putting|collecting] all [the|] {colour} [things|objects] in {b} ?",
        "one after the other , {colour} [things|objects] are to be laid into {b} until none is left",
    )

    def lay(self, layout: Layout) -> Laid:
        rng, split = layout.rng, layout.split
        held = {name.split()[0] for name in HELD_OUT_THINGS}
        colours = [c for c in COLOURS if c in held] if split == "pairs" else list(COLOURS)
        colour = language.pick(rng, colours)
        most = 2 if colour in held and split != "pairs" else 3  # one shape of such a colour is held out
        count = 2 + int(rng.integers(most - 1))
        bowl = layout.name(("bowl",), [c for c in COLOURS if c != colour])
        layout.put(bowl)
        things = from_left([layout.put(name) for name in layout.names(count, colours=[colour])])
        wants = tuple(Want("in", thing.name, (bowl,)) for thing in things)
        tints = language.TINTS.get(colour, ())
        said = {"colour": f"[{'|'.join([colour] * 9 * max(1, len(tints)) + list(tints))}]"}
        if split == "compositions":
            for _ in range(20):
                other = layout.name(named=False)
                if other.split()[0] != colour:
                    break
            then_bowl = layout.name(("bowl",), [c for c in COLOURS if c != colour])
            layout.put(then_bowl)
            layout.put(other)
            layout.spots(1)
            phrases = said | {
                "first": "[put|place|drop] [all|all the] {colour} [things|objects|ones] [in|into] {b}",
                "second": "[put|place|drop] {c} [in|into|inside] {d}",
            }
            names = {"b": bowl, "c": other, "d": then_bowl}
            return Laid((*wants, Want("in", other, (then_bowl,))), names, phrases, chain=True)
        layout.spots(1)
        layout.bystanders(avoid_colours=(colour,))
        return Laid(wants, {"b": bowl}, said)
