"""Records -> training sentences: one prefix, many short segments (prompt, answer), and the labels of each.

The texts of prompts are defined here once; the planner asks with the same functions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from embodied import plan as grammar
from embodied.data.snapshots import HELD, NOTHING, ROBOT, Record
from embodied.model.tokens import (
    ABSENT,
    ASK,
    BINS,
    BOS,
    CHECK,
    DONE,
    EOS,
    GOAL,
    LINE,
    NO,
    PAD,
    PLAN,
    POINT,
    STEP,
    UNCLEAR,
    XS,
    YES,
    YS,
    Words,
)
from embodied.types import Point

CELL = 8  # pixels of a stem cell
SHAKE = 0.04  # how far locations of a lesson in words alone are moved together, shares of the picture
LISTED = (
    0.8  # share of the lessons whose questions are asked after the listing; the others are asked of the picture alone
)


def ask_plan(goal: str, done: Sequence[str] = ()) -> str:
    return f"{GOAL} {goal} {DONE} {LINE.join(done)} {PLAN}"


def ask_check(step: str) -> str:
    return f"{CHECK} {step}"


def ask_points(what: str) -> str:
    """`what` is a step's text or a thing's name."""
    return f"{POINT} {what}"


def ask(question: str) -> str:
    return f"{ASK} {question}"


ALL = ask("things")  # the question that is answered first: what lies where


def ask_move(line: str) -> str:
    """`line` is a step with its points."""
    return f"{STEP} {line}"


@dataclass
class Lesson:
    """One training sentence. images[c] uint8 H W 3; states[s] normalised (t, d); cells[c] int64 (2, m): colour and kind.

    scene: question and answer that all segments see, what lies where.
    chunk (h, a) normalised and valid (h,) when the last segment is a motion."""

    images: dict[str, np.ndarray]
    states: dict[str, np.ndarray]
    segments: list[tuple[list[int], list[int]]]
    scene: tuple[list[int], list[int]] = ([], [])
    cells: dict[str, np.ndarray] = field(default_factory=dict)
    chunk: np.ndarray | None = None
    valid: np.ndarray | None = None

    @property
    def tokens(self) -> int:
        """Length in words; the continuous inputs add the same to every lesson."""
        return sum(len(prompt) + len(answer) for prompt, answer in [self.scene, *self.segments])


def listing(things: Mapping[str, str], across: Mapping[str, float], lies: Mapping[str, str]) -> str:
    """What lies where, one thing a line, in the one order that a picture has: from left to right, each followed by what
    lies on or in it; what the hand holds first.

    things: name -> its location tokens.  across: name -> u.  lies: as in Record.
    """
    below = {name: lies[name].split(" ", 1)[1] for name in things if name in lies}
    order = sorted(things, key=lambda name: across[name])

    def lines(names: list[str]) -> Iterator[str]:
        for name in names:
            yield " ".join([name, things[name], lies.get(name, "")]).strip()
            yield from lines([other for other in order if below.get(other) == name])

    held = [f"{name} {where}" for name, where in lies.items() if where == HELD]
    return LINE.join([*held, *lines([name for name in order if below.get(name) not in things])])


def cells_of(segmentation: np.ndarray, items: Sequence[str]) -> np.ndarray:
    """Segmentation H W -> (2, H/8 * W/8): for the middle pixel of each cell the colour (0 none) and kind."""
    kinds = ("nothing", *grammar.SHAPES, *grammar.PLACES, "robot")
    colour, kind = np.zeros(256, np.int64), np.zeros(256, np.int64)
    for i, name in enumerate(items):
        c, s = name.split()
        colour[i], kind[i] = grammar.COLOURS.index(c) + 1, kinds.index(s)
    kind[ROBOT] = kinds.index("robot")
    middle = segmentation[CELL // 2 :: CELL, CELL // 2 :: CELL].ravel()
    return np.stack([colour[middle], kind[middle]])


def shifted(image: np.ndarray, dx: int, dy: int, fill: int | None = None) -> np.ndarray:
    """The picture moved right by dx and down by dy pixels; borders repeat, or are `fill`."""
    pad = max(abs(dx), abs(dy))
    if pad == 0:
        return image
    width = ((pad, pad), (pad, pad), (0, 0))[: image.ndim]
    padded = np.pad(image, width, mode="edge") if fill is None else np.pad(image, width, constant_values=fill)
    return padded[pad - dy : pad - dy + image.shape[0], pad - dx : pad - dx + image.shape[1]]


def varied(image: np.ndarray, rng: np.random.Generator, light: float) -> np.ndarray:
    """Another brightness (up to `light`, a share), another tint and some noise: what another lamp and camera would do."""
    gain = (rng.uniform(1 - light, 1 + light) * rng.uniform(0.95, 1.05, 3)).astype(np.float32)
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    return np.clip(image * gain + 3 * noise, 0, 255).astype(np.uint8)


class Teacher:
    """Makes a Lesson of a Record: chooses questions, augments the picture, moves the points with it."""

    def __init__(self, words: Words, main: str = "front", jitter: int = 6) -> None:
        self.words, self.main, self.jitter = words, main, jitter

    def lesson(
        self,
        record: Record,
        arrays: dict[str, np.ndarray],
        states: dict[str, np.ndarray],
        rng: np.random.Generator,
        augment: bool = True,
        asked: bool = True,
    ) -> Lesson:
        """arrays: none of them for a lesson in words alone, where the listing stands for the picture.
        asked: False for a lesson in seeing alone, of the main picture, without questions."""
        if not asked:
            arrays = {name: array for name, array in arrays.items() if name.startswith(self.main)}
        images, cells = {}, {}
        move = {self.main: (0.0, 0.0)}
        if augment and not arrays:
            move[self.main] = rng.uniform(-SHAKE, SHAKE, 2)
        for camera in [name for name in arrays if arrays[name].ndim == 3 and arrays[name].shape[-1] == 3]:
            image, seg = arrays[camera], arrays.get(f"{camera}_seg")
            if augment:
                dx, dy = rng.integers(-self.jitter, self.jitter + 1, 2)
                move[camera] = (dx / image.shape[1], dy / image.shape[0])
                image = varied(shifted(image, dx, dy), rng, 0.12)
                seg = None if seg is None else shifted(seg, dx, dy, NOTHING)
            images[camera] = image
            if seg is not None:
                cells[camera] = cells_of(seg, record.items)
        if not asked:
            return Lesson(images, states, [], cells=cells)
        self._move = move[self.main]
        pairs = [self._pair(*one) for one in self._asked(record, rng, seen=bool(images))]
        return Lesson(images, states, pairs, self._pair(*self._scene(record)), cells)

    def _pair(self, prompt: str, answer: str) -> tuple[list[int], list[int]]:
        return self.words.encode(prompt), [*self.words.encode(answer), self.words[EOS]]

    def _inside(self, record: Record) -> dict[str, list[float]]:
        """Points of what is still in the moved picture."""
        du, dv = self._move
        return {n: p for n, p in record.things.items() if 0 <= p[0] + du < 1 and 0 <= p[1] + dv < 1}

    def _scene(self, record: Record) -> tuple[str, str]:
        inside = self._inside(record)
        points = {name: self._points([p]) for name, p in inside.items()}
        return ALL, listing(points, {name: p[0] for name, p in inside.items()}, record.lies)

    def _line(self, line: str) -> str:
        step = grammar.read_step(line)
        return f"{step.text} {self._points([[p.u, p.v] for p in step.points])}"

    def _points(self, points: Sequence[Sequence[float]]) -> str:
        return " ".join(grammar.locate(Point(u + self._move[0], v + self._move[1])) for u, v in points)

    def _asked(self, record: Record, rng: np.random.Generator, seen: bool) -> list[tuple[str, str]]:
        """Questions and answers; seen: whether there is a picture to ask about. Without one a lesson costs less, and most
        of what can be asked hangs on the listing alone: then more is asked."""

        def pick(options: Sequence[Any], count: int) -> list[Any]:
            return [options[i] for i in rng.permutation(len(options))[:count]]

        asked: list[tuple[str, str]] = []
        if record.goals:
            if record.refusal:
                answer = UNCLEAR if record.refusal == "unclear" else f"{ABSENT} {record.refusal}"
            else:
                answer = LINE.join(map(self._line, record.plan))
            asked.append((ask_plan(pick(record.goals, 1)[0], list(map(self._line, record.done))), answer))
        asked += [
            (ask_plan(goal), LINE.join(map(self._line, lines))) for goal, lines in pick(record.others, 1 if seen else 3)
        ]
        # Only a picture tells where the hand is.
        checks = [check for check in record.checks if seen or not check[0].startswith("reach")]
        if checks:  # the first is about the step just tried; the others balance it
            latest, rest = checks[0], checks[1:]
            against, alike = ([c for c in rest if (c[1] == latest[1]) == same] for same in (False, True))
            more = [*pick(against, 1 if seen else 2), *pick(alike, 0 if seen else 1)]
            asked += [(ask_check(s), YES if good else NO) for s, good in [latest, *more]]
        asked += [(ask(q), a) for q, a in pick(record.asks, int(rng.random() < 0.4))]
        if not seen:
            return asked
        asked += [(ask_points(what), self._points(points)) for what, points in pick(list(record.points.items()), 1)]
        if record.missing and rng.random() < 0.3:
            asked.append((ask_points(pick(record.missing, 1)[0]), ABSENT))
        inside = self._inside(record)
        return asked + [(ask_points(name), self._points([inside[name]])) for name in pick(list(inside), 1)]


@dataclass
class Batch:
    """Tensors of b sentences. target (b, n): the token to predict after each position, -100 none.

    place (b, n): the coordinate in [0, 1] where the target is a location token, NaN elsewhere. patch (b, n): index of the
    main picture's token that holds the point whose <x> comes next, -1 none.
    """

    ids: Tensor
    segment: Tensor
    target: Tensor
    place: Tensor
    patch: Tensor
    images: dict[str, Tensor]
    states: dict[str, Tensor]
    cells: dict[str, Tensor]
    chunk: Tensor | None = None
    valid: Tensor | None = None
    moving: Tensor | None = None  # (b, n) bool: what the motion head may see

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device."""

        def moved(value: Any) -> Any:
            if isinstance(value, dict):
                return {name: moved(part) for name, part in value.items()}
            return value.to(device) if isinstance(value, Tensor) else value

        return Batch(**{one.name: moved(getattr(self, one.name)) for one in fields(self)})


