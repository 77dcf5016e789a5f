"""The expert and perception in the simulator: grounding, labels, and what the skills achieve from either geometry."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from embodied import geometry
from embodied import plan as grammar
from embodied.control.loop import run
from embodied.errors import UserError
from embodied.types import ActionChunk, Observation, Plan, Point
from policies import skills
from policies.expert import Expert, ground, job_of, spot_for
from policies.judge import step_holds
from policies.perceive import Table, geometry_of_step
from policies.symbolic import Facts, Thing, on_top_of

pytest.importorskip("pybullet")
from sim import snapshots
from sim.body import SimBody


def shaken(point: Point, rng: np.random.Generator, by_m: float = 0.02) -> Point:
    """The point up to 2 cm off; the picture spans about 0.8 m by 0.6 m."""
    angle, far = rng.uniform(0, 2 * np.pi), rng.uniform(0, by_m)
    return Point(point.u + far * np.cos(angle) / 0.8, point.v + far * np.sin(angle) / 0.6)


class Seeing(Expert):
    """The expert's steps, but points 2 cm off and geometry from depth alone."""

    held = skills.Held()

    def act(self, obs: Observation, plan: Plan) -> ActionChunk:
        if self._moving is not None and self._moving[0] == plan:
            return super().act(obs, plan)
        facts, rng = self.world.facts(), np.random.default_rng(plan.at)
        spot = spot_for(plan.current, facts, self.world.episode.wants) if plan.current.args[-1] == "table" else None
        step = ground(plan.current, facts, self.world.spec.cameras["front"], spot)
        step = replace(step, points=tuple(shaken(p, rng) for p in step.points))
        job = geometry_of_step(step, obs, self.world.spec)
        rows, self.held = skills.motion(job, obs.states["arm"][-1, :5], self.held)
        self._moving = (plan, ActionChunk(obs.t_s, 0.05, rows))
        return self._moving[1]


@pytest.mark.parametrize(
    ("task", "policy"),
    [("pick", Expert), ("stack-two", Seeing), ("push-to-zone", Seeing), ("unstack-then-pick", Seeing)],
)
def test_both_geometries_do_the_task_at_the_first_try(task, policy):
    body = SimBody(task=task, eyes=("front",), lazy=True)
    obs = body.reset(0)
    result = run(body, policy(body), body.goal, obs=obs)
    assert (result.reason, result.replans, body.success()) == ("finished", 0, True)
    body.close()


@pytest.mark.slow
@pytest.mark.parametrize("policy", [Expert, Seeing])
@pytest.mark.parametrize(
    "task",
    ["place-in-bowl", "sort-by-colour", "tower-in-order", "swap-two", "line-up", "put-all-of-a-colour", "compound"],
)
def test_long_tasks(task, policy):
    body = SimBody(task=task, eyes=("front",), lazy=True, disturb=1.0 if policy is Expert else 0.0)
    done = 0
    for seed in range(8):
        run(body, policy(body), "", obs=body.reset(seed))
        done += body.success()
    assert done >= 7
    body.close()


def test_depth_says_where_things_are_when_points_are_two_centimetres_off():
    body = SimBody(task="sort-by-colour", eyes=("front",))
    rng, errors = np.random.default_rng(0), []
    for seed in range(8):
        obs, facts = body.reset(seed), body.facts()
        camera = body.spec.cameras["front"]
        table = Table(camera, obs.depth["front"])
        for thing in facts.things.values():
            if thing.shape == "zone" or on_top_of(facts, thing.name):
                continue
            step = ground(grammar.step(f"put {next(iter(facts.things))} on {thing.name}"), facts, camera)
            point = shaken(step.points[0], rng)
            if thing.shape == "bowl":
                centre = table.bowl_at(point)
            else:
                found = table.thing_at(point, thing.shape)
                centre = np.array([found.x, found.y])
                assert found.top == pytest.approx(thing.top, abs=0.003)
                assert found.size == pytest.approx(thing.size[:2], abs=0.006)
                turn = np.pi if thing.shape == "brick" else np.pi / 2
                assert found.round or abs(geometry.wrap(found.yaw - thing.yaw, turn)) < np.radians(8)
            errors.append(np.linalg.norm(centre - thing.position[:2]))
    assert np.median(errors) < 0.004 and np.percentile(errors, 99) < 0.008
    body.close()


