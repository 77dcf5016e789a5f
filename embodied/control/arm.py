"""Kinematics of a robot arm from its URDF: Pinocchio for poses, Pink for differential inverse kinematics.

The same file serves the simulated and the real arm. Pinocchio and Pink are imported when an Arm is constructed
(`pip install 'embodied-planner[sim]'`), never at import.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embodied.errors import UserError

Matrix = NDArray[np.float64]

PANDA_HOME = (0.0, -0.785, 0.0, -2.356, 0.0, 1.571, 0.785)  # rad, Franka's own "ready" posture
TRUST = 0.3  # rad, the largest change of a joint in one iteration


class Arm:
    """fk and ik of one serial arm.

    urdf: path of the robot's URDF, or its text.  tip: the URDF link whose pose is controlled.
    offset_m: how far the controlled point lies beyond that link along its own z (fingertips beyond a grasp frame).
    turn_rad: roll, pitch, yaw of the controlled frame in that link's, where its z does not point out of the hand.
    joints: names of the joints to move, in order; by default every revolute joint. All others stay at zero.
    posture: joint angles (rad) that the redundant joints are drawn to; by default the middle of their limits.

    Raises UserError when a library or the file is missing, or the link is not in the URDF.
    """

    def __init__(
        self,
        urdf: str | Path,
        tip: str = "panda_grasptarget",
        offset_m: float = 0.0,
        joints: Sequence[str] | None = None,
        posture: Sequence[float] | None = PANDA_HOME,
        margin_rad: float = 0.02,
        turn_rad: Sequence[float] = (0.0, 0.0, 0.0),
    ) -> None:
        try:
            pin = importlib.import_module("pinocchio")
            pink = importlib.import_module("pink")
        except ImportError as missing:
            raise UserError(f"arm kinematics need {missing.name!r}; run: pip install 'embodied-planner[sim]'") from None
        given = str(urdf).lstrip().startswith("<")
        if not given and not Path(urdf).is_file():
            raise UserError(f"no URDF at {str(urdf)!r}; give the path of the robot's description")
        try:
            whole = pin.buildModelFromXML(str(urdf)) if given else pin.buildModelFromUrdf(str(urdf))
        except (RuntimeError, ValueError) as error:
            raise UserError(f"the robot's description cannot be read: {str(error).splitlines()[0]}") from None
        if not whole.existFrame(tip):
            where = "the robot's description" if given else Path(urdf).name
            raise UserError(f"link {tip!r} is not in {where}; its frames are {[f.name for f in whole.frames]}")
        names = list(whole.names)[1:]
        moving = list(joints) if joints is not None else [n for n in names if _turns(whole, n)]
        if lacking := [name for name in moving if name not in names]:
            raise UserError(f"the robot's description has no joint {lacking[0]!r}; its joints are {', '.join(names)}")
        locked = [whole.getJointId(n) for n in names if n not in moving]
        self._pin: Any = pin
        self.model: Any = pin.buildReducedModel(whole, locked, pin.neutral(whole))
        frame = self.model.frames[self.model.getFrameId(tip)]
        turned = pin.SE3(pin.rpy.rpyToMatrix(*map(float, turn_rad)), np.zeros(3))
        placement = frame.placement * turned * pin.SE3(np.eye(3), np.array([0.0, 0.0, offset_m]))
        tip_frame = pin.Frame("tip", frame.parentJoint, placement, pin.FrameType.OP_FRAME)
        self._tip = self.model.addFrame(tip_frame)
        self.joints = tuple(self.model.names[1:])
        self.base = next(f.name for f in whole.frames if f.type == pin.FrameType.BODY)
        if self.model.nq != self.model.nv:
            raise UserError(
                f"a joint among {', '.join(self.joints)} turns without end; give it limits in the description"
            )
        self.low = np.array(self.model.lowerPositionLimit) + margin_rad
        self.high = np.array(self.model.upperPositionLimit) - margin_rad
        self.speed = np.array(self.model.velocityLimit)  # rad/s
        self.posture = (self.low + self.high) / 2 if posture is None else np.array(posture, float)
        self._data: Any = self.model.createData()
        self._pink: Any = pink
        self._task = pink.FrameTask("tip", position_cost=1.0, orientation_cost=0.3, lm_damping=1e-6)
        self._stay = pink.PostureTask(cost=1e-3)
        self._stay.set_target(self.posture)

    def fk(self, q: NDArray[np.floating]) -> Matrix:
        """Joint angles (n,) in rad -> base_from_tip, 4 4."""
        self._pin.forwardKinematics(self.model, self._data, np.asarray(q, float))
        return np.array(self._pin.updateFramePlacement(self.model, self._data, self._tip).homogeneous)

    def solve(
        self, q0: NDArray[np.floating], base_from_tip: Matrix, dt_s: float | None = None, steps: int = 20,
        exact_m: float = 1e-4,
    ) -> NDArray[np.float64]:  # fmt: skip
        """Joint angles (n,) that bring the tip as near to base_from_tip (4 4) as the limits allow.

        q0: where to start (n,), rad; start from the last solution for smooth motion.
        dt_s: with a time step the answer is also within the joints' speed limits of q0, so a far target is approached
        over several calls; without it the target is reached at once.
        steps: most iterations; ends earlier at exact_m (0.1 mm), and five times as many rad.

        Damped Gauss-Newton steps serve while no limit is active (0.02 ms each); where one is, Pink's quadratic program
        takes over, which trades the tip's error against the limits instead of cutting joints off.
        """
        low, high = self.low, self.high
        start = np.clip(np.asarray(q0, float), low, high)
        if dt_s is not None:
            low, high = np.maximum(low, start - self.speed * dt_s), np.minimum(high, start + self.speed * dt_s)
        target = self._pin.SE3(base_from_tip)
        q = start
        for k in range(steps):
            step, far = self._newton(q, target, 0.05 if k == 0 else 0.0)
            if far < exact_m and k > 0:
                return q
            following = q + step
            if np.any(following < low) or np.any(following > high):
                return self._constrained(q, target, low, high, steps)
            q = following
        return q

    def _newton(self, q: NDArray[np.float64], target: Any, pull: float) -> tuple[NDArray[np.float64], float]:
        """One damped step, and how far the tip was (m, with 0.2 m per rad); `pull` of the way to the posture, in the
        null space (in the first step only: later it would keep the tip from settling)."""
        pin = self._pin
        pin.computeJointJacobians(self.model, self._data, q)  # also places the joints
        jacobian = pin.getFrameJacobian(self.model, self._data, self._tip, pin.ReferenceFrame.LOCAL)
        error = pin.log6(pin.updateFramePlacement(self.model, self._data, self._tip).actInv(target)).vector
        square = jacobian @ jacobian.T
        square[np.diag_indices(6)] += 1e-6
        drift = pull * (self.posture - q)
        step = jacobian.T @ np.linalg.solve(square, error - jacobian @ drift) + drift
        far = float(np.hypot(np.linalg.norm(error[:3]), 0.2 * np.linalg.norm(error[3:])))
        return step / max(1.0, float(np.abs(step).max()) / TRUST), far

    def _constrained(
        self, q: NDArray[np.float64], target: Any, low: NDArray[np.float64], high: NDArray[np.float64], steps: int
    ) -> NDArray[np.float64]:
        """Pink's quadratic program, iterated inside the box low..high."""
        self._task.set_target(target)
        configuration = self._pink.Configuration(self.model, self._data, q)
        for _ in range(steps):
            limit = _Box(np.maximum(low, configuration.q - TRUST), np.minimum(high, configuration.q + TRUST))
            velocity = self._pink.solve_ik(
                configuration, [self._task, self._stay], 1.0, "daqp", limits=[limit], safety_break=False
            )
            configuration.integrate_inplace(velocity, 1.0)
            if np.linalg.norm(velocity) < 1e-4:
                break
        return np.clip(configuration.q, low, high)


