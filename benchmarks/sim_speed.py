"""Environment steps per second beside panda-gym 3, in one run: same substeps, same picture size, TinyRenderer for both.

    pip install --no-deps panda-gym && python benchmarks/sim_speed.py

Both run pick-and-place in end-effector control with random actions, in turns of equal length, so that a busy machine
slows both. Times are CPU seconds of this process. Ours observes, judges success and, in the second row, makes a front
picture and its depth and segmentation at every step; panda-gym renders a picture at every step.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

from sim.body import SUBSTEPS
from sim.env import TableEnv

WANTED = {"no cameras": 1.0, "picture": 6.0}


def ours(size: int | None) -> Callable[[int], None]:
    env = TableEnv("pick", cameras=("front",) if size else (), sizes={"front": (size or 8, size or 8)})
    env.reset(seed=0)
    env.action_space.seed(0)

    def run(steps: int) -> None:
        for _ in range(steps):
            _, _, done, late, _ = env.step(env.action_space.sample())
            if done or late:
                env.reset()

    return run


def theirs(size: int | None, renderer: str) -> Callable[[int], None]:
    from panda_gym.envs.core import RobotTaskEnv
    from panda_gym.envs.robots.panda import Panda
    from panda_gym.envs.tasks.pick_and_place import PickAndPlace
    from panda_gym.pybullet import PyBullet

    sim = PyBullet(render_mode="rgb_array", n_substeps=SUBSTEPS, renderer=renderer)
    robot = Panda(sim, block_gripper=False, base_position=np.array([-0.6, 0.0, 0.0]), control_type="ee")
    env = RobotTaskEnv(robot, PickAndPlace(sim, reward_type="sparse"), render_width=size or 8, render_height=size or 8)
    env.reset(seed=0)
    env.action_space.seed(0)

    def run(steps: int) -> None:
        for _ in range(steps):
            env.step(env.action_space.sample())
            if size:
                env.render()

    return run


def rates(runs: list[Callable[[int], None]], turns: int, steps: list[int]) -> list[float]:
    """Steps per CPU second of each, medians over the turns."""
    speeds: list[list[float]] = [[] for _ in runs]
    for turn in range(turns + 1):
        for run, count, speed in zip(runs, steps, speeds, strict=True):
            start = time.process_time()
            run(count)
            if turn:  # the first is to warm up
                speed.append(count / (time.process_time() - start))
    return [float(np.median(speed)) for speed in speeds]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--turns", type=int, default=7)
    args = parser.parse_args()
    print(
        f"| {SUBSTEPS} substeps a step | ours, steps/s | panda-gym, steps/s | ratio | wanted |\n|---|---|---|---|---|"
    )
    for what, size, steps in (("no cameras", None, [60, 60]), ("picture", args.size, [30, 8])):
        a, b = rates([ours(size), theirs(size, "Tiny")], args.turns, steps)
        name = what if size is None else f"{what} {size} x {size}"
        print(f"| {name} | {a:.0f} | {b:.0f} | {a / b:.2f} | {WANTED[what]:.1f} |")


if __name__ == "__main__":
    main()
