"""`Embodied/Tamp-v0`: task and motion planning on a table of cubes, a skill a step, as PaLM-E's planner commands it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from embodied.errors import UserError
from sim.scene import X, Y
from sim.tamp import questions
from sim.tamp.physics import Arm
from sim.tamp.rules import Step, after, state
from sim.tamp.scene import FIELDS, LABELS, Scene, scene
from sim.task import FIRST_EVALUATION_SEED

LONGEST = 24  # steps
GRASP, PLACE, TABLE = 0, LABELS, 2 * LABELS  # first actions of their kind


class TampEnv(gymnasium.Env[Any, Any]):
    """Action: 0-7 grasp obj_1 ... obj_8, 8-15 place on obj_1 ... obj_8, 16 place on the table. An action that cannot be done ends
    the episode; reward 1 and terminated when the goal holds; truncated after LONGEST steps.

    Observation: "objects" float32 (8, 11), row j - 1 that of <obj_j> as embodied/model/encoders/objects.py names its fields, SI
    units, zero where there is none; "held" int, the entity in the hand, 0 none; with picture=True
    "observation.images.front" uint8 192 320 3. info: "task" the question, "success" bool, "labels" of what is there.

    split: train (seeds below 10,000,000, 3-5 cubes) or test.  count: cubes, "3-5", "6" or "8".  goal: p1, p2, or both in turn by
    the seed ("p").  physics: an arm carries every step out; else exact rules do, and cubes move at once.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 1}

    def __init__(
        self, split: str = "train", count: str = "3-5", goal: str = "p", physics: bool = False, picture: bool = False,
        render_mode: str | None = None,
    ) -> None:  # fmt: skip
        for name, value, choices in (("split", split, ("train", "test")), ("goal", goal, ("p", "p1", "p2"))):
            if value not in choices:
                raise UserError(f"unknown {name} {value!r}; choose from {', '.join(choices)}")
        if split == "train" and count != "3-5":
            raise UserError(f"count={count!r} is never trained on; use split='test'")
        self.split, self.count, self.goal, self.physics, self.render_mode = split, count, goal, physics, render_mode
        self.arm = Arm(("front",)) if physics or picture or render_mode else None
        box: dict[str, spaces.Space[Any]] = {
            "objects": spaces.Box(-10.0, 10.0, (LABELS, FIELDS), np.float32),
            "held": spaces.Discrete(LABELS + 1),
        }
        if picture:
            box["observation.images.front"] = spaces.Box(0, 255, (192, 320, 3), np.uint8)
        self.observation_space = spaces.Dict(box)
        self.action_space = spaces.Discrete(TABLE + 1)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """A given seed decides the scene and the goal; without one, the next of the last seed's series."""
        super().reset(seed=seed)
        first = 0 if self.split == "train" else FIRST_EVALUATION_SEED
        here = first + (
            int(self.np_random.integers(FIRST_EVALUATION_SEED)) if seed is None else seed % FIRST_EVALUATION_SEED
        )
        self.cubes: Scene = scene(here, self.count)
        rng = np.random.default_rng([here, 9])
        kind = self.goal if self.goal != "p" else ("p1", "p2")[rng.integers(2)]
        self.asked = questions.ask(kind, self.cubes, rng)
        self.now, self.steps = state(self.cubes), 0
        if self.arm:
            self.arm.lay(self.cubes, here)
        return self._seen(), self._info(False)

    def step(self, action: int) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        step = step_of(int(action))
        later = after(step, self.now)
        if later is None:
            possible = False
        elif self.physics and self.arm:
            possible = self.arm.do(step)
            self.now = self.arm.state() if possible else self.now
        else:
            self._move(step)
            self.now, possible = later, True
        self.steps += 1
        assert self.asked.holds is not None
        done = possible and self.asked.holds(self.now)
        return self._seen(), float(done), done or not possible, self.steps >= LONGEST, self._info(done)

    def render(self) -> NDArray[np.uint8] | None:  # type: ignore[override]
        """The front picture."""
        return self.arm.body.frame("front") if self.arm and self.render_mode == "rgb_array" else None

    def close(self) -> None:
        if self.arm:
            self.arm.close()

    def _info(self, done: bool) -> dict[str, Any]:
        return {"task": self.asked.text, "success": bool(done), "labels": [cube.label for cube in self.cubes]}

    def _seen(self) -> dict[str, Any]:
        rows = np.zeros((LABELS, FIELDS), np.float32)
        for cube in self.cubes:
            rows[cube.label - 1] = cube.vector
        if self.physics and self.arm:
            for label, name in self.arm.names.items():
                thing = self.arm.body.facts().things[name]
                rows[label - 1, :3] = thing.position
                rows[label - 1, 3:5] = np.sin(thing.yaw), np.cos(thing.yaw)
        out: dict[str, Any] = {"objects": rows, "held": self.now.held}
        if "observation.images.front" in self.observation_space.spaces:  # type: ignore[attr-defined]
            assert self.arm is not None
            out["observation.images.front"] = self.arm.body.frame("front")
        return out

    def _move(self, step: Step) -> None:
        """By rule: what is grasped hangs over the table's edge, what is placed stands where it was put."""
        skill, label = step
        mover = label if skill == "grasp" else self.now.held
        by = {cube.label: cube for cube in self.cubes}
        if skill == "grasp":
            at = (X[0] - 0.06, 0.0, 0.40)
        elif label:
            x, y, z = by[label].position
            at = (x, y, z + (by[label].edge + by[mover].edge) / 2)
        else:
            at = self._spot(mover)
        below = label if skill == "place" else 0
        self.cubes = tuple(replace(c, position=at, below=below) if c.label == mover else c for c in self.cubes)
        if self.arm and not self.physics:
            self.arm.body.place(self.arm.names[mover], at, by[mover].yaw)

    def _spot(self, mover: int) -> tuple[float, float, float]:
        """The free place that is farthest from all else on a grid of the table, so that one is always found."""
        others = np.array([cube.position[:2] for cube in self.cubes if cube.label != mover])
        grid = np.stack(np.meshgrid(np.linspace(*X, 9), np.linspace(*Y, 15)), -1).reshape(-1, 2)
        far = np.linalg.norm(grid[:, None] - others, axis=2).min(1)
        x, y = grid[int(far.argmax())].tolist()
        return x, y, next(cube.edge for cube in self.cubes if cube.label == mover) / 2


def step_of(action: int) -> Step:
    """An action as a step of sim.tamp.rules."""
    if action >= TABLE:
        return "place", 0
    return ("grasp", action + 1) if action < PLACE else ("place", action - PLACE + 1)


def action_of(step: Step) -> int:
    """The inverse of step_of."""
    skill, label = step
    return GRASP + label - 1 if skill == "grasp" else TABLE if label == 0 else PLACE + label - 1