class _Box:
    """Pink limit: the next q stays inside low..high (which already holds joint and speed limits)."""

    def __init__(self, low: NDArray[np.float64], high: NDArray[np.float64]) -> None:
        self.low, self.high = low, high
        self.rows = np.vstack([np.eye(len(low)), -np.eye(len(low))])

    def compute_qp_inequalities(self, configuration: Any, dt: float) -> tuple[Any, Any]:
        q = configuration.q
        return self.rows, np.concatenate([self.high - q, q - self.low])


def _turns(model: Any, name: str) -> bool:
    kind = model.joints[model.getJointId(name)].shortname()
    return kind.startswith(("JointModelR", "JointModelRevolute"))


def down(x: float, y: float, z: float, yaw: float) -> Matrix:
    """base_from_tip of a gripper that points straight down; yaw 0 opens the fingers along base y."""
    c, s = np.cos(yaw), np.sin(yaw)
    out = np.eye(4)
    out[:3, :3] = [[c, s, 0.0], [s, -c, 0.0], [0.0, 0.0, -1.0]]
    out[:3, 3] = x, y, z
    return out


def yaw_of(base_from_tip: Matrix) -> float:
    """The yaw of a pose made by `down`, moved into [-pi/2, pi/2) (a parallel gripper has no front)."""
    yaw = float(np.arctan2(base_from_tip[1, 0], base_from_tip[0, 0]))
    return (yaw + np.pi / 2) % np.pi - np.pi / 2
