"""DrawBody as the gymnasium environment `Embodied/Draw-v0`: draw what the goal picture shows. Observations carry LeRobot's keys."""

from __future__ import annotations

import itertools
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from embodied.control.arm import down
from embodied.draw.inspect import likeness
from embodied.draw.residue import covered
from embodied.draw.sheet import on_base, on_page
from embodied.errors import UserError
from embodied.types import Command
from sim.draw import MARGIN_MM, RATE_HZ, DrawBody
from sim.paper import Trouble

PAGE = (100.0, 80.0)  # mm
PEN_MM = 1.0
DOTS = 2  # px a mm of the pictures
TICKS = 6  # of the arm's control, 120 Hz, for one step
MOST_STEPS = 600
FASTEST = 8.0  # mm a step
LOW, HIGH = (0.0, 0.0, -1.0), (*PAGE, 10.0)
ALIKE = 0.95  # of ink within half a millimetre


class DrawEnv(gymnasium.Env[Any, Any]):
    """A sheet of 100 x 80 mm and an arm with a pen, 20 Hz. Action: where the tip goes, x, y on the page and its height above it,
    mm; below 0 ink flows; it gets there at up to 160 mm/s.

    Observation: "observation.state" float32 (3,), the tip where the action is; "observation.images.<camera>" uint8 H W 3 of each
    name in `cameras`: front, which looks past the arm, and over, which the arm has to make way for;
    "observation.images.goal", the sheet as `over` sees it, with the ink that is wanted. Reward: what this step added to the
    likeness (0 to 1, overlap of ink within half a millimetre); terminated at 0.95, truncated after 600
    steps. strokes: of the goal, lines, arcs and corners drawn by the seed. dry, slip_mm, vary: see sim.paper.Trouble.
    info: "task", "success", "likeness"."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 20}

    def __init__(
        self, strokes: int = 2, dry: float = 0.0, slip_mm: float = 0.0, vary: float = 0.0,
        cameras: tuple[str, ...] = ("front",), render_mode: str | None = None,
    ) -> None:  # fmt: skip
        if render_mode not in (None, "rgb_array"):
            raise UserError(f"render_mode {render_mode!r} is not there; choose 'rgb_array' or None")
        if not 1 <= strokes <= 20:
            raise UserError(f"strokes={strokes} is out of range; give 1 to 20")
        if unknown := [camera for camera in cameras if camera not in ("front", "over")]:
            raise UserError(f"no camera {unknown[0]!r}; choose from front, over")
        self.render_mode, self._count, self._eyes = render_mode, strokes, cameras
        self.body = DrawBody(PAGE, PEN_MM, Trouble(dry, slip_mm=slip_mm, vary=vary), dots=DOTS)
        over = self.body.cameras["over"]
        self._shape = over.height, over.width
        box: dict[str, spaces.Space[Any]] = {"observation.state": spaces.Box(-1000.0, 1000.0, (3,), np.float32)}
        for name in (*cameras, "goal"):
            camera = self.body.cameras.get(name, over)
            box[f"observation.images.{name}"] = spaces.Box(0, 255, (camera.height, camera.width, 3), np.uint8)
        self.observation_space = spaces.Dict(box)
        self.action_space = spaces.Box(np.array(LOW, np.float32), np.array(HIGH, np.float32), dtype=np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """A given seed decides the goal and the troubles; without one, the next of the last seed's series."""
        super().reset(seed=seed)
        seed = int(self.np_random.integers(10_000_000)) if seed is None else seed
        self.body.reset(seed)
        self.goal = strokes(np.random.default_rng([seed, 12]), self._count)
        wanted = covered([(stroke + MARGIN_MM) * DOTS for stroke in self.goal], PEN_MM * DOTS, self._shape, 0.0)
        self._wanted = np.where(wanted[..., None], 0, 255).astype(np.uint8).repeat(3, 2)
        self._q, self._steps, self.likeness = self.body.rest.copy(), 0, 0.0
        self._inked = 0
        self._go(np.array([PAGE[0] / 2, PAGE[1] / 2, HIGH[2]]), np.inf)
        return self._pack(), self._info()

    def step(self, action: NDArray[np.float32]) -> tuple[dict[str, NDArray[Any]], float, bool, bool, dict[str, Any]]:
        target = np.clip(np.asarray(action, float), LOW, HIGH)
        if target.shape != (3,) or not np.isfinite(target).all():
            raise UserError(f"action {np.asarray(action).tolist()} must be 3 finite numbers, mm: x, y and height")
        self._go(target, FASTEST)
        self._steps += 1
        before = self.likeness
        if len(self.body.paper.stretches) != self._inked:
            self._inked = len(self.body.paper.stretches)
            self.likeness = likeness(self.goal, self._ink(), DOTS, PEN_MM)["iou"]
        done = self.likeness >= ALIKE
        late = not done and self._steps >= MOST_STEPS
        return self._pack(), self.likeness - before, done, late, self._info()

    def render(self) -> NDArray[np.uint8] | None:  # type: ignore[override]
        return self.body.photograph("front") if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        self.body.close()

    def _go(self, target: NDArray[np.float64], fastest: float) -> None:
        """To a place of the page, or as near as the speed allows; straight, in the ticks of one step (of many, from rest)."""
        here = self._tip()
        way = target - here
        far = float(np.linalg.norm(way))
        end = here + way * min(1.0, fastest / max(far, 1e-9))
        ticks = TICKS if np.isfinite(fastest) else int(RATE_HZ)
        for k in range(1, ticks + 1):
            x, y, above = (here + (end - here) * (k / ticks)).tolist()
            at = on_base(self.body.base_from_page, np.array([[x, y]]), above)[0].tolist()
            self._q = self.body.arm.solve(self._q, down(at[0], at[1], at[2], 0.0), steps=8)
            self.body.apply(Command(self.body.now_s, self._q.astype(np.float32)))

    def _tip(self) -> NDArray[np.float64]:
        """Where the tip was sent, page mm."""
        return on_page(self.body.base_from_page, self.body.arm.fk(self._q)[None, :3, 3])[0]

    def _ink(self) -> NDArray[np.float32]:
        return self.body.paper.ink(DOTS)[..., 0]

    def _pack(self) -> dict[str, NDArray[Any]]:
        packed: dict[str, NDArray[Any]] = {"observation.state": self._tip().astype(np.float32)}
        packed |= {f"observation.images.{name}": self.body.photograph(name) for name in self._eyes}
        return packed | {"observation.images.goal": self._wanted.copy()}

    def _info(self) -> dict[str, Any]:
        return {"task": "draw the picture", "success": self.likeness >= ALIKE, "likeness": self.likeness}


def strokes(rng: np.random.Generator, count: int) -> list[NDArray[np.float64]]:
    """So many lines, arcs and corners (n, 2) mm on the page, a margin left."""
    low, high = np.array([12.0, 12.0]), np.array(PAGE) - 12.0
    out: list[NDArray[np.float64]] = []
    while len(out) < count:
        kind = rng.integers(3)
        if kind == 1:
            middle, radius = rng.uniform(low + 12, high - 12), rng.uniform(6.0, 12.0)
            angle = rng.uniform(0, 2 * np.pi) + np.linspace(0, rng.uniform(np.pi, 2 * np.pi), 80)
            out.append(middle + radius * np.stack([np.cos(angle), np.sin(angle)], 1))
            continue
        corners = rng.uniform(low, high, (2 + int(kind == 2), 2))
        if np.hypot(*np.diff(corners, axis=0).T).min() > 15:
            pieces = [np.linspace(a, b, 40) for a, b in itertools.pairwise(corners)]
            out.append(np.concatenate(pieces))
    return out
