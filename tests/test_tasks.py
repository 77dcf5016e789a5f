"""Every task, every split: layouts with room, goals with one plan, held-out pairs kept apart."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from embodied.errors import UserError
from embodied.plan import PLACES, SHAPES
from embodied.registry import build, choices
from embodied.types import Step
from policies.symbolic import DIRECTIONS, GAP, Facts, holds, remaining, support
from sim.scene import HELD_OUT, X, Y, facts
from sim.task import SPLITS, Task, seed_of

TASKS = (
    "compound", "line-up", "pick", "place-in-bowl", "push-to-zone", "put-all-of-a-colour", "reach", "sort-by-colour",
    "spatial-relation", "stack-two", "swap-two", "tower-in-order", "unstack-then-pick",
)  # fmt: skip
EACH = list(itertools.product(TASKS, SPLITS))
COUNT = 15


def episodes(task: str, split: str, count: int = COUNT):
    made = build("task", task)
    return [made.sample(np.random.default_rng(seed), split) for seed in range(count)]


def apply(step: Step, now: Facts) -> Facts:
    """What a step does when it succeeds; asserts that it can be done: nothing on top, hand free or full as it must be."""
    name = step.args[0]
    thing = now.things[name]
    above = [n for n, t in now.things.items() if t.movable and n != name and support(now, n) == name]
    at = np.array(thing.position)
    held, hand = now.held, now.hand
    if step.skill != "put":
        assert not held and not above, (step.text, held, above)
    if step.skill == "pick":
        held, at = name, np.array([0.30, 0.0, 0.40])
    elif step.skill == "reach":
        hand = at + [0, 0, thing.size[2] / 2 + 0.03]
    elif step.skill == "push":
        at[:2] = now.things[step.args[2]].position[:2]
    else:
        assert held == name, step.text
        held, relation, others = "", step.args[1], [now.things[n] for n in step.args[2:] if n != "table"]
        if relation == "on" and others:
            at = others[0].position + [0, 0, others[0].size[2] / 2 + thing.size[2] / 2]
        elif relation == "in":
            inside = sum(support(now, n) == others[0].name for n in now.things if n != name)
            at = np.array([*others[0].position[:2], 0.004 + thing.size[2] / 2]) + [0.0, 0.02 * inside, 0.0]
        elif relation == "between":
            at = (others[0].position + others[1].position) / 2
        elif relation == "on":
            at = free_place(now)
        else:
            at = others[0].position + GAP * np.array([*DIRECTIONS[relation], 0.0])
        if relation not in ("in",) and not (relation == "on" and others):
            at[2] = thing.size[2] / 2
            near = [n for n, t in now.things.items() if n != name and np.linalg.norm((t.position - at)[:2]) < 0.085]
            assert not near, (step.text, near)
    moved = replace(thing, position=at)
    return Facts({**now.things, name: moved}, held, hand)


def free_place(now: Facts) -> np.ndarray:
    """The free place farthest from everything."""
    others = np.array([t.position[:2] for t in now.things.values() if t.name != now.held])
    grid = np.array(list(itertools.product(np.arange(*X, 0.02), np.arange(*Y, 0.02))))
    gap = np.linalg.norm(grid[:, None] - others[None], axis=-1).min(1)
    assert gap.max() > 0.09, "no free place on the table"
    return np.array([*grid[gap.argmax()], 0.0])


def test_the_thirteen_tasks_are_registered() -> None:
    assert choices("task") == sorted(TASKS)
    for name in TASKS:
        assert isinstance(build("task", name), Task) and build("task", name).name == name


@pytest.mark.parametrize("task, split", EACH)
def test_the_plan_reaches_the_goal_and_every_rest_of_it_is_the_plan_again(task: str, split: str) -> None:
    for episode in episodes(task, split):
        now = facts(episode.items)
        plan = remaining(episode.wants, now)
        assert plan and build("task", task).max_steps >= 2 * 130 * len(plan)
        for at, step in enumerate(plan):
            assert remaining(episode.wants, now) == plan[at:], episode.goal
            now = apply(step, now)
        assert remaining(episode.wants, now) == []
        assert all(holds(want, now) for want in episode.wants), episode.goal


@pytest.mark.parametrize("task, split", EACH)
def test_layouts_leave_room_for_the_gripper(task: str, split: str) -> None:
    for episode in episodes(task, split):
        names = [item.name for item in episode.items]
        assert len(set(names)) == len(names)
        for item in episode.items:
            assert X[0] <= item.position[0] <= X[1] and Y[0] <= item.position[1] <= Y[1]
        for a, b in itertools.combinations(episode.items, 2):
            gap = float(np.hypot(a.position[0] - b.position[0], a.position[1] - b.position[1]))
            kinds = {a.shape, b.shape}
            stacked = a.movable and b.movable and gap < 0.01 and abs(a.position[2] - b.position[2]) > 0.03
            on_zone = "zone" in kinds and gap < 0.03
            if not (stacked or on_zone):
                least = 0.125 if "bowl" in kinds else 0.11 if "zone" in kinds else 0.09
                assert gap >= least - 1e-9, (episode.task, a.name, b.name, gap)
        # a phrase like "the red thing" or "red block" means one thing: what the goal names is on the table
        assert set(episode.names.values()) <= set(names)
        assert {want.a for want in episode.wants} <= set(names)


@pytest.mark.parametrize("task", TASKS)
def test_held_out_pairs_stay_out_of_training_and_are_named_in_their_split(task: str) -> None:
    for split in ("train", "seen", "phrasings", "compositions", "distractors"):
        for episode in episodes(task, split):
            assert not {item.name for item in episode.items} & HELD_OUT
    for episode in episodes(task, "pairs"):
        assert {want.a for want in episode.wants} & HELD_OUT


@pytest.mark.parametrize("task", TASKS)
def test_splits_are_what_they_say(task: str) -> None:
    both = ("train", "compositions")
    longest = {s: max(len(remaining(e.wants, facts(e.items))) for e in episodes(task, s)) for s in both}
    assert longest["compositions"] > longest["train"]
    for episode in episodes(task, "distractors"):
        named = {name for want in episode.wants for name in (want.a, *want.b)} | set(episode.names.values())
        extra = [item for item in episode.items if item.name not in named]
        assert 4 <= len(extra) <= (8 if task == "unstack-then-pick" else 5)


@pytest.mark.parametrize("task, split", EACH)
def test_same_seed_same_episode(task: str, split: str) -> None:
    assert episodes(task, split, 3) == episodes(task, split, 3)


def test_orders_left_to_right_are_those_of_the_picture() -> None:
    for task in ("sort-by-colour", "put-all-of-a-colour"):
        for episode in episodes(task, "seen", 100):
            at = {item.name: item.position for item in episode.items}
            ys = [at[want.a][1] for want in episode.wants]
            assert all(left + 0.015 < right for left, right in itertools.pairwise(ys))


def test_seeds_of_training_and_evaluation_never_meet() -> None:
    assert seed_of("train", 99, 99_999) < 10_000_000 <= seed_of("seen", 0, 0)
    for split, seed, episode in (("train", 100, 0), ("seen", -1, 0), ("seen", 0, 100_000), ("sean", 0, 0)):
        with pytest.raises(UserError):
            seed_of(split, seed, episode)
    with pytest.raises(UserError, match="unknown split 'test'"):
        build("task", "pick").sample(np.random.default_rng(0), "test")


def test_all_shapes_and_places_occur() -> None:
    seen = {item.shape for task in TASKS for episode in episodes(task, "train", 20) for item in episode.items}
    assert seen == set(SHAPES + PLACES)
