"""SimBody as gymnasium environments `Embodied/<Task>-v0`. Observations carry LeRobot's keys; the sentence is in info["task"]."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from embodied.errors import UserError
from embodied.types import Command, Observation
from sim.body import TRAIN_SEEDS, SimBody


class TableEnv(gymnasium.Env[Any, Any]):
    """One task. Action: BodySpec.action, SI units. Reward 1 and terminated on success; truncated after task.max_steps.

    Observation: "observation.state" float32 (6,), the newest row of the state `arm`; "observation.images.<camera>"
    uint8 H W 3 of each name in `cameras`; with depth=True "observation.depth.<camera>" float32 H W, metres; with
    seg=True "observation.segmentation.<camera>" int32 H W (SimBody.segmentation).
    info: "task" the sentence, "success" bool.  Other parameters as in sim.body.SimBody.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 20}

    def __init__(
        self,
        task: str = "pick",
        robot: str = "panda",
        split: str = "train",
        control: str = "ee",
        disturb: float = 0.0,
        seg: bool = False,
        depth: bool = False,
        randomise: bool = True,
        instructions: Mapping[str, Sequence[str]] | None = None,
        cameras: tuple[str, ...] = ("front", "wrist"),
        sizes: Mapping[str, tuple[int, int]] | None = None,
        render_mode: str | None = None,
    ) -> None:
        if render_mode not in (None, "rgb_array"):
            raise UserError(f"render_mode {render_mode!r} is not there; choose 'rgb_array' or None")
        self.render_mode = render_mode
        self.body = SimBody(task, robot, split, control, disturb, seg, randomise, instructions, sizes=sizes, lazy=True)
        self._eyes, self._depth, self._seg = tuple(cameras), depth, seg
        spec = self.body.spec
        for camera in self._eyes:
            if camera not in spec.cameras:
                raise UserError(f"no camera {camera!r}; choose from {', '.join(spec.cameras)}")
        box: dict[str, spaces.Space[Any]] = {
            "observation.state": spaces.Box(-100.0, 100.0, (len(spec.states["arm"]),), np.float32)
        }
        for camera in self._eyes:
            shape = (spec.cameras[camera].height, spec.cameras[camera].width)
            box[f"observation.images.{camera}"] = spaces.Box(0, 255, (*shape, 3), np.uint8)
            if depth:
                box[f"observation.depth.{camera}"] = spaces.Box(0.0, 10.0, shape, np.float32)
            if seg:
                box[f"observation.segmentation.{camera}"] = spaces.Box(-2, 1000, shape, np.int32)
        self.observation_space = spaces.Dict(box)
        low, high = (np.array(edge, np.float32) for edge in (spec.action.low, spec.action.high))
        self.action_space = spaces.Box(low, high, dtype=np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """A given seed decides the episode; without one, the next of the last seed's series."""
        super().reset(seed=seed)
        if seed is None:
            first = 0 if self.body.split == "train" else TRAIN_SEEDS
            seed = first + int(self.np_random.integers(TRAIN_SEEDS))
        obs = self.body.reset(seed)
        return self._pack(obs), {"task": self.body.goal, "success": False}

    def step(self, action: NDArray[np.float32]) -> tuple[dict[str, NDArray[Any]], float, bool, bool, dict[str, Any]]:
        self.body.apply(Command(self.body.now_s, np.asarray(action, np.float32)))
        done = self.body.success()
        late = self.body.tick >= self.body.task.max_steps
        return self._pack(self.body.observe()), float(done), done, late, {"task": self.body.goal, "success": done}

    def render(self) -> NDArray[np.uint8] | None:  # type: ignore[override]
        """The front picture of this tick, the same array that the observation carries."""
        return self.body.frame("front") if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        self.body.close()

    def _pack(self, obs: Observation) -> dict[str, NDArray[Any]]:
        packed: dict[str, NDArray[Any]] = {"observation.state": obs.states["arm"][-1]}
        for camera in self._eyes:
            packed[f"observation.images.{camera}"] = obs.images[camera]
            if self._depth:
                packed[f"observation.depth.{camera}"] = obs.depth[camera]
            if self._seg:
                packed[f"observation.segmentation.{camera}"] = self.body.segmentation(camera)
        return packed
