"""Lessons -> a batch: sentences packed, padded and labelled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from embodied.model.lessons import Lesson
from embodied.model.tokens import BOS, PAD, XS, YS, Words
from embodied.plan import BINS


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
    depth: dict[str, Tensor]
    cells: dict[str, Tensor]
    marks: dict[str, Tensor]
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


PORTIONS = 4  # batches that the words of a step are put in, by length: a sixth is padding then, in one batch two fifths


def portions(lessons: list[Lesson]) -> list[list[Lesson]]:
    """Lessons of one kind as batches; those in words alone as several, the shorter ones first. Each weighs as much as the
    lessons of another kind: words are what takes longest to learn."""
    if lessons[0].images or lessons[0].chunk is not None or len(lessons) < PORTIONS:
        return [lessons]
    by_length = sorted(lessons, key=lambda lesson: lesson.tokens)
    cuts = [len(lessons) * k // PORTIONS for k in range(PORTIONS + 1)]
    return [by_length[a:b] for a, b in pairwise(cuts)]


def _padded(marks: Sequence[np.ndarray]) -> Tensor:
    """(b, k, 6), padded with -1."""
    out = torch.full((len(marks), max(1, *map(len, marks)), 6), -1.0)
    for row, one in zip(out, marks, strict=True):
        row[: len(one)] = torch.from_numpy(one)
    return out


def collate(
    lessons: Sequence[Lesson], scene: list[int], motion: list[int], words: Words, grid: tuple[int, int] | None
) -> Batch:
    """Pack, pad and label lessons of one kind. scene, motion: ids that sentences about pictures, and about motion, begin with.
    grid: rows and columns of the main picture's tokens; None where they have no places.

    The listing is given, not asked for: what lies where is the finder's to say.
    """
    moving = lessons[0].chunk is not None
    prefix = motion if moving else scene if lessons[0].images else [words[BOS]]
    first_x, first_y = words[XS[0]], words[YS[0]]
    rows: list[tuple[list[int], list[int], list[int]]] = []
    for lesson in lessons:
        prompt, answer = lesson.scene
        before = [token for shot in lesson.shots for token in (*prefix, *shot)]
        ids = before + prefix + prompt + answer
        segment, target = [0] * len(ids), [-100] * len(ids)
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
    down, across = grid or (1, 1)
    patch = torch.where(is_x, next_y * down // BINS * across + x.clamp(0, BINS - 1) * across // BINS, -1)
    names = lessons[0].images
    batch = Batch(
        ids, segment, target, place.float(), patch,
        {c: torch.from_numpy(np.stack([a.images[c] for a in lessons])) for c in names},
        {s: torch.from_numpy(np.stack([a.states[s] for a in lessons])).float() for s in lessons[0].states},
        {c: torch.from_numpy(np.stack([a.depth[c] for a in lessons])) for c in lessons[0].depth},
        {c: torch.from_numpy(np.stack([a.cells[c] for a in lessons])) for c in lessons[0].cells},
        {c: _padded([a.marks[c] for a in lessons]) for c in lessons[0].marks},
    )  # fmt: skip
    if moving:
        batch.chunk = torch.from_numpy(np.stack([a.chunk for a in lessons])).float()
        batch.valid = torch.from_numpy(np.stack([a.valid for a in lessons])).float()
        last = segment.max(1, keepdim=True).values
        batch.moving = (segment == 0) | (segment == last)
    return batch
