"""The scripted expert: plans by symbolic.remaining, moves by the skills, judges by exact facts.

It sees the simulator's truth (`world.facts()`, `world.episode.wants`), so it makes demonstrations and labels; it is
never an answer to the task. `ground` is shared with label generation.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from embodied import geometry
from embodied.errors import UserError
from embodied.registry import register
from embodied.spec import BodySpec, CameraSpec
from embodied.types import ActionChunk, Observation, Plan, Point, Step
from policies import places, skills
from policies.judge import step_holds
from policies.motion import Tempo
from policies.skills import Held, Job, Target
from policies.symbolic import DIRECTIONS, GAP, Facts, Thing, Want, remaining

Points = NDArray[np.float64]


class World(Protocol):
    """What the expert needs of a simulated body."""

    spec: BodySpec
    episode: Any  # has .wants: tuple[Want, ...]

    def facts(self) -> Facts: ...


def standing(facts: Facts, but: Iterable[str] = ()) -> Points:
    """(n, 3) points on the tops of all that stands on the table (bowls: the rim), without the things named in `but`."""
    skip = {*but, facts.held}
    grid = np.stack(np.meshgrid(np.linspace(-0.5, 0.5, 5), np.linspace(-0.5, 0.5, 5)), -1).reshape(-1, 2)
    circle = np.stack([np.cos(a := np.arange(32) * np.pi / 16), np.sin(a)], -1)
    out = []
    for thing in facts.things.values():
        if thing.name in skip or thing.shape == "zone":
            continue
        flat = circle * (thing.size[0] / 2) if thing.shape == "bowl" else _turned(grid * thing.size[:2], thing.yaw)
        out.append(np.column_stack([flat + thing.position[:2], np.full(len(flat), thing.top)]))
    return np.vstack(out) if out else np.zeros((0, 3))


def spot_for(step: Step, facts: Facts, wants: tuple[Want, ...] = ()) -> NDArray[np.float64]:
    """Where `put <thing> on table` sets it down, (2,): the free place nearest to where the thing is now, clear of zones
    and of the spots that the relations in `wants` still need."""
    thing = facts.things[step.args[0]]
    flat = []
    for zone in facts.things.values():
        if zone.shape == "zone":
            ring = np.arange(16) * np.pi / 8
            flat.append(zone.position[:2] + zone.size[0] / 2 * np.stack([np.cos(ring), np.sin(ring)], -1))
            flat.append(zone.position[None, :2])
    for want in wants:
        if want.relation in DIRECTIONS:
            flat.append(facts.things[want.b[0]].position[None, :2] + np.array(DIRECTIONS[want.relation]) * GAP)
        elif want.relation == "between":
            flat.append((facts.things[want.b[0]].position + facts.things[want.b[1]].position)[None, :2] / 2)
    keep = np.column_stack([np.vstack(flat), np.zeros(sum(map(len, flat)))]) if flat else None
    return places.free_spot(thing.position[:2], standing(facts, [thing.name]), keep)


def ground(step: Step, facts: Facts, camera: CameraSpec, spot: NDArray[np.float64] | None = None) -> Step:
    """The step with its points, as embodied/plan.py orders them, projected into a camera that is fixed to the base.

    A thing's point is the centre of its top face, a bowl's its centre at half height, a zone's its centre; for
    `put <thing> on table` it is `spot` (2,), by default `spot_for` without wants.
    """
    names = {"reach": step.args[:1], "pick": step.args[:1], "push": step.args[::2]}.get(step.skill, step.args[2:])
    if names == ("table",):
        where = spot_for(step, facts) if spot is None else spot
        at = [np.array([where[0], where[1], 0.0])]
    else:
        at = [mark(facts.things[name]) for name in names]
    seen = geometry.project(camera, camera.parent_from_cam, np.array(at))
    return Step(step.text, step.skill, step.args, tuple(Point(float(u), float(v)) for u, v, _ in seen))


def job_of(step: Step, facts: Facts, wants: tuple[Want, ...] = ()) -> Job:
    """The step's exact geometry."""
    thing = facts.things[step.args[0]]
    around = standing(facts, [thing.name])
    if step.skill in ("reach", "pick"):
        return Job(step.skill, _target(thing), bottom=thing.bottom, around=around)
    other = facts.things.get(step.args[2])
    if step.skill == "push":
        assert other is not None
        return Job(
            "push", _target(thing), Target(float(other.position[0]), float(other.position[1]), 0.0), around=around
        )
    relation = step.args[1]
    if other is None:
        x, y = spot_for(step, facts, wants)
        return Job("put", place=Target(float(x), float(y), 0.0), around=around)
    centre = other.position[:2]
    if other.shape == "bowl" and relation in ("in", "on"):
        within = around[np.linalg.norm(around[:, :2] - centre, axis=1) < 0.9 * other.size[0] / 2]
        spot, height = places.in_bowl(centre, other.bottom, within)
        return Job("put", place=Target(float(spot[0]), float(spot[1]), height), around=around, bowl=True)
    if relation in ("on", "in"):
        top = Target(float(centre[0]), float(centre[1]), 0.0) if other.shape == "zone" else _target(other)
        return Job("put", place=top, around=around)
    if relation == "between":
        spot = places.amid(centre, facts.things[step.args[3]].position[:2], around)
    else:
        spot = places.beside(centre, relation, around)
    return Job("put", place=Target(float(spot[0]), float(spot[1]), 0.0), around=around)


