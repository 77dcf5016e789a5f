"""Questions about boards that nobody plays: what a planner can know before it has seen a job done, as PaLM-E had seen pictures of
all kinds before its demonstrations. Boards come from training seeds; no job and no push is in them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from embodied.errors import UserError
from embodied.model.lessons import Lesson
from embodied.model.reasoner import objects
from embodied.model.tokens import EOS, NO, YES, Words
from sim.board.jobs import CORNERS, IN_CORNER, SIDES, TOGETHER, far, lay
from sim.board.lessons import ASKED, OTHERS, SHAKE_M, vectors
from sim.tamp.scene import FIELDS, LABELS
from sim.task import FIRST_EVALUATION_SEED

# Questions about a board.
EACH = {"closest": 2, "nearest": 1, "fellow": 1, "together": 2, "corner": 1, "side": 1, "named": 1}
CLOSE = (0.045, 0.11)  # m, of pieces that were pushed to others
DOUBT_M = 0.008  # what lies so near to the limit of an answer is not asked about


class Boards:
    """`count` boards as lessons (embodied.data.schedule), drawn anew at every visit but for where things lie."""

    times = 1

    def __init__(self, words: Words, count: int) -> None:
        if not 1 <= count < FIRST_EVALUATION_SEED:
            raise UserError(f"boards={count} cannot be; give 1 to {FIRST_EVALUATION_SEED - 1}, or 0 for none")
        self.words, self.count = words, count

    def __len__(self) -> int:
        return self.count

    def lesson(self, row: int, rng: np.random.Generator) -> Lesson:
        """As sim.tamp.lessons.Scenes makes them."""
        board = lay(np.random.default_rng([row, 19]))
        shown = {p.colour: OTHERS[i] for p, i in zip(board, rng.permutation(len(OTHERS)), strict=False)}
        labels = dict(zip((p.label for p in board), (rng.permutation(LABELS)[: len(board)] + 1).tolist(), strict=True))
        at = moved({labels[p.label]: np.array(p.at) for p in board}, rng)
        names = {labels[p.label]: f"{shown[p.colour]} {p.shape}" for p in board}
        segments = []
        for kind, count in EACH.items():
            for text, answer in filter(None, (ask(kind, at, names, rng) for _ in range(count))):
                segments.append((self.words.encode(text), [*self.words.encode(answer), self.words[EOS]]))
        order = list(at)
        noisy = {k: where + rng.normal(0, SHAKE_M, 2) for k, where in at.items()}
        states = {"given": np.zeros((LABELS, FIELDS), np.float32), "labels": np.zeros(LABELS, np.int64)}
        states["given"][: len(order)], states["labels"][: len(order)] = vectors(noisy, names), order
        return Lesson({}, states, segments, (objects(self.words, order), []))


Places = dict[int, NDArray[np.float64]]


def moved(at: Places, rng: np.random.Generator) -> Places:
    """As if some pieces had been pushed to others or into corners."""
    out = dict(at)
    for label in at:
        chance = rng.random()
        if chance < 0.25:
            other = list(at)[rng.integers(len(at))]
            turn, far = rng.uniform(0, 2 * np.pi), rng.uniform(*CLOSE)
            out[label] = out[other] + far * np.array([np.cos(turn), np.sin(turn)]) if other != label else out[label]
        elif chance < 0.45:
            corner = list(CORNERS.values())[rng.integers(len(CORNERS))]
            out[label] = np.array(corner) + rng.normal(0, 0.6 * IN_CORNER, 2)
    return {k: out[k] for k in (list(out)[i] for i in rng.permutation(len(out)))}


def ask(kind: str, at: Places, names: dict[int, str], rng: np.random.Generator) -> tuple[str, str] | None:
    """A question and its answer; None where that is a matter of taste."""
    a, b = (list(at)[i] for i in rng.permutation(len(at))[:2])
    corner, side = tuple(CORNERS)[rng.integers(len(CORNERS))], tuple(SIDES)[rng.integers(2)]
    if kind == "together" and rng.random() < 0.6:  # near ones, or the answer is no
        b = min((k for k in at if k != a), key=lambda k: far(at[k], at[a]))
    text = ASKED[kind].format(a=f"<obj_{a}>", b=f"<obj_{b}>", corner=corner, side=side, name=names[a])
    if kind == "named":
        return text, f"<obj_{a}>"
    if kind == "fellow":
        alike = (k for k, name in names.items() if name.split()[0] == names[a].split()[0] and k != a)
        return text, f"<obj_{next(alike)}>"
    if kind in ("closest", "nearest"):
        to = corner if kind == "closest" else at[a]
        order = sorted((k for k in at if kind == "closest" or k != a), key=lambda k: far(at[k], to))
        sure = far(at[order[1]], to) - far(at[order[0]], to) > DOUBT_M
        return (text, f"<obj_{order[0]}>") if sure else None
    measure = {
        "together": TOGETHER - far(at[a], at[b]),
        "corner": IN_CORNER - far(at[a], corner),
        "side": float(at[a][1]) * SIDES[side],
    }[kind]
    return (text, YES if measure > 0 else NO) if abs(measure) > DOUBT_M else None
