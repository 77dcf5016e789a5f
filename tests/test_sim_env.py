"""The gymnasium side, and mishaps."""

from __future__ import annotations

import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import sim  # noqa: F401  registers the ids
from embodied import registry
from embodied.errors import UserError
from embodied.types import Command
from policies.symbolic import Want
from sim.body import SimBody
from sim.disturb import HIGH, LOW
from sim.env import TableEnv
from tests.test_sim_body import drive, item, table

IDS = sorted(name for name, made in gymnasium.registry.items() if made.entry_point == "sim.env:TableEnv")


def test_every_task_has_an_id():
    assert len(IDS) == len(registry.choices("task"))
    assert "Embodied/PlaceInBowl-v0" in IDS


@pytest.mark.parametrize("name", IDS)
def test_check_env(name):
    env = gymnasium.make(name, cameras=("front",)).unwrapped
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Actions are SI units, as everywhere here; rescale with gymnasium.wrappers.RescaleAction.
        warnings.filterwarnings("ignore", message=".*symmetric and normalized.*")
        check_env(env, skip_render_check=True)
    env.close()


def test_observation_extras_and_render_share_one_look():
    env = TableEnv("pick", cameras=("front", "wrist"), depth=True, seg=True, render_mode="rgb_array")
    obs, info = env.reset(seed=1)
    assert env.observation_space.contains(obs) and info["task"] == env.body.goal
    obs, *_ = env.step(env.action_space.sample())
    assert env.observation_space.contains(obs)
    assert env.render() is obs["observation.images.front"]
    env.close()


def test_reward_and_end():
    env = TableEnv("pick", cameras=())
    env.reset(seed=0)
    hold = np.array([0.3, 0.0, 0.4, 0.0, 0.0], np.float32)
    assert env.step(hold)[1:4] == (0.0, False, False)
    env.body.tick = env.body.task.max_steps - 1
    assert env.step(hold)[1:4] == (0.0, False, True)
    env.reset(seed=0)
    env.body.grip(env.body.episode.wants[0].a)
    assert env.step(hold)[1:4] == (1.0, True, False)
    env.close()
    with pytest.raises(UserError, match="camera"):
        TableEnv("pick", cameras=("left",))
    with pytest.raises(UserError, match="render_mode"):
        TableEnv("pick", render_mode="human")


@pytest.fixture(scope="module")
def clumsy():
    body = SimBody("pick", disturb=1.0, lazy=True)
    yield body
    body.close()


def test_a_mishap_happens_once_and_leaves_things_in_the_workspace(clumsy):
    seen = set()
    for seed in range(6):
        things = item("red block", 0.5, 0.0), item("blue cylinder", 0.6, 0.2), item("pink block", 0.5, 0.0, 0.0675)
        clumsy.load(table(*things), seed)
        before = {n: t.position for n, t in clumsy.facts().things.items()}
        drive(clumsy, clumsy.mishap.patience + 20, 0.3, 0.0, 0.4, 0.0, 0.08)
        assert clumsy.mishap.happened and clumsy.mishap.happened[1] == "move"  # nothing was held
        name = clumsy.mishap.happened[2]
        seen.add(name)
        for n, thing in clumsy.facts().things.items():
            moved = np.linalg.norm((thing.position - before[n])[:2])
            assert moved > 0.02 if n == name else moved < 5e-3
            assert np.all(thing.position[:2] > LOW - 0.02) and np.all(thing.position[:2] < HIGH + 0.02)
    assert len(seen) > 1


def test_a_slip_drops_what_is_held(clumsy):
    clumsy.load(table(item("red block", 0.6, 0.2), wants=(Want("held", "red block"),)), 0)
    clumsy.mishap.kind, clumsy.mishap.due = "slip", 25
    drive(clumsy, 20, 0.5, 0.0, 0.12, 0.0, 0.08)
    clumsy.grip("red block")
    for _ in range(20):
        clumsy.apply(Command(0.0, np.array([0.5, 0.0, 0.12, 0.0, 0.035], np.float32)))
    assert clumsy.mishap.happened and clumsy.mishap.happened[1:] == ("slip", "red block")
    facts = clumsy.facts()
    assert facts.held == "" and facts.things["red block"].bottom < 5e-3
    assert np.linalg.norm(facts.things["red block"].position[:2] - [0.5, 0.0]) < 0.03
