"""Lessons of snapshots and of sentences, and the order in which a training run meets them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embodied.data.normalise import Normalisation
from embodied.data.snapshots import Snapshots
from embodied.errors import UserError

if TYPE_CHECKING:
    from embodied.model.lessons import Lesson, Teacher
    from embodied.model.tokens import Words


class Schedule:
    """Which records and which augmentation a step takes; it follows from (seed, step, process) alone.

    All processes take the same kind of lesson in a step, so that none waits for another one's longer batch.
    """

    def __init__(
        self, sources: list[Any], shares: list[float], batch: int, seed: int, start: int, stop: int, process: int = 0
    ) -> None:
        self.sources, self.shares, self.batch, self.seed = sources, shares, batch, seed
        self.start, self.stop, self.process = start, stop, process

    def __len__(self) -> int:
        return self.stop - self.start

    def __getitem__(self, k: int) -> list[Any]:
        """All lessons of step start + k: one source a step, so that a batch is of one kind."""
        step = self.start + k
        kind = np.random.default_rng([self.seed, step]).choice(len(self.sources), p=self.shares)
        source = self.sources[kind]
        rng = np.random.default_rng([self.seed, step, self.process])
        return [source.lesson(int(row), rng) for row in rng.integers(0, len(source), self.batch * source.times)]


class SentenceLessons:
    """Goals and plans without pictures; four for one, because they are that much cheaper."""

    times = 4

    def __init__(self, path: Path, words: Words) -> None:
        if not path.exists():
            raise UserError(f"no sentences at {str(path)!r}; give text_share=0 or snapshots= of a folder that has them")
        self.lines, self.words = path.read_text().splitlines(), words

    def __len__(self) -> int:
        return len(self.lines)

    def lesson(self, row: int, rng: np.random.Generator) -> Lesson:
        from embodied.model.lessons import Lesson, ask_plan
        from embodied.model.tokens import EOS, LINE

        goal, plan = json.loads(self.lines[row])
        answer = [*self.words.encode(LINE.join(plan)), self.words[EOS]]
        return Lesson({}, {}, [(self.words.encode(ask_plan(goal)), answer)])


class SceneLessons:
    """Snapshots as lessons; the last moments of every shard, whole episodes but for the cut, are for validation."""

    times = 1

    def __init__(self, root: str, teacher: Teacher, normalisation: Normalisation, validation: bool) -> None:
        self.data = Snapshots(Path(root))
        first_held_out = [len(lines) * 97 // 100 for lines in self.data.lines]
        held_out = [row >= first_held_out[shard] for shard, row in self.data.index]
        self.rows = [i for i, held in enumerate(held_out) if held == validation]
        self.teacher, self.normalisation, self.augment = teacher, normalisation, not validation

    def __len__(self) -> int:
        return len(self.rows)

    def lesson(self, row: int, rng: np.random.Generator) -> Lesson:
        record, arrays = self.data[self.rows[row]]
        states = {"arm": self.normalisation.normalise("arm", arrays.pop("arm"))}
        return self.teacher.lesson(record, arrays, states, rng, self.augment)
