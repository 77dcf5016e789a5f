"""Arm kinematics: there and back is the identity, limits hold, motion is smooth."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from embodied.control.arm import PANDA_HOME, Arm, down, yaw_of
from embodied.errors import UserError

pytest.importorskip("pinocchio")
pytest.importorskip("pink")
_data = importlib.util.find_spec("pybullet_data")
if _data is None or _data.origin is None:
    pytest.skip("the Panda's URDF comes with pybullet", allow_module_level=True)
URDF = Path(_data.origin).parent / "franka_panda" / "panda.urdf"


@pytest.fixture(scope="module")
def arm() -> Arm:
    return Arm(URDF)


def test_fk_of_ik_is_the_pose_all_over_the_workspace(arm):
    rng = np.random.default_rng(0)
    q = np.array(PANDA_HOME)
    for _ in range(40):
        x, y, z = rng.uniform((0.36, -0.28, 0.01), (0.68, 0.28, 0.3))
        pose = down(x, y, z, rng.uniform(-np.pi / 2, np.pi / 2))
        q = arm.solve(arm.solve(q, pose), pose)
        assert np.abs(arm.fk(q) - pose).max() < 1e-3
        assert np.all(q >= arm.low) and np.all(q <= arm.high)


def test_a_time_step_bounds_the_joints_speed_and_still_arrives(arm):
    q, pose = np.array(PANDA_HOME), down(0.6, 0.2, 0.05, 1.0)
    for _ in range(40):
        following = arm.solve(q, pose, dt_s=0.05)
        assert np.all(np.abs(following - q) <= arm.speed * 0.05 + 1e-9)
        q = following
    assert np.abs(arm.fk(q) - pose).max() < 1e-3


def test_out_of_reach_ends_at_the_limits_and_stays_finite(arm):
    q = arm.solve(np.array(PANDA_HOME), down(1.5, 0.0, 0.2, 0.0))
    assert np.all(np.isfinite(q)) and np.all(q >= arm.low - 1e-9) and np.all(q <= arm.high + 1e-9)
    assert arm.fk(q)[0, 3] > 0.7, "stretches towards it"


def test_offset_and_yaw(arm):
    longer = Arm(URDF, offset_m=0.05)
    q = np.array(PANDA_HOME)
    assert arm.fk(q)[2, 3] - longer.fk(q)[2, 3] == pytest.approx(0.05)
    for yaw in (-1.5, -0.3, 0.0, 1.2):
        assert yaw_of(down(0, 0, 0, yaw)) == pytest.approx(yaw)


def test_mistakes_are_told_in_one_sentence():
    with pytest.raises(UserError, match="no URDF at"):
        Arm("nowhere.urdf")
    with pytest.raises(UserError, match="is not in panda"):
        Arm(URDF, tip="toe")
