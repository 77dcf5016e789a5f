"""Text <-> Plan: the grammar of steps, one step a line.

    reach  <thing>
    pick   <thing>
    put    <thing> on|in <thing>
    put    <thing> left of|right of|behind|in front of <thing>
    put    <thing> between <thing> and <thing>
    put    <thing> on table
    push   <thing> to <thing>
    draw   picture

and what a car decides at a moment (embodied.data.drives), with the words of a hazard where there is one:

    keep | accelerate | brake | stop | turn left | turn right    [hazard <why>]

A thing is `<colour> <shape>`. In a model's output every line ends in its grounded points, each a pair of location tokens
`<xNNN><yNNN>` (as PaliGemma's, arXiv 2407.07726, section 3.2.5, but with x and y apart), NNN in 0..BINS-1 of the front
picture's width and height. Left, right, behind and in front are as the front camera sees them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from embodied.errors import UserError
from embodied.types import Plan, Point, Step

BINS = 128
COLOURS = ("red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink", "white", "black")
SHAPES = ("block", "cylinder", "brick")  # can be picked up
PLACES = ("bowl", "zone")  # stay where they are
HELD = "in hand"  # where a listing says a held thing is
SKILLS = ("reach", "pick", "put", "push", "draw")
# Of a car. No part of SKILLS: those are the vocabulary and the decoding of the arm's weights (embodied/model), in this order.
DECISIONS = ("keep", "accelerate", "brake", "stop", "turn left", "turn right")
DRAW = "draw picture"  # the one step of an arm with a pen: the picture that it was given, on the sheet before it

_THING = rf"((?:{'|'.join(COLOURS)}) (?:{'|'.join(SHAPES + PLACES)}))"
_POINT = re.compile(r"<x(\d{3})>\s*<y(\d{3})>")
_DECIDED = [re.sub(r"(left|right)", r"(\1)", words) for words in DECISIONS]
_FORMS = (
    ("reach", re.compile(rf"reach {_THING}$"), 1),
    ("pick", re.compile(rf"pick {_THING}$"), 1),
    ("put", re.compile(rf"put {_THING} (on) (table)$"), 1),
    ("put", re.compile(rf"put {_THING} (on|in|left of|right of|behind|in front of) {_THING}$"), 1),
    ("put", re.compile(rf"put {_THING} (between) {_THING} and {_THING}$"), 2),
    ("push", re.compile(rf"push {_THING} (to) {_THING}$"), 2),
    ("draw", re.compile(r"draw (picture)$"), 0),
    *((words.split()[0], re.compile(rf"{words}(?: hazard (.+))?$"), 0) for words in _DECIDED),
)


def step(text: str, points: Iterable[Point] = ()) -> Step:
    """The Step of one line's words. Raises UserError when the words are not in the grammar."""
    words = " ".join(text.split())
    for skill, form, _ in _FORMS:
        if found := form.match(words):
            return Step(words, skill, tuple(filter(None, found.groups())), tuple(points))
    raise UserError(
        f"step {text!r} is not in the grammar; write for example 'pick red block', 'put red block on table' or, of a car, "
        "'turn left'"
    )


def decided(decision: str, why: str = "") -> Step:
    """The Step of a car that decides so, `why` being the words of the hazard that it sees, if any."""
    return step(f"{decision} hazard {why}" if why else decision)


def points_needed(text: str) -> int:
    """How many grounded points the step's line carries."""
    return next(n for _, form, n in _FORMS if form.match(text))


def thing(colour: str, shape: str) -> str:
    return f"{colour} {shape}"


def locate(point: Point) -> str:
    """Point -> `<xNNN><yNNN>`, the bins that contain it; points outside the picture go to the border bin."""
    x, y = (min(BINS - 1, max(0, int(value * BINS))) for value in (point.u, point.v))
    return f"<x{x:03d}><y{y:03d}>"


def located(text: str) -> tuple[Point, ...]:
    """All points of a line, each the centre of its bins."""
    return tuple(Point((int(x) + 0.5) / BINS, (int(y) + 0.5) / BINS) for x, y in _POINT.findall(text))


def write_step(one: Step) -> str:
    """Words, then points: the line that `read_step` reads back."""
    return " ".join([one.text, *map(locate, one.points)])


def plain(text: str) -> str:
    """The text without its locations."""
    return re.sub(r" {2,}", " ", _POINT.sub("", text)).strip()


def read_step(line: str) -> Step:
    return step(plain(line), located(line))


def read_listing(text: str) -> dict[str, tuple[Point | None, str]]:
    """What lies where (docs/model.md): name -> its point, None in the hand, and "", "in hand", "on <thing>" or "in <thing>"."""
    found: dict[str, tuple[Point | None, str]] = {}
    for line in text.splitlines():
        colour, shape, *where = plain(line).split()
        found[thing(colour, shape)] = (next(iter(located(line)), None), " ".join(where))
    return found


def write(steps: Iterable[Step]) -> str:
    """Steps -> text, one a line."""
    return "\n".join(map(write_step, steps))


def read(text: str, goal: str = "", at: int = 0) -> Plan:
    """Text -> Plan. Empty lines are skipped; a line outside the grammar raises UserError."""
    return Plan(goal, tuple(read_step(line) for line in text.splitlines() if line.strip()), at)
