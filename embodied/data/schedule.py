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


class SceneLessons:
    """Snapshots as lessons; the last moments of every shard, whole episodes but for the cut, are for validation.

    pictures: False for lessons in words alone, where the listing of the things stands for the picture.  questions: False
    for lessons in seeing alone. Both are cheaper, so there are more of them in a batch.
    """

    def __init__(
        self,
        root: str,
        teacher: Teacher,
        normalisation: Normalisation,
        validation: bool,
        pictures: bool = True,
        questions: bool = True,
    ) -> None:
        self.data = Snapshots(Path(root))
        first_held_out = [len(lines) * 97 // 100 for lines in self.data.lines]
        held_out = [row >= first_held_out[shard] for shard, row in self.data.index]
        self.rows = [i for i, held in enumerate(held_out) if held == validation]
        self.teacher, self.normalisation, self.augment = teacher, normalisation, not validation
        self.pictures, self.questions = pictures, questions
        if pictures and not all(self.data.arrays):
            raise UserError(f"{root} holds moments in words alone; give a folder made with kind=snapshots")
        self.times = (1 if questions else 4) if pictures else 2

    def __len__(self) -> int:
        return len(self.rows)

    def lesson(self, row: int, rng: np.random.Generator) -> Lesson:
        if not self.pictures:
            return self.teacher.lesson(self.data.record(self.rows[row]), {}, {}, rng, self.augment)
        record, arrays = self.data[self.rows[row]]
        states = {"arm": self.normalisation.normalise("arm", arrays.pop("arm"))}
        return self.teacher.lesson(record, arrays, states, rng, self.augment, self.questions)
