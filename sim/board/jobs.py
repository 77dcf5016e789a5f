"""A board of six pieces, three colours as a block and a cylinder each, and jobs on it: three that take thought or several pushes,
and the plain one, a named piece to a corner.

The board is in the manner of Language-Table (arXiv 2210.06407), whose block-to-corner `corner` is; the other jobs are those that
PaLM-E's planner has there (arXiv 2303.03378, table 2). All in our own words; tables, pieces and hand are ours. Left and right, far
and near (top and bottom) are the front camera's. Frame: robot base, metres.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from embodied.errors import UserError
from sim.scene import Item

# Those that the finder knows as blocks and as cylinders.
COLOURS = ("yellow", "green", "cyan", "pink", "white", "black")
SHAPES = ("block", "cylinder")
X, Y = (0.40, 0.62), (-0.22, 0.22)  # where pieces begin
APART = 0.105  # m between two of them at the start
CLEAR = 0.04  # m, by how much "closest", "on the left" and "not yet in the corner" are no matter of taste
CORNERS = {
    "top left": (0.38, -0.23), "top right": (0.38, 0.23), "bottom left": (0.64, -0.23), "bottom right": (0.64, 0.23),
}  # fmt: skip
SIDES = {"left": -1, "right": 1}
TOGETHER, IN_CORNER = 0.072, 0.085  # m between centres; a piece's from the corner's point
SURELY = 0.008  # m, by how much nearer yet an expert brings them
PHRASES = {
    "pair": ("push the block closest to the {corner} corner to the other block of the same colour",
             "there is a block closest to the {corner} corner , push that block to the other block of the same colour",
             "which block is closest to the {corner} corner ? push it to the one of its colour"),
    "group": ("push the blocks on the {side} side together , without bringing over any of the blocks on the {other} side",
              "bring the blocks on the {side} side together and leave those on the {other} side",
              "group the blocks of the {side} side"),
    "sort": ("sort the blocks by colours into corners", "push the blocks into corners , each colour into one",
             "every colour to a corner of its own"),
    "corner": ("push the {name} to the {corner} corner", "bring the {name} into the {corner} corner",
               "which is the {name} ? push it to the {corner} corner"),
}  # fmt: skip
KINDS = tuple(PHRASES)

Where = str | tuple[float, float] | NDArray[np.float64]
Places = Mapping[int, NDArray[np.float64]]  # label -> x y, m
Push = tuple[int, int | str]  # label, and the label or the corner that it is pushed to
# Says what to push next from where all is now and what was pushed last; None when the job is done.
Planner = Callable[[Places, Push | None], Push | None]


@dataclass(frozen=True)
class Piece:
    """label: j of <obj_j>. at: x y, m."""

    label: int
    colour: str
    shape: str
    at: tuple[float, float]
    size: float
    yaw: float

    @property
    def name(self) -> str:
        return f"{self.colour} {self.shape}"

    @property
    def item(self) -> Item:
        return Item(
            self.name, self.shape, self.colour, (self.size, self.size, self.size), (*self.at, self.size / 2), self.yaw
        )


Board = tuple[Piece, ...]


@dataclass(frozen=True)
class Job:
    """text: as it is asked. next: what an expert pushes next, from where all is now and the push before; None when all is done.
    done: whether it is."""

    kind: str
    text: str
    next: Planner
    done: Callable[[Places], bool]


def lay(rng: np.random.Generator, labels: int = 8) -> Board:
    """Six pieces, apart."""
    colours = [COLOURS[i] for i in rng.permutation(len(COLOURS))[:3]]
    names = [(colour, shape) for colour in colours for shape in SHAPES]
    places: list[tuple[float, float]] = []
    while len(places) < len(names):
        places = []
        for _ in range(200):
            at = (float(rng.uniform(*X)), float(rng.uniform(*Y)))
            if all(np.hypot(at[0] - x, at[1] - y) >= APART for x, y in places):
                places.append(at)
            if len(places) == len(names):
                break
    given = (rng.permutation(labels)[: len(names)] + 1).tolist()
    sizes, yaws = (
        rng.uniform(0.040, 0.048, len(names)).tolist(),
        rng.uniform(-np.pi / 4, np.pi / 4, len(names)).tolist(),
    )
    pieces = [Piece(*one) for one in zip(given, *zip(*names, strict=True), places, sizes, yaws, strict=True)]
    return tuple(pieces[i] for i in rng.permutation(len(pieces)))


def drawn(kind: str, seed: int) -> tuple[Board, Job]:
    """The board and the job of a seed."""
    return ask(kind, np.random.default_rng([seed, 17]))


def ask(kind: str, rng: np.random.Generator) -> tuple[Board, Job]:
    """A board and a job on it that leaves no doubt of what is meant."""
    if kind not in KINDS:
        raise UserError(f"unknown job {kind!r}; choose from {', '.join(KINDS)}")
    make = {"pair": _pair, "sort": _sort, "group": _group, "corner": _corner}[kind]
    while True:
        board = lay(rng)
        job = make(board, PHRASES[kind][rng.integers(len(PHRASES[kind]))], rng)
        if job is not None and not job.done(places_of(board)):
            return board, job


def places_of(board: Board) -> dict[int, NDArray[np.float64]]:
    return {piece.label: np.array(piece.at) for piece in board}


def written(push: Push | None) -> str:
    """A push as the planner says it."""
    if push is None:
        return "done"
    thing, to = push
    return f"push <obj_{thing}> to " + (to if isinstance(to, str) else f"<obj_{to}>")


def read(text: str) -> Push | None:
    """The push of such a text, None for "done"; ValueError for what is neither."""
    words = text.split()
    if words == ["done"]:
        return None
    if len(words) < 4 or (words[0], words[2]) != ("push", "to"):
        raise ValueError(f"{text!r} is no push")
    thing, to = int(words[1][5:-1]), " ".join(words[3:])
    return thing, to if to in CORNERS else int(to[5:-1])


def far(one: Where, two: Where) -> float:
    """m between two places, each x y or the name of a corner."""
    (x, y), (u, v) = (CORNERS[at] if isinstance(at, str) else at for at in (one, two))
    return float(np.hypot(x - u, y - v))


def aim(push: Push, places: Places) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Where the pushed piece is, where it shall be, and how near to that is there, m."""
    thing, to = push
    if isinstance(to, str):
        return places[thing], np.array(CORNERS[to]), IN_CORNER
    return places[thing], places[to], TOGETHER


