"""What the model gets of a scene: vectors from the simulator, what a finder finds in the picture, or the picture's own tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.tamp import pictures, questions
from sim.tamp.physics import Arm
from sim.tamp.scene import FIELDS, LABELS, SHOWN, Scene, vectors
from sim.tamp.seen import Eye, entities

Given = tuple[NDArray[np.float32], list[int]]  # as embodied.model.reasoner.Answers takes them


class State:
    """Object vectors from the simulator. reads: as embodied.model.reasoner.load has it. kinds: what can be asked. named: how often
    questions name a cube as an entity. arm: that the cubes lie before, where there is one."""

    reads, kinds, named = "objects", questions.KINDS, 0.5
    arm: Arm | None = None

    def given(self, cubes: Scene, seed: int) -> Given:
        return vectors(cubes), [cube.label for cube in cubes]

    def things(self, labels: Sequence[int]) -> Sequence[int | str]:
        """What a plan may name."""
        return labels

    def heard(self, said: str, cubes: Scene) -> str:
        """An answer, with entities."""
        return said


class Objects(State):
    """What a finder finds. A cube that is not found has no entity."""

    def __init__(self, finder: str) -> None:
        self.eye = Eye(finder)
        self.arm = self.eye.arm

    def given(self, cubes: Scene, seed: int) -> Given:
        seen = self.eye.look(cubes, seed)
        called = zip(seen, entities(seen, cubes), strict=True)
        pairs = [(vector, label) for (_, vector), label in called if label][:LABELS]
        rows = np.array([vector for vector, _ in pairs], np.float32).reshape(-1, FIELDS)
        return rows, [label for _, label in pairs]


class Picture(State):
    """Tokens of the tabletop weights' picture encoder. Cubes are called by their colours."""

    reads, kinds, named = "picture", pictures.KINDS, 0.0

    def __init__(self) -> None:
        self.eyes, self.arm = pictures.Eyes(), Arm(("front",))

    def given(self, cubes: Scene, seed: int) -> Given:
        assert self.arm is not None
        self.arm.lay(cubes, seed)
        return self.eyes.look(self.arm.body.observe().images["front"][None])[0].astype(np.float32), []

    def things(self, labels: Sequence[int]) -> Sequence[int | str]:
        return SHOWN

    def heard(self, said: str, cubes: Scene) -> str:
        return pictures.labelled(said, cubes)


INPUTS: dict[str, Any] = {"state": State, "objects": Objects, "picture": Picture}
