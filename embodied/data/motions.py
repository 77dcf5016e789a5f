"""Demonstrations as lessons in motion, and the one place where actions become relative to the hand and back.

The motion head sees rows relative to the hand's present pose (as UMI, arXiv 2402.10329, found to transfer), the body gets
absolute targets, so a chunk stays right when some of its first rows are already late.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embodied import plan as grammar
from embodied.aims import seen_from
from embodied.data.dataset import Dataset
from embodied.data.normalise import Normalisation
from embodied.data.windows import Windows
from embodied.errors import UserError
from embodied.model.lessons import Lesson, ask_move
from embodied.model.tokens import Words

Floats = NDArray[np.float32]


def relative(actions: Floats, hand: Floats) -> Floats:
    """Rows x y z yaw width (h, 5), base frame -> the same with position and yaw counted from the hand's (5,) now."""
    out = np.array(actions, np.float32)
    out[:, :4] -= hand[:4]
    out[:, 3] = (out[:, 3] + np.pi / 2) % np.pi - np.pi / 2  # the gripper's two fingers are alike
    return out


def absolute(rows: Floats, hand: Floats) -> Floats:
    """The way back: rows (h, 5) counted from the hand's pose (5,) -> base frame, yaw in [-pi/2, pi/2)."""
    out = np.array(rows, np.float32)
    out[:, :4] += hand[:4]
    out[:, 3] = (out[:, 3] + np.pi / 2) % np.pi - np.pi / 2
    return out


class MotionLessons:
    """One lesson a recorded frame: the arm's state then, what the step goes for, its words, and the rows that followed.

    The last channel of a chunk is the step's progress (0 at its first frame, 1 at its last): how the policy knows the end.
    """

    # words and normalisation may lack where only chunks are wanted.
    times = 1

    def __init__(self, root: str, words: Words | None, normalisation: Normalisation | None, horizon: int) -> None:
        self.words, self.normalisation, self.horizon = words, normalisation, horizon
        self.windows = Windows(Dataset(Path(root)), horizon, cameras=(), within_step=True)
        if "aims" not in self.windows.dataset.states:
            raise UserError(f"{root} does not tell what its steps go for; record it again with `embodied record`")
        steps, episode = self.windows.texts["step"], self.windows.episode
        new = np.ones(len(self.windows), bool)
        new[1:] = (steps[1:] != steps[:-1]) | (episode[1:] != episode[:-1])
        starts = np.flatnonzero(new)
        lengths = np.diff(np.append(starts, len(new)))
        self.start, self.length = np.repeat(starts, lengths), np.repeat(lengths, lengths)

    def __len__(self) -> int:
        return len(self.windows)

    def chunk(self, row: int) -> tuple[dict[str, Any], Floats, Floats]:
        """The window, its relative chunk with progress (h, 6) in SI units, and which rows are real (h,)."""
        window = self.windows[row]
        hand = window["states"]["arm"][-1, :5]
        progress = (row - self.start[row] + np.arange(self.horizon)) / max(1, self.length[row] - 1)
        chunk = np.column_stack([relative(window["action"], hand), np.minimum(progress, 1.0)])
        # Rows after the end repeat the last one with full progress, so that the head learns to stand still there.
        return window, chunk.astype(np.float32), np.ones(self.horizon, np.float32)

    def lesson(self, row: int, rng: np.random.Generator) -> Lesson:
        assert self.words is not None and self.normalisation is not None
        window, chunk, valid = self.chunk(row)
        arm, aims = window["states"]["arm"], window["states"]["aims"][-1]
        states = {"arm": self.normalisation.normalise("arm", arm), "objects": seen_from(aims, arm[-1, :5])}
        asked = self.words.encode(ask_move(grammar.plain(window["step"])))
        segments = [(self.words.spell(asked), [])]
        return Lesson({}, states, segments, chunk=self.normalisation.normalise("action", chunk), valid=valid)

    @staticmethod
    def statistics(root: str, horizon: int = 16, samples: int = 3000) -> dict[str, list[float]]:
        """Mean and spread of relative chunks, from evenly spaced frames."""
        lessons = MotionLessons(root, None, None, horizon)
        rows = np.linspace(0, len(lessons) - 1, min(samples, len(lessons))).astype(int)
        chunks = np.concatenate([lessons.chunk(int(row))[1] for row in rows])
        return {"mean": chunks.mean(0).tolist(), "std": chunks.std(0).tolist()}