@register("policy", "expert")
class Expert:
    """Policy over exact facts. The observation serves only for the hand's pose and the time."""

    def __init__(self, world: World) -> None:
        if not hasattr(world, "facts"):
            raise UserError(
                f"the scripted expert needs a simulated body with facts, not {type(world).__name__}; give another policy="
            )
        self.world = world
        self.reset()

    def reset(self) -> None:
        self._moving: tuple[Plan, ActionChunk] | None = None

    def plan(self, obs: Observation, goal: str, done: tuple[Step, ...] = ()) -> Plan:
        """`done`, then symbolic.remaining with grounded points."""
        facts, wants, camera = self.world.facts(), self.world.episode.wants, self.world.spec.cameras["front"]
        return Plan(
            goal,
            done + tuple(grounded(remaining(wants, facts), facts, camera, wants)),
            len(done),
        )

    def act(self, obs: Observation, plan: Plan) -> ActionChunk:
        """The whole motion of the current step once, then an empty chunk when it is over."""
        if self._moving is not None and self._moving[0] == plan:
            chunk = self._moving[1]
            if obs.t_s < chunk.t0_s + (len(chunk.actions) - 0.5) * chunk.dt_s:
                return chunk
            self._moving = None
            return ActionChunk(obs.t_s, chunk.dt_s, np.zeros((0, 5), np.float32))
        spec = self.world.spec
        dt_s = 1.0 / spec.action.rate_hz
        job, held = self.job(obs, plan.current)
        rows, _ = skills.motion(job, obs.states["arm"][-1, :5], held, Tempo.of(spec.speeds, spec.action.rate_hz))
        chunk = ActionChunk(obs.t_s, dt_s, rows)
        self._moving = (plan, chunk)
        return chunk

    def job(self, obs: Observation, step: Step) -> tuple[Job, Held]:
        """The step's geometry, and what the hand holds."""
        facts, hand = self.world.facts(), obs.states["arm"][-1, :5]
        below = float(hand[2] - facts.things[facts.held].bottom) if facts.held else 0.0
        held = Held(below, float(hand[4])) if facts.held else Held()
        return job_of(step, facts, self.world.episode.wants), held

    def check(self, obs: Observation, step: Step) -> float:
        return float(step_holds(step, self.world.facts()))


def grounded(steps: Iterable[Step], facts: Facts, camera: CameraSpec, wants: tuple[Want, ...] = ()) -> list[Step]:
    """Steps of one plan with their points in the front camera; every `on table` gets a free spot of its own."""
    out = []
    for step in steps:
        spot = None
        if step.args[-1] == "table":
            spot = spot_for(step, facts, wants)
            thing = facts.things[step.args[0]]
            moved = Thing(thing.name, thing.shape, np.array([*spot, thing.size[2] / 2]), 0.0, thing.size)
            out.append(ground(step, facts, camera, spot))
            facts = Facts(
                {**facts.things, thing.name: moved}, "" if facts.held == thing.name else facts.held, facts.hand
            )
            continue
        out.append(ground(step, facts, camera))
    return out


def mark(thing: Thing) -> NDArray[np.float64]:
    """The point (3,) that grounds a thing."""
    x, y, z = map(float, thing.position)
    return np.array([x, y, {"bowl": z, "zone": 0.0}.get(thing.shape, thing.top)])


def _target(thing: Thing) -> Target:
    x, y = map(float, thing.position[:2])
    return Target(x, y, thing.top, thing.yaw, (thing.size[0], thing.size[1]), thing.shape == "cylinder")


def _turned(flat: NDArray[np.float64], yaw: float) -> NDArray[np.float64]:
    c, s = np.cos(yaw), np.sin(yaw)
    return flat @ np.array([[c, s], [-s, c]])
