"""One scene, all its tests, one set of weights: what was asked, what was said and whether it was right."""

from __future__ import annotations

from typing import Any

import numpy as np

from embodied.errors import UserError
from sim.tamp import lessons, questions
from sim.tamp.questions import KINDS, Question
from sim.tamp.scene import COUNTS, Scene, scene
from sim.task import EPISODES, FIRST_EVALUATION_SEED, MOST

GOALS = {"trained": KINDS, "unseen": ("two", "ends"), "german": ("p1", "p2"), "russian": ("p1", "p2")}


def seed_of(run: int, k: int) -> int:
    """The seed of a run's k-th scene; never one of training's."""
    if not (0 <= k < EPISODES and 0 <= run < MOST):
        raise UserError(
            f"scene {k} of seed {run} is out of range; a run has {EPISODES} scenes and seeds go from 0 to {MOST - 1}"
        )
    return FIRST_EVALUATION_SEED + run * EPISODES + k


class Exam:
    """weights: of the reasoner. input: one of sim.tamp.inputs.INPUTS; "objects" looks with the finder of `finder`.
    count, goals, unseen: which scenes and questions. physics: plans are carried out by an arm, not by rules."""

    def __init__(
        self, weights: str, input: str = "state", count: str = "3-5", goals: str = "trained", unseen: bool = False,
        physics: bool = False, finder: str = "cubes",
    ) -> None:  # fmt: skip
        from embodied.model.reasoner import load
        from sim.tamp.inputs import INPUTS, State

        for name, value, choices in (("input", input, INPUTS), ("count", count, COUNTS), ("goals", goals, GOALS)):
            if value not in choices:
                raise UserError(f"unknown {name} {value!r}; choose from {', '.join(choices)}")
        if input == "picture" and (goals != "trained" or unseen):
            raise UserError(
                f"goals={goals}, unseen={unseen}: from pictures only trained goals and colours are asked about"
            )
        self.model = load(weights, INPUTS[input].reads)
        self.count, self.goals, self.unseen, self.physics = count, goals, unseen, physics
        self.input: State = INPUTS[input](finder) if input == "objects" else INPUTS[input]()
        self.arm: Any = self.input.arm
        if physics and self.arm is None:
            from sim.tamp.physics import Arm

            self.arm = Arm()

    def scene(self, seed: int) -> dict[str, Any]:
        """The seed's scene with its questions: {"seed", "cubes", "tests": {kind: {"text", "answer", "said", "right"}}}."""
        import torch

        from embodied.model.reasoner import Answers

        cubes, rng = scene(seed, self.count, self.unseen), np.random.default_rng([seed, 8])
        given, labels = self.input.given(cubes, seed)
        answers = Answers(self.model, torch.from_numpy(given), labels)
        tests: dict[str, Any] = {}
        for kind in self.input.kinds if self.goals == "trained" else GOALS[self.goals]:
            asked = self._asked(kind, cubes, rng)
            if asked is None:
                continue
            form = lessons.grammar(self.model.words, kind, self.input.things(labels), asked.most)
            said = self.input.heard(answers.answer(asked.text, form), cubes)
            right = self._carried_out(asked, said, cubes, seed) if self.physics and asked.holds else asked.right(said)
            tests[kind] = {"text": asked.text, "answer": asked.answer, "said": said, "right": bool(right)}
        return {"seed": seed, "cubes": len(cubes), "tests": tests}

    def close(self) -> None:
        if self.arm is not None:
            self.arm.close()

    def _asked(self, kind: str, cubes: Scene, rng: np.random.Generator) -> Question | None:
        if self.goals == "unseen":
            return questions.unseen_goal(kind, cubes)
        language = "english" if self.goals == "trained" else self.goals
        named = 1.0 if self.unseen else self.input.named
        return questions.ask(kind, cubes, rng, entities=named, language=language)

    def _carried_out(self, asked: Question, said: str, cubes: Scene, seed: int) -> bool:
        steps = questions.read(said)
        if steps is None:
            return False
        self.arm.lay(cubes, seed)
        return all(self.arm.carry_out(steps)) and asked.holds is not None and asked.holds(self.arm.state())
