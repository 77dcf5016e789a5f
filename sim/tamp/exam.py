"""One scene, all its tests, one set of weights: what was asked, what was said and whether it was right."""

from __future__ import annotations

from typing import Any

import numpy as np

from embodied.errors import UserError
from sim.tamp import lessons, pictures, questions
from sim.tamp.questions import KINDS, Question
from sim.tamp.scene import COUNTS, LABELS, SHOWN, Scene, scene, vectors
from sim.task import EPISODES, FIRST_EVALUATION_SEED, MOST

INPUTS = ("state", "objects", "picture")
GOALS = {"trained": KINDS, "unseen": ("two", "ends"), "german": ("p1", "p2"), "russian": ("p1", "p2")}


def seed_of(run: int, k: int) -> int:
    """The seed of a run's k-th scene; never one of training's."""
    if not (0 <= k < EPISODES and 0 <= run < MOST):
        raise UserError(
            f"scene {k} of seed {run} is out of range; a run has {EPISODES} scenes and seeds go from 0 to {MOST - 1}"
        )
    return FIRST_EVALUATION_SEED + run * EPISODES + k


class Exam:
    """weights: of the reasoner. input: one of INPUTS; "objects" looks through the camera, with the finder of `finder`,
    "picture" through it with the picture encoder of the tabletop weights.
    count, goals, unseen: which scenes and questions. physics: plans are carried out by an arm, not by rules."""

    def __init__(
        self, weights: str, input: str = "state", count: str = "3-5", goals: str = "trained", unseen: bool = False,
        physics: bool = False, finder: str = "cubes",
    ) -> None:  # fmt: skip
        from embodied.model.reasoner import load

        for name, value, choices in (("input", input, INPUTS), ("count", count, COUNTS), ("goals", goals, GOALS)):
            if value not in choices:
                raise UserError(f"unknown {name} {value!r}; choose from {', '.join(choices)}")
        self.model = load(weights, "picture" if input == "picture" else "objects")
        self.count, self.goals, self.unseen = count, goals, unseen
        if input == "picture" and (goals != "trained" or unseen):
            raise UserError(
                f"goals={goals}, unseen={unseen}: from pictures only trained goals and colours are asked about"
            )
        self.eye: Any = None
        self.eyes: Any = None
        self.arm: Any = None
        if input == "objects":
            from sim.tamp.seen import Eye

            self.eye = Eye(finder)
            self.arm = self.eye.arm
        elif input == "picture":
            from sim.tamp.physics import Arm
            from sim.tamp.pictures import Eyes

            self.eyes, self.arm = Eyes(), Arm(("front",))
        elif physics:
            from sim.tamp.physics import Arm

            self.arm = Arm()
        self.physics = physics

    def scene(self, seed: int) -> dict[str, Any]:
        """The seed's scene with its questions: {"seed", "cubes", "tests": {kind: {"text", "answer", "said", "right"}}}."""
        import torch

        from embodied.model.reasoner import Answers

        cubes, rng = scene(seed, self.count, self.unseen), np.random.default_rng([seed, 8])
        given, labels = self._given(cubes, seed)
        answers = Answers(self.model, torch.from_numpy(given), labels)
        tests: dict[str, Any] = {}
        for kind in GOALS[self.goals] if self.eyes is None else pictures.KINDS:
            asked = self._asked(kind, cubes, rng)
            if asked is None:
                continue
            things = labels if self.eyes is None else SHOWN
            said = answers.say(asked.text, lessons.grammar(self.model.words, kind, things, asked.most))
            said = said if self.eyes is None else pictures.labelled(said, cubes)
            right = self._carried_out(asked, said, cubes, seed) if self.physics and asked.holds else asked.right(said)
            tests[kind] = {"text": asked.text, "answer": asked.answer, "said": said, "right": bool(right)}
        return {"seed": seed, "cubes": len(cubes), "tests": tests}

    def close(self) -> None:
        if self.arm is not None:
            self.arm.close()

    def _given(self, cubes: Scene, seed: int) -> tuple[np.ndarray, list[int]]:
        """What the model gets of the scene: vectors (n, FIELDS) and their entities."""
        if self.eyes is not None:
            self.arm.lay(cubes, seed)
            return self.eyes.look(self.arm.body.observe().images["front"][None])[0].astype(np.float32), []
        if self.eye is None:
            return vectors(cubes), [cube.label for cube in cubes]
        from sim.tamp.seen import entities

        seen = self.eye.look(cubes, seed)
        pairs = [(vector, label) for (_, vector), label in zip(seen, entities(seen, cubes), strict=True) if label][
            :LABELS
        ]
        if not pairs:
            return np.zeros((0, lessons.FIELDS), np.float32), []
        return np.stack([vector for vector, _ in pairs]), [label for _, label in pairs]

    def _asked(self, kind: str, cubes: Scene, rng: np.random.Generator) -> Question | None:
        if self.goals == "unseen":
            return questions.unseen_goal(kind, cubes)
        language = "english" if self.goals == "trained" else self.goals
        entities = 1.0 if self.unseen else 0.5 if self.eyes is None else 0.0
        return questions.ask(kind, cubes, rng, entities=entities, language=language)

    def _carried_out(self, asked: Question, said: str, cubes: Scene, seed: int) -> bool:
        steps = questions.read(said)
        if steps is None:
            return False
        self.arm.lay(cubes, seed)
        return all(self.arm.carry_out(steps)) and asked.holds is not None and asked.holds(self.arm.state())
