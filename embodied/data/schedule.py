"""Lessons of snapshots, and the order in which a training run meets them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embodied.data.normalise import Normalisation
from embodied.data.snapshots import Snapshots
from embodied.errors import UserError

if TYPE_CHECKING:
    from embodied.model.lessons import Lesson, Teacher


class Schedule:
    """Which records and which augmentation a step takes; it follows from (seed, step, process) alone.

    Every step takes lessons of every source, shares[k] * batch * source.times of the k-th: steps of one kind each, taken in
    turn, pulled the weights to and fro, and learnt less.
    """

    def __init__(
        self, sources: list[Any], shares: list[float], batch: int, seed: int, start: int, stop: int, process: int = 0
    ) -> None:
        self.sources, self.seed = sources, seed
        self.counts = [
            max(1, round(share * batch * source.times)) for source, share in zip(sources, shares, strict=True)
        ]
        self.start, self.stop, self.process = start, stop, process

    def __len__(self) -> int:
        return self.stop - self.start

    def __getitem__(self, k: int) -> list[list[Any]]:
        """The lessons of step start + k, a list for each source."""
        rng = np.random.default_rng([self.seed, self.start + k, self.process])
        return [
            [source.lesson(int(row), rng) for row in rng.integers(0, len(source), count)]
            for source, count in zip(self.sources, self.counts, strict=True)
        ]


TIMES = {
    "scenes": 1,
    "words": 2,
    "sight": 4,
    "finding": 4,
}  # how many lessons of a kind stand for one: some are cheaper


class SceneLessons:
    """Snapshots as lessons; the last moments of every shard, whole episodes but for the cut, are for validation.

    kind: one of TIMES, see Teacher.lesson. history: pictures of each camera in a lesson of kind "scenes". shots: how many solved
    examples, other moments of these, come before each.
    """

    def __init__(
        self, root: str, teacher: Teacher, normalisation: Normalisation, validation: bool, kind: str = "scenes",
        history: int = 1, shots: int = 0,
    ) -> None:  # fmt: skip
        self.data = Snapshots(Path(root))
        first_held_out = [len(lines) * 97 // 100 for lines in self.data.lines]
        held_out = [row >= first_held_out[shard] for shard, row in self.data.index]
        self.rows = [i for i, held in enumerate(held_out) if held == validation]
        self.teacher, self.normalisation, self.augment = teacher, normalisation, not validation
        self.kind, self.times, self.shots = kind, TIMES[kind], shots
        self.history = history if kind == "scenes" else 1
        if kind != "words" and not all(self.data.arrays):
            raise UserError(f"{root} holds moments in words alone; give a folder made with kind=snapshots")
        if self.history > 1 and not any(self.data.record(i).moment for i in range(len(self.data))):
            raise UserError(
                f"no moment in {root} has a past, which history={history} shows; record anew with `embodied record kind=snapshots`"
            )

    def __len__(self) -> int:
        return len(self.rows)

    def lesson(self, row: int, rng: np.random.Generator) -> Lesson:
        lesson = self._lesson(row, rng)
        if not self.shots:
            return lesson
        return lesson.after([self._lesson(int(other), rng) for other in rng.integers(0, len(self), self.shots)], rng)

    def _lesson(self, row: int, rng: np.random.Generator) -> Lesson:
        if self.kind == "words":
            return self.teacher.lesson(self.data.record(self.rows[row]), {}, {}, rng, self.augment, self.kind)
        record, arrays = self.data[self.rows[row]]
        if self.history > 1:
            arrays |= self.data.pictures(self.rows[row], self.history)
        states = {"arm": self.normalisation.normalise("arm", arrays.pop("arm"))}
        return self.teacher.lesson(record, arrays, states, rng, self.augment, self.kind)
