"""Records -> training sentences: one prefix, many short segments (prompt, answer), and the labels of each.

The texts of prompts are defined here once; the planner asks with the same functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from embodied import plan as grammar
from embodied.data.snapshots import NOTHING, ROBOT, Record
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


def ask_plan(goal: str, done: Sequence[str] = ()) -> str:
    return f"{GOAL} {goal} {DONE} {LINE.join(done)} {PLAN}"


def ask_check(step: str) -> str:
    return f"{CHECK} {step}"


def ask_points(what: str) -> str:
    """`what` is a step's text or a thing's name."""
    return f"{POINT} {what}"


def ask(question: str) -> str:
    return f"{ASK} {question}"


def ask_move(line: str) -> str:
    """`line` is a step with its points."""
    return f"{STEP} {line}"


@dataclass
class Lesson:
    """One training sentence. images[c] uint8 H W 3; states[s] normalised (t, d); cells[c] int64 (2, m): colour and kind.

    chunk (h, a) normalised and valid (h,) when the last segment is a motion."""

    images: dict[str, np.ndarray]
    states: dict[str, np.ndarray]
    segments: list[tuple[list[int], list[int]]]
    cells: dict[str, np.ndarray] = field(default_factory=dict)
    chunk: np.ndarray | None = None
    valid: np.ndarray | None = None


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
    ) -> Lesson:
        images, cells = {}, {}
        move = {self.main: (0, 0)}
        for camera in [name for name in arrays if arrays[name].ndim == 3 and arrays[name].shape[-1] == 3]:
            image, seg = arrays[camera], arrays.get(f"{camera}_seg")
            if augment:
                move[camera] = dx, dy = rng.integers(-self.jitter, self.jitter + 1, 2)
                image = shifted(image, dx, dy)
                gain = rng.uniform(0.88, 1.12) * rng.uniform(0.95, 1.05, 3)
                image = np.clip(image * gain + rng.normal(0, 3, image.shape), 0, 255).astype(np.uint8)
                seg = None if seg is None else shifted(seg, dx, dy, NOTHING)
            images[camera] = image
            if seg is not None:
                cells[camera] = cells_of(seg, record.items)
        height, width = images[self.main].shape[:2]
        self._move = (move[self.main][0] / width, move[self.main][1] / height)
        return Lesson(images, states, self._segments(record, rng), cells)

    def _line(self, line: str) -> str:
        step = grammar.read_step(line)
        return f"{step.text} {self._points([[p.u, p.v] for p in step.points])}"

    def _points(self, points: Sequence[Sequence[float]]) -> str:
        return " ".join(grammar.locate(Point(u + self._move[0], v + self._move[1])) for u, v in points)

    def _segments(self, record: Record, rng: np.random.Generator) -> list[tuple[list[int], list[int]]]:
        def pick(options: Sequence[Any], count: int) -> list[Any]:
            return [options[i] for i in rng.permutation(len(options))[:count]]

        asked: list[tuple[str, str]] = []
        if record.goals:
            if record.refusal:
                answer = UNCLEAR if record.refusal == "unclear" else f"{ABSENT} {record.refusal}"
            else:
                answer = LINE.join(map(self._line, record.plan))
            asked.append((ask_plan(pick(record.goals, 1)[0], list(map(self._line, record.done))), answer))
        asked += [(ask_plan(goal), LINE.join(map(self._line, lines))) for goal, lines in pick(record.others, 2)]
        if record.checks:  # the first is about the step just tried; another one balances it
            latest = record.checks[0]
            against = [c for c in record.checks if c[1] != latest[1]]
            asked += [(ask_check(step), YES if good else NO) for step, good in [latest, *pick(against, 1)]]
        inside = {
            n: p for n, p in record.things.items() if 0 <= p[0] + self._move[0] < 1 and 0 <= p[1] + self._move[1] < 1
        }
        listed = sorted(inside, key=lambda n: inside[n][0])
        if rng.random() < 0.25:
            asked.append((ask("things"), " ".join(f"{n} {self._points([inside[n]])}" for n in listed)))
        asked += [(ask_points(what), self._points(points)) for what, points in pick(list(record.points.items()), 2)]
        if record.missing and rng.random() < 0.3:
            asked.append((ask_points(pick(record.missing, 1)[0]), ABSENT))
        asked += [(ask_points(name), self._points([inside[name]])) for name in pick(list(inside), 4)]
        asked += [(ask(q), a) for q, a in pick(record.asks, int(rng.random() < 0.5))]
        return [(self.words.encode(q), [*self.words.encode(a), self.words[EOS]]) for q, a in asked]


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

    Lessons without pictures have no prefix, and their locations, which nothing tells, are not asked for.
    """
    if not lessons[0].images:
        prefix = [words[BOS]]
    first_x, first_y = words[XS[0]], words[YS[0]]
    rows: list[tuple[list[int], list[int], list[int]]] = []
    for lesson in lessons:
        ids, segment, target = list(prefix), [0] * len(prefix), [-100] * len(prefix)
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
    if not lessons[0].images:
        target[is_x | is_y] = -100
        is_x, is_y = torch.zeros_like(is_x), torch.zeros_like(is_y)
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