def known(push: Push, places: Places) -> bool:
    """Whether it is known where both ends are."""
    return push[0] in places and (isinstance(push[1], str) or push[1] in places)


def there(push: Push, places: Places, margin: float = 0.0) -> bool:
    """Whether it has come about, by `margin` m and more."""
    at, goal, near = aim(push, places)
    return far(at, goal) <= near - margin


def _pair(board: Board, phrase: str, rng: np.random.Generator) -> Job | None:
    corner = tuple(CORNERS)[rng.integers(len(CORNERS))]
    order = sorted(board, key=lambda piece: far(piece.at, corner))
    if far(order[1].at, corner) - far(order[0].at, corner) < CLEAR:
        return None
    one = order[0].label
    other = next(p.label for p in board if p.colour == order[0].colour and p.label != one)
    return _single("pair", phrase.format(corner=corner), (one, other))


def _corner(board: Board, phrase: str, rng: np.random.Generator) -> Job | None:
    piece, corner = board[rng.integers(len(board))], tuple(CORNERS)[rng.integers(len(CORNERS))]
    push: Push = (piece.label, corner)
    if there(push, places_of(board), -CLEAR):
        return None
    return _single("corner", phrase.format(name=piece.name, corner=corner), push)


def _single(kind: str, text: str, push: Push) -> Job:
    """A job of this push alone."""
    return Job(kind, text, lambda now, before: None if there(push, now, SURELY) else push, lambda now: there(push, now))


def _sort(board: Board, phrase: str, rng: np.random.Generator) -> Job:
    colours = sorted({piece.colour for piece in board})
    own = {colour: [p.label for p in board if p.colour == colour] for colour in colours}
    start = places_of(board)
    chosen = min(
        permutations(CORNERS, len(colours)),
        key=lambda to: sum(far(start[k], c) for colour, c in zip(colours, to, strict=True) for k in own[colour]),
    )
    to = {label: corner for colour, corner in zip(colours, chosen, strict=True) for label in own[colour]}

    def following(now: Places, before: Push | None) -> Push | None:
        left = [label for label in to if not there((label, to[label]), now, SURELY)]
        if not left:
            return None
        if before is not None and before[0] in left:
            return before[0], to[before[0]]
        label = min(left, key=lambda label: far(now[label], to[label]))
        return label, to[label]

    def done(now: Places) -> bool:
        ways = permutations(CORNERS, len(colours))
        return any(
            all(there((k, c), now) for colour, c in zip(colours, way, strict=True) for k in own[colour]) for way in ways
        )

    return Job("sort", phrase, following, done)


def _group(board: Board, phrase: str, rng: np.random.Generator) -> Job | None:
    side = tuple(SIDES)[rng.integers(2)]
    start = places_of(board)
    here = [label for label, at in start.items() if at[1] * SIDES[side] > 0]
    if len(here) not in (2, 3) or any(abs(at[1]) < CLEAR for at in start.values()):
        return None
    middle = np.mean([start[label] for label in here], axis=0)
    anchor = min(here, key=lambda label: far(start[label], middle))
    others = [label for label in start if label not in here]

    def following(now: Places, before: Push | None) -> Push | None:
        joined = _joined(anchor, here, now, SURELY)
        left = [label for label in here if label not in joined]
        if not left:
            return None
        if before is not None and before[0] in left:
            return before[0], anchor
        return min(left, key=lambda label: far(now[label], now[anchor])), anchor

    def done(now: Places) -> bool:
        kept = all(now[label][1] * SIDES[side] < 0 for label in others)
        return kept and len(_joined(anchor, here, now)) == len(here)

    other = next(name for name in SIDES if name != side)
    return Job("group", phrase.format(side=side, other=other), following, done)


def _joined(one: int, among: Collection[int], now: Places, margin: float = 0.0) -> set[int]:
    """Those that touch it, or touch one that does."""
    found, new = {one}, [one]
    while new:
        at = now[new.pop()]
        more = [k for k in among if k not in found and far(now[k], at) <= TOGETHER - margin]
        found |= set(more)
        new += more
    return found
