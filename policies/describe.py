"""A listing in sentences: what lies where, and what is otherwise than before. The same words serve for what a model saw and for
what is so, so that captions can be compared."""

from __future__ import annotations

from collections.abc import Mapping

from embodied.types import Point

Listing = Mapping[str, tuple[Point | None, str]]  # as embodied.plan.read_listing gives it
MOVED = 0.035  # shares of the picture's width: a thing that is seen so far from where it was has moved


def caption(listing: Listing) -> str:
    """One sentence a thing, in the order of their names: "the red block is on the blue block . ..."."""
    return " . ".join(f"the {name} is {listing[name][1] or 'on the table'}" for name in sorted(listing))


def change(before: Listing, after: Listing) -> str:
    """What has changed, one sentence a thing, in the order of their names; what stands on what was moved is not said to move."""
    said = []
    for name in sorted({*before, *after}):
        if name not in after:
            said.append(f"the {name} is gone")
        elif name not in before:
            said.append(f"the {name} is new")
        elif before[name][1] != after[name][1]:
            said.append(f"the {name} is now {after[name][1] or 'on the table'}")
        elif _far(before[name][0], after[name][0]) and not after[name][1]:
            said.append(f"the {name} has moved")
    return " . ".join(said) or "nothing has changed"


def _far(a: Point | None, b: Point | None) -> bool:
    return a is not None and b is not None and max(abs(a.u - b.u), abs(a.v - b.v)) > MOVED