def collate(lessons: Sequence[Lesson], prefix: list[int], words: Words, grid: tuple[int, int]) -> Batch:
    """Pack, pad and label. grid: rows and columns of the main picture's tokens.

    Lessons without pictures start with their listing, which nothing tells and which is therefore given, not asked for.
    """
    if not lessons[0].images:
        prefix = [words[BOS]]
    first_x, first_y = words[XS[0]], words[YS[0]]
    rows: list[tuple[list[int], list[int], list[int]]] = []
    for lesson in lessons:
        prompt, answer = lesson.scene
        ids = prefix + prompt + answer
        segment, target = [0] * len(ids), [-100] * len(ids)
        if lesson.images and answer:
            target[-len(answer) - 1 : -1] = answer
        for k, (prompt, answer) in enumerate(lesson.segments, 1):
            if not answer:  # a motion: the head answers
                ids, segment, target = ids + prompt, segment + [k] * len(prompt), target + [-100] * len(prompt)
                continue
            ids += prompt + answer[:-1]
            segment += [k] * (len(prompt) + len(answer) - 1)
            target += [-100] * (len(prompt) - 1) + answer
        rows.append((ids, segment, target))
    n = -(-max(len(r[0]) for r in rows) // 16) * 16
    ids = torch.full((len(rows), n), words[PAD])
    segment = torch.full((len(rows), n), -1)
    target = torch.full((len(rows), n), -100)
    for i, row in enumerate(rows):
        for tensor, values in zip((ids, segment, target), row, strict=True):
            tensor[i, : len(values)] = torch.tensor(values)
    x, y = target - first_x, target - first_y
    is_x, is_y = (x >= 0) & (x < BINS), (y >= 0) & (y < BINS)
    place = torch.where(is_x, (x + 0.5) / BINS, torch.where(is_y, (y + 0.5) / BINS, torch.nan))
    next_y = torch.roll(y, -1, 1).clamp(0, BINS - 1)
    patch = torch.where(is_x, next_y * grid[0] // BINS * grid[1] + x.clamp(0, BINS - 1) * grid[1] // BINS, -1)
    names = lessons[0].images
    batch = Batch(
        ids, segment, target, place.float(), patch,
        {c: torch.from_numpy(np.stack([a.images[c] for a in lessons])) for c in names},
        {s: torch.from_numpy(np.stack([a.states[s] for a in lessons])).float() for s in lessons[0].states},
        {c: torch.from_numpy(np.stack([a.cells[c] for a in lessons])) for c in lessons[0].cells},
    )  # fmt: skip
    if lessons[0].chunk is not None:
        batch.chunk = torch.from_numpy(np.stack([a.chunk for a in lessons])).float()
        batch.valid = torch.from_numpy(np.stack([a.valid for a in lessons])).float()
        last = segment.max(1, keepdim=True).values
        batch.moving = (segment == 0) | (segment == last)
    return batch
