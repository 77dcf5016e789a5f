"""Same seed, same SHA-256 of poses and pixels: later in the same body, in a fresh one, in another process, in vectors."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import gymnasium
import numpy as np

import sim  # noqa: F401  registers the ids
from embodied.types import Command
from sim.body import SimBody

TASK = "stack-two"


def rollout(body: SimBody, seed: int) -> str:
    """Touches, shoves and grips things, so that every kind of hidden state is stirred."""
    digest, rng = hashlib.sha256(), np.random.default_rng(seed)

    def add() -> None:
        obs = body.observe()
        for part in (obs.images, obs.depth, obs.states):
            for key in sorted(part):
                digest.update(np.ascontiguousarray(part[key]).tobytes())

    body.reset(seed)
    add()
    target = next(iter(body.facts().things.values())).position
    for k in range(45):
        x, y = target[:2] + rng.normal(0, 0.01, 2)
        body.apply(
            Command(0.0, np.array([x, y, 0.02 if k > 12 else 0.2, rng.uniform(-1, 1), 0.08 * (k < 28)], np.float32))
        )
        for thing in body.facts().things.values():
            digest.update(thing.position.tobytes())
    add()
    return digest.hexdigest()


def test_a_b_a_and_a_fresh_body_and_another_process():
    body = SimBody(TASK, disturb=1.0)
    first = rollout(body, 1), rollout(body, 2)
    assert first[0] != first[1]
    assert rollout(body, 1) == first[0]
    assert rollout(body, 2) == first[1]
    neighbour = SimBody("place-in-bowl")  # several worlds in one process
    neighbour.reset(5)
    fresh = SimBody(TASK, disturb=1.0)
    assert rollout(fresh, 2) == first[1]
    code = f"from tests.test_sim_repeat import *; print(rollout(SimBody({TASK!r}, disturb=1.0), 1))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == first[0]
    for one in (body, neighbour, fresh):
        one.close()


def vector_digest(mode: str) -> list[str]:
    envs = gymnasium.make_vec("Embodied/PlaceInBowl-v0", num_envs=2, vectorization_mode=mode)
    rng = np.random.default_rng(0)
    obs, _ = envs.reset(seed=7)
    digests = [hashlib.sha256(), hashlib.sha256()]
    low, high = envs.single_action_space.low, envs.single_action_space.high  # type: ignore[attr-defined]
    for _ in range(8):
        for k, digest in enumerate(digests):
            for key in sorted(obs):
                digest.update(np.ascontiguousarray(obs[key][k]).tobytes())
        obs, *_ = envs.step(rng.uniform(low, high, (2, len(low))).astype(np.float32))
    envs.close()
    return [digest.hexdigest() for digest in digests]


def test_sync_and_async_vectors_agree_with_a_single_environment():
    together = vector_digest("sync")
    assert vector_digest("async") == together
    env = gymnasium.make("Embodied/PlaceInBowl-v0")
    rng, digest = np.random.default_rng(0), hashlib.sha256()
    obs, _ = env.reset(seed=7)
    box = env.action_space
    for _ in range(8):
        for key in sorted(obs):
            digest.update(np.ascontiguousarray(obs[key]).tobytes())
        actions = rng.uniform(box.low, box.high, (2, len(box.low))).astype(np.float32)  # type: ignore[attr-defined]
        obs, *_ = env.step(actions[0])
    env.close()
    assert digest.hexdigest() == together[0]


def test_without_a_seed_the_series_goes_on_and_stays_in_its_range():
    body = SimBody(TASK, split="seen", lazy=True)
    goals = []
    for _ in range(2):
        body.reset(10_000_003)
        goals.append([body.goal, *(body.reset() and body.goal for _ in range(2))])
    assert goals[0] == goals[1]
    body.close()