def test_without_depth_the_ray_must_do_and_missing_points_are_told():
    body = SimBody(task="pick", eyes=("front",))
    obs, facts = body.reset(0), body.facts()
    name = body.episode.wants[0].a
    step = ground(grammar.step(f"pick {name}"), facts, body.spec.cameras["front"])
    blind = Observation(obs.t_s, obs.images, obs.states)
    job = geometry_of_step(step, blind, body.spec)
    assert np.hypot(*(facts.things[name].position[:2] - (job.thing.x, job.thing.y))) < 0.015
    with pytest.raises(UserError, match="has 0 points"):
        geometry_of_step(grammar.step(f"pick {name}"), obs, body.spec)
    with pytest.raises(UserError, match="need the camera"):
        geometry_of_step(step, obs, replace(body.spec, cameras={}))
    body.close()


def block(name: str, x: float, y: float, bottom: float = 0.0) -> Thing:
    return Thing(name, name.split()[1], np.array([x, y, bottom + 0.02]), 0.0, (0.04, 0.04, 0.04))


FACTS = Facts(
    {t.name: t for t in (block("red block", 0.5, 0.0), block("blue block", 0.5, 0.1), block("pink block", 0.6, 0.1))}
    | {"cyan zone": Thing("cyan zone", "zone", np.array([0.4, -0.2, 0.0]), 0.0, (0.13, 0.13, 0.001))},
    "",
    np.array([0.3, 0.0, 0.4]),
)


def test_points_are_those_of_the_grammar():
    from sim.camera import front

    camera = front()
    for words, marks in {
        "pick red block": [(0.5, 0.0, 0.04)],
        "put red block left of blue block": [(0.5, 0.1, 0.04)],
        "put red block between blue block and pink block": [(0.5, 0.1, 0.04), (0.6, 0.1, 0.04)],
        "push red block to cyan zone": [(0.5, 0.0, 0.04), (0.4, -0.2, 0.0)],
    }.items():
        step = ground(grammar.step(words), FACTS, camera)
        assert len(step.points) == grammar.points_needed(words)
        expected = geometry.project(camera, camera.parent_from_cam, np.array(marks))[:, :2]
        assert np.allclose([(p.u, p.v) for p in step.points], expected)
    spot = spot_for(grammar.step("put red block on table"), FACTS)
    others = [t.position[:2] for n, t in FACTS.things.items() if n != "red block"]
    assert min(np.linalg.norm(spot - o) for o in others) > 0.09


def test_step_holds_judges_the_effect():
    assert not step_holds(grammar.step("pick red block"), FACTS)
    assert step_holds(grammar.step("pick red block"), replace(FACTS, held="red block"))
    assert step_holds(grammar.step("put red block on table"), FACTS)
    assert not step_holds(grammar.step("put red block on blue block"), FACTS)
    assert step_holds(grammar.step("put red block left of blue block"), FACTS)
    assert not step_holds(grammar.step("push red block to cyan zone"), FACTS)
    stacked = replace(FACTS, things={**FACTS.things, "red block": block("red block", 0.5, 0.1, 0.04)})
    assert step_holds(grammar.step("put red block on blue block"), stacked)


def test_a_relation_with_its_spot_taken_goes_beside_it():
    job = job_of(grammar.step("put pink block left of blue block"), FACTS)
    assert np.hypot(job.place.x - 0.5, job.place.y - 0.0) > 0.04 or job.place.y > 0.0
    with pytest.raises(UserError, match="needs a simulated body"):
        Expert(object())


def test_a_top_face_is_found_where_the_picture_joins_it_to_the_sides_below():
    body = SimBody(task="unstack-then-pick", eyes=("front",))
    camera = body.spec.cameras["front"]
    for seed in (0, 36, 60, 68, 73, 96):
        obs, facts = body.reset(seed), body.facts()
        table = Table(camera, obs.depth["front"])
        for name, point in snapshots.marks(facts, camera).items():
            thing = facts.things[name]
            if thing.movable and not on_top_of(facts, name):
                patch = table.patch_at(point)
                assert patch is not None and patch.height == pytest.approx(thing.top, abs=0.015), (seed, name)
    body.close()
