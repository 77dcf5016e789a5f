"""Scenes and their questions as packed training sentences, drawn anew at every visit; and what the model may say to each kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from embodied.errors import UserError
from embodied.model.lessons import Lesson
from embodied.model.reasoner import objects
from embodied.model.tokens import EOS, NO, YES, Words, train_vocabulary
from embodied.plan import COLOURS
from sim.tamp import questions
from sim.tamp.questions import KINDS, PHRASES, THE
from sim.tamp.scene import FIELDS, LABELS, SHOWN, Scene, scene, varied, vectors
from sim.task import FIRST_EVALUATION_SEED

EACH = dict.fromkeys(KINDS, 1) | {"q2": 2, "p2": 2}  # questions of a kind at a visit; the second plan is a long one
NOISE_M, NOISY = 0.003, 0.3  # spread of positions, and in how many lessons: what a camera's measure is off
STEPS_OF_PLANS = 24


ENTITIES = tuple(f"obj_{j}" for j in range(1, LABELS + 1))


def vocabulary() -> Words:
    """All words of the questions, and entities."""
    corpus = [phrase for phrases in PHRASES.values() for phrase in phrases]
    corpus += [*SHOWN, "left right centre table grasp place it on then first the block", THE["english"]]
    return Words(train_vocabulary(corpus, ENTITIES, least=1))


class Scenes:
    """`count` scenes of training as lessons. kinds: what is asked about them."""

    times = 1

    def __init__(self, words: Words, count: int, kinds: Sequence[str] = KINDS, augment: bool = True) -> None:
        if not 1 <= count < FIRST_EVALUATION_SEED:
            raise UserError(
                f"scenes={count} cannot be; give 1 to {FIRST_EVALUATION_SEED - 1}, the paper has 320 and 96000"
            )
        self.words, self.count, self.kinds, self.augment = words, count, tuple(kinds), augment
        self._encoded = lru_cache(100_000)(words.read)
        self._scene = lru_cache(100_000)(scene)

    def __len__(self) -> int:
        return self.count

    def lesson(self, row: int, rng: np.random.Generator) -> Lesson:
        """The scene with this seed, told anew, with questions. states["given"]: (LABELS, FIELDS);
        states["labels"]: (LABELS,), 0 where there is no cube."""
        cubes = self._scene(row)
        if self.augment:
            cubes = varied(cubes, rng)
        asked = [questions.ask(kind, cubes, rng, long=k > 0) for kind in self.kinds for k in range(EACH[kind])]
        segments = [(self._encoded(one.text), [*self._encoded(one.answer), self.words[EOS]]) for one in asked]
        labels = [cube.label for cube in cubes]
        states = {"given": np.zeros((LABELS, FIELDS), np.float32), "labels": np.zeros(LABELS, np.int64)}
        states["given"][: len(cubes)], states["labels"][: len(cubes)] = seen(cubes, rng), labels
        return Lesson({}, states, segments, (objects(self.words, labels), []))


def seen(cubes: Scene, rng: np.random.Generator) -> NDArray[np.float32]:
    """Their vectors, in some lessons as a camera would measure them."""
    out = vectors(cubes)
    if rng.random() < NOISY:
        out[:, :3] += rng.normal(0, NOISE_M, (len(out), 3))
        out[:, 5:8] += rng.normal(0, 0.7 * NOISE_M, (len(out), 1))
        out[:, 8:] += rng.normal(0, 0.03, (len(out), 3))
        turn = rng.uniform(-np.pi, np.pi, len(out))  # a cube's yaw is hard to see
        out[:, 3], out[:, 4] = np.sin(turn), np.cos(turn)
    return out


def grammar(
    words: Words, kind: str, things: Sequence[int | str], most: int = 0
) -> Callable[[Sequence[int]], list[int]]:
    """What may follow the tokens of an answer so far, by the form of the question alone: what lies where is not known here. things:
    labels of the entities, or words, that a plan may name."""
    end = words[EOS]
    entities = [words[one if isinstance(one, str) else f"<obj_{one}>"] for one in things]
    if kind in ("q1", "q2"):
        options = [words[w] for w in (COLOURS if kind == "q1" else ("left", "right", "centre")) if words.knows(w)]
        return lambda out: [end] if out else options
    if kind in ("q3", "q4"):
        yes, no = words[YES], words[NO]
        return lambda out: [yes, no] if len(out) < (most or 1) and (not out or out[-1] == yes) else [end]
    grasp, place, table = words["grasp"], words["place"], words["table"]

    def plan(out: Sequence[int]) -> list[int]:
        if not out:
            return [grasp]
        if out[-1] == grasp:
            return entities
        if out[-1] == place:
            return [*entities, table]
        if len(out) >= 2 * STEPS_OF_PLANS:
            return [end]
        return [place if out[-2] == grasp else grasp, end]

    return plan
