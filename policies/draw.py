"""Strokes on a page -> motion of an arm with a pen: travel, lower, draw, raise, in joint angles at the body's rate.

The speed along every stroke is the profile of embodied/draw/timing.py, which the time estimate uses too. A step of the plan is
one stroke. The same policy serves the simulated and the real arm: it knows kinematics, the page's place and its strokes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from embodied.control.arm import Arm, down
from embodied.draw.sheet import on_base
from embodied.draw.timing import Pace, moments
from embodied.errors import UserError
from embodied.geometry import Matrix
from embodied.types import ActionChunk, Observation, Plan, Step

UP_MM = 3.0  # of the raised pen above the paper
PRESS_MM = 0.3  # that the sprung pen is pressed down: ink flows
EXACT_M = 2e-6
OFF_M = 2e-4  # of the tip from its path that is still its path
TURN_RAD = 0.6  # most that a joint turns to bring the tool upright over the page at the start


class PenPolicy:
    """arm: kinematics down to the pen's tip. strokes (n, 2) mm on a page at base_from_page (see sheet); may be given anew."""

    def __init__(self, arm: Arm, rate_hz: float, pace: Pace | None = None) -> None:
        self.arm, self.rate_hz, self.pace = arm, rate_hz, pace or Pace()
        self.strokes: Sequence[NDArray[np.float64]] = ()
        self.base_from_page: Matrix = np.eye(4)
        self.at = arm.posture.copy()  # joints after the last motion, rad
        self._started = -1

    def lay(self, strokes: Sequence[NDArray[np.float64]], base_from_page: Matrix) -> None:
        """What to draw and where. UserError names a stroke that the arm cannot reach."""
        self.strokes, self.base_from_page = strokes, base_from_page
        self._started = -1
        if not len(strokes):
            return
        every = np.concatenate(strokes)
        corners = np.unique(np.concatenate([every.argmin(0), every.argmax(0), (every @ [1, 1]).reshape(-1, 1).argmax(0),
                                            (every @ [1, -1]).reshape(-1, 1).argmin(0)]))  # fmt: skip
        for k in corners.tolist():
            point = on_base(base_from_page, every[k : k + 1], UP_MM)[0]
            q = self._solve(self.arm.posture, point, 60)
            if np.linalg.norm(self.arm.fk(q)[:3, 3] - point) > 1e-4:
                x, y = every[k]
                raise UserError(
                    f"a stroke at {x:.0f}, {y:.0f} mm of the page is out of the arm's reach; "
                    "lay the page nearer or take a smaller one"
                )

    def reset(self) -> None:
        self._started = -1

    def plan(self, obs: Observation, goal: str, done: tuple[Step, ...] = ()) -> Plan:
        """One step a stroke; the arm stands where it is observed to."""
        self.at = np.asarray(obs.states["joints"][-1], float)
        steps = tuple(Step(f"draw stroke {k + 1}", "draw", (str(k),)) for k in range(len(self.strokes)))
        return Plan(goal, steps, min(len(done), len(steps)))

    def act(self, obs: Observation, plan: Plan) -> ActionChunk:
        """The whole motion of the current stroke; empty when it has been given."""
        rows = np.zeros((0, len(self.arm.joints)), np.float32)
        if not plan.finished and self._started != plan.at:
            self._started = plan.at
            rows = self.motion(self.strokes[int(plan.current.args[0])])
        return ActionChunk(obs.t_s, 1 / self.rate_hz, rows)

    def check(self, obs: Observation, step: Step) -> float:
        """Strokes are judged by the picture of the whole sheet (embodied/draw/inspect.py), not one by one."""
        return 1.0

    def motion(self, stroke: NDArray[np.float64]) -> NDArray[np.float32]:
        """Joint angles (h, joints) rad that bring the pen to a stroke, along it and up again."""
        return self.joints(self.way(stroke))

    def way(self, stroke: NDArray[np.float64]) -> NDArray[np.float64]:
        """The same as places of the tip (h, 3) m."""
        here = self.arm.fk(self.at)[:3, 3]
        start, end = (on_base(self.base_from_page, stroke[[k]], UP_MM)[0] for k in (0, -1))
        ink_from, ink_to = (on_base(self.base_from_page, stroke[[k]], -PRESS_MM)[0] for k in (0, -1))
        parts = [
            self._straight(here, start, self.pace.travel),
            self._lift(start, ink_from),
            self._along(on_base(self.base_from_page, stroke, -PRESS_MM), self.pace.ink),
            self._lift(ink_to, end),
        ]
        return np.concatenate(parts)

    def upright(self, at: NDArray[np.float64]) -> NDArray[np.float32]:
        """Joint angles that bring the tool upright to a point (3,) m near by, all joints together, at a third of their speed.
        UserError when that is no small motion, or cannot be."""
        q = self._solve(self.at, at, 60)
        turn = np.abs(q - self.at)
        if turn.max() > TURN_RAD or np.linalg.norm(self.arm.fk(q)[:3, 3] - at) > OFF_M:
            raise UserError("the pen does not point down at the page; bring it upright over the page first")
        ticks = max(2, int(np.ceil(max(0.3, float((turn / self.arm.speed).max()) * 6) * self.rate_hz)))
        u = np.arange(1, ticks + 1)[:, None] / ticks
        rows = self.at + u**3 * (10 - 15 * u + 6 * u * u) * (q - self.at)
        self.at = q
        return rows.astype(np.float32)

    def home(self, at: NDArray[np.float64]) -> NDArray[np.float32]:
        """Joint angles that take the raised pen to a point (3,) m."""
        return self.joints(self._straight(self.arm.fk(self.at)[:3, 3], at, self.pace.travel))

    def _straight(self, a: NDArray[np.float64], b: NDArray[np.float64], speed: float) -> NDArray[np.float64]:
        if np.linalg.norm(b - a) < 1e-6:
            return np.zeros((0, 3))
        return self._along(a + np.linspace(0, 1, 50)[:, None] * (b - a), speed)

    def _along(self, points: NDArray[np.float64], speed: float) -> NDArray[np.float64]:
        """Points (n, 3) m -> one a tick, the first left out."""
        t = moments(points * 1e3, speed, self.pace)
        ticks = max(1, round(float(t[-1]) * self.rate_hz))
        when = np.arange(1, ticks + 1) * (t[-1] / ticks)
        return np.stack([np.interp(when, t, points[:, j]) for j in range(3)], 1)

    def _lift(self, a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
        """Half of a lift's time from a to b, without jerk."""
        ticks = max(2, round(self.pace.lift_s / 2 * self.rate_hz))
        u = np.arange(1, ticks + 1) / ticks
        return a + (u**3 * (10 - 15 * u + 6 * u * u))[:, None] * (b - a)

    def joints(self, points: NDArray[np.float64]) -> NDArray[np.float32]:
        """Places of the tip (h, 3) m, one a tick -> joint angles from where it was left. UserError where the arm cannot follow."""
        out = np.zeros((len(points), len(self.arm.joints)), np.float32)
        q, most = self.at, self.arm.speed / self.rate_hz
        for k, point in enumerate(points):
            before, q = q, self._solve(q, point, 8)
            if (np.abs(q - before) > most).any() or np.linalg.norm(self.arm.fk(q)[:3, 3] - point) > OFF_M:
                x, y, z = point.tolist()
                raise UserError(
                    f"the arm cannot follow the pen's way at {x:.3f}, {y:.3f}, {z:.3f} m; lay the page elsewhere or draw slower"
                )
            out[k] = q
        self.at = q
        return out

    def _solve(self, q: NDArray[np.float64], point: NDArray[np.float64], steps: int) -> NDArray[np.float64]:
        x, y, z = point.tolist()
        return self.arm.solve(q, down(x, y, z, 0.0), steps=steps, exact_m=EXACT_M)
