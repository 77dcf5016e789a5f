"""However slow a robot's hand is, its fingers close and open only where the thing is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("pinocchio")
pytest.importorskip("pybullet_data")

from embodied import plan as grammar
from embodied.control.arm import down
from embodied.control.loop import run
from embodied.spec import BodySpec
from embodied.types import ActionChunk, Command, Observation, Plan, Step
from policies import skills
from policies.motion import Tempo
from policies.skills import HOME, Held, Job, Target
from ros_nodes.robots import RATE_HZ, Robot, robot

LEFT, RIGHT = Target(0.45, 0.30, 0.045, 0.9, (0.045, 0.045)), Target(0.62, -0.30, 0.0)
JOBS = Job("pick", LEFT), Job("put", LEFT, RIGHT), Job("pick", Target(0.40, -0.25, 0.045, -0.9, (0.04, 0.04)))
STEPS = tuple(grammar.step(text) for text in ("pick red block", "put red block on table", "pick blue block"))


def shipped(name: str, share: float) -> Robot:
    """The speeds of a robot's file with an arm whose description is at hand, and that reaches all of the table. stiff: one whose
    joints are slower than its hand may be."""
    arm = robot("sim")
    if name == "stiff":
        return replace(shipped("franka_fr3", 1.0), limited={"speed": 0.25}).slowed(share)
    body = {key: getattr(arm, key) for key in ("urdf", "tip", "offset", "turn", "joints", "posture", "workspace")}
    return replace(robot(name), **body).slowed(share)


class Follower:
    """A robot that does what its servo sends, at once, in simulated time; it notes what was asked and where the aim was."""

    def __init__(self, made: Robot, says: bool = True) -> None:
        self.robot, self.servo, self.width, self.ticks = made, made.new_servo(), 0.08, 0
        self.spec = BodySpec(made.name, {}, made.states, made.action, speeds=made.speeds if says else {})
        q = np.array([0.0, -0.84, 0.0, -2.6, 0.0, 1.76, 0.785])
        for _ in range(5):
            q = self.servo.arm.solve(q, down(*HOME))
        self.servo.start(q)
        self.asked: list[list[float]] = []
        self.aims: list[tuple[float, ...]] = []
        self.tips: list[np.ndarray] = []

    def observe(self) -> Observation:
        return Observation(
            self.ticks / RATE_HZ, {}, {"arm": np.array([[*self.servo.aim, self.width, 0.0]], np.float32)}
        )

    def reset(self, seed: int | None = None) -> Observation:
        return self.observe()

    def apply(self, command: Command) -> Command:
        *aim, self.width = np.asarray(command.values, float).tolist()
        q = self.servo.follow(*aim)
        self.ticks += 1
        self.asked.append([*aim, self.width])
        self.aims.append(self.servo.aim)
        self.tips.append(self.servo.arm.fk(q)[:3, 3])
        return Command(command.t_s, np.array([*self.servo.aim, self.width], np.float32))

    def close(self) -> None: ...


class Skills:
    """Carries the jobs out, one a step, as policies/planner.py does."""

    def __init__(self, body: Follower) -> None:
        self.body, self.held, self.begun = body, Held(), -1

    def reset(self) -> None: ...

    def plan(self, obs: Observation, goal: str, done: tuple[Step, ...] = ()) -> Plan:
        return Plan(goal, STEPS, len(done))

    def act(self, obs: Observation, plan: Plan) -> ActionChunk:
        if self.begun == plan.at:
            return ActionChunk(obs.t_s, 1 / RATE_HZ, np.zeros((0, 5), np.float32))
        self.begun = plan.at
        tempo = Tempo.of(self.body.spec.speeds, RATE_HZ)
        rows, self.held = skills.motion(JOBS[plan.at], obs.states["arm"][-1, :5], self.held, tempo)
        return ActionChunk(obs.t_s, 1 / RATE_HZ, rows)

    def check(self, obs: Observation, step: Step) -> float:
        return 1.0


def worst(body: Follower) -> tuple[float, float]:
    """How far aim and tip are from the row when the fingers begin to close or open, m."""
    result = run(body, Skills(body), "tidy", confirm=False, max_ticks=10**6)
    assert result.reason == "finished" and "stuck" not in [e["event"] for e in result.log]
    asked, aims = np.array(body.asked), np.array(body.aims)
    turns = np.flatnonzero(np.abs(np.diff(asked[:, 4])) > 1e-6) + 1
    assert len(turns) >= 5, "each closes or opens, and before it the fingers get ready"
    assert np.abs(aims[turns, 3] - asked[turns, 3]).max() < 0.05
    tips = np.linalg.norm(np.array(body.tips)[turns] - asked[turns, :3], axis=1)
    return float(np.linalg.norm(aims[turns, :3] - asked[turns, :3], axis=1).max()), float(tips.max())


@pytest.mark.parametrize("share", [1.0, 0.3, 0.1, 0.02])
@pytest.mark.parametrize("name", ["sim", "franka_fr3", "ur5e", "xarm7", "so101", "stiff"])
def test_the_fingers_move_where_the_thing_is_at_every_speed(name: str, share: float) -> None:
    body = Follower(shipped(name, share))
    aim, tip = worst(body)
    assert aim < 0.005 and tip < 0.006
    asked = np.array(body.asked)
    closes = int(np.flatnonzero(np.diff(asked[:, 4]) < -0.03)[0]) + 1
    assert np.linalg.norm(body.tips[closes] - [LEFT.x, LEFT.y, skills.grasp_height(LEFT)]) < 0.006
    # The hand stays until the fingers, at their speed, are closed.
    stays = int(np.argmax(asked[closes:, 2] > asked[closes, 2] + 0.001)) / RATE_HZ
    wide = asked[closes - 1, 4] - asked[closes, 4]
    assert stays >= 6 / RATE_HZ and stays >= wide / body.spec.speeds["width"]


def test_open_loop_at_a_speed_that_nobody_asked_about_they_would_close_in_the_air() -> None:
    assert worst(Follower(shipped("franka_fr3", 1.0), says=False))[0] > 0.1


def test_a_slowed_robot_is_as_slow_as_its_gate() -> None:
    whole, slow = shipped("franka_fr3", 1.0), shipped("franka_fr3", 0.1)
    np.testing.assert_allclose(slow.limits.speed, 0.1 * whole.limits.speed)
    assert slow.speeds == pytest.approx({name: 0.1 * value for name, value in whole.speeds.items()})
    assert robot("sim").slowed(1.0).speeds == robot("sim").speeds and Tempo.of(robot("sim").speeds, RATE_HZ) == Tempo()
