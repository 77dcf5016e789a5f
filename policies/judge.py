"""What a plan's steps want, as conditions that a simulator can test: for goals of a user's own and for the truth behind
a verdict. Never seen by a learned policy.
"""

from __future__ import annotations

from collections.abc import Iterable

from embodied.types import Step
from policies.symbolic import Facts, Want, holds

_DONE = {"reach": "reached", "pick": "held", "push": "pushed"}


def want_of(step: Step) -> Want:
    """The condition that holds right after the step has succeeded."""
    if step.skill != "put":
        return Want(_DONE[step.skill], step.args[0], tuple(a for a in step.args[1:] if a != "to"))
    thing, relation, *references = step.args
    return Want(relation, thing, tuple(r for r in references if r != "table"))


def job_of(want: Want) -> str:
    """The want in the words of a step, whose condition it is."""
    if want.relation in ("reached", "held"):
        return f"{'reach' if want.relation == 'reached' else 'pick'} {want.a}"
    if want.relation == "pushed":
        return f"push {want.a} to {want.b[0]}"
    return f"put {want.a} {want.relation} {' and '.join(want.b or ('table',))}"


def step_holds(step: Step, facts: Facts) -> bool:
    """Whether the step's condition is true of the table now; False when it names a thing that is not there."""
    want = want_of(step)
    return all(name in facts.things for name in (want.a, *want.b)) and holds(want, facts)


def final_wants(steps: Iterable[Step]) -> tuple[Want, ...]:
    """The conditions that must hold at the end: each thing's last one. A thing put aside on the table and moved later,
    or picked and put down, counts where it ended; a later step that moves a thing's support does not undo the want.
    """
    last: dict[str, Want] = {}
    for step in steps:
        want = want_of(step)
        last.pop(want.a, None)  # so that the order is that of the last mention
        last[want.a] = want
    return tuple(last.values())
