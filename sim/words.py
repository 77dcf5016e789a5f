"""Moments in words alone: tables of exact facts on which every step works by rule. No physics and no pictures, so there
can be as many as a language model needs of those tasks whose plans are long.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from concurrent.futures import as_completed
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from embodied import geometry, registry, workers
from embodied.data.snapshots import Record, write_shard
from embodied.plan import step as parse
from embodied.spec import CameraSpec
from embodied.types import Step
from policies.expert import grounded, job_of
from policies.judge import want_of
from policies.symbolic import Facts, Thing, remaining, support
from sim import drawings
from sim import randomise as dice
from sim.camera import SIZES, front
from sim.hindsight import another
from sim.scene import HOME, facts
from sim.sentences import OTHERS, PHRASINGS, ask, nonsensical, write_corpus
from sim.snapshots import SHARD, lies, marks
from sim.task import EPISODES, Episode, retell, seed_of

LONG = (
    "tower-in-order",
    "swap-two",
    "sort-by-colour",
    "put-all-of-a-colour",
    "unstack-then-pick",
    "compound",
    "line-up",
)
SHORT = ("place-in-bowl", "stack-two", "push-to-zone", "spatial-relation", "reach", "pick")
TASKS = (*LONG, *LONG, "tower-in-order", "swap-two", "compound", *SHORT)  # what takes more steps takes more lessons
HEAPS, FAILS = 0.3, 0.15
SHEETS = 32  # one shard of so many is of an arm with a pen before a sheet of paper
STARTS = 4  # episodes that are only begun, and the one that is played to its end, for every task in turn


def after(step: Step, table: Facts, camera: CameraSpec) -> Facts | None:
    """The table once the step has worked; None when it is not possible. camera: the one that its points are in."""
    want, things = want_of(step), dict(table.things)
    if any(name not in things for name in (want.a, *want.b)):
        return None
    a = things[want.a]
    covered = any(support(table, name) == want.a for name in things if name != want.a)
    if (step.skill == "put") != (table.held == want.a) or (table.held and step.skill != "put") or covered:
        return None
    if want.relation == "reached":
        return replace(table, hand=a.position + (0, 0, a.size[2] / 2 + 0.03))
    if want.relation == "held":
        return Facts({**things, a.name: replace(a, position=np.array(HOME))}, a.name, table.hand)
    if step.skill == "push":
        at, top = things[want.b[0]].position[:2], 0.0
    elif not want.b:
        at, top = geometry.on_plane(camera, camera.parent_from_cam, step.points[0], 0.0)[:2], 0.0
    else:
        place = job_of(step, table).place
        assert place is not None  # every put has one
        at, top = np.array([place.x, place.y]), place.top
    down: Thing = replace(a, position=np.array([*at, top + a.size[2] / 2]))
    return Facts({**things, a.name: down}, "", table.hand)


def heaped(table: Facts, rng: np.random.Generator, camera: CameraSpec) -> Facts:
    """The same table with one thing put on or into another, if one can be."""
    clear = [t for t in table.things.values() if not any(support(table, n) == t.name for n in table.things)]
    movable = [t.name for t in clear if t.movable]
    if not movable or len(clear) < 2:
        return table
    name = movable[rng.integers(len(movable))]
    others = [t for t in clear if t.name != name]
    base = others[rng.integers(len(others))]
    taken = after(parse(f"pick {name}"), table, camera)
    put = parse(f"put {name} {'in' if base.shape == 'bowl' else 'on'} {base.name}")
    return (taken and after(put, taken, camera)) or table


def moments(task: str, seed: int) -> Iterator[Record]:
    """The episode with this seed, from its start to its end; some steps fail."""
    rng = np.random.default_rng(seed)
    episode: Episode = registry.build("task", task).sample(rng, "train")
    look = dice.draw([item.colour for item in episode.items], rng, 1)
    camera = front(SIZES["front"], look.eye, look.target)
    table: Facts = facts(episode.items)
    if rng.random() < HEAPS:
        for _ in range(rng.integers(1, 4)):
            table = heaped(table, rng, camera)
    told = [episode, *(retell(episode, rng) for _ in range(PHRASINGS - 1))]
    for _ in range(12):
        steps = grounded(remaining(episode.wants, table), table, camera, episode.wants)
        yield _record(told, table, camera, rng)
        if not steps:
            return
        if rng.random() < FAILS:
            continue  # nothing has changed, and it is asked again
        changed = after(steps[0], table, camera)
        if changed is None:
            return
        table = changed


def _record(told: list[Episode], table: Facts, camera: CameraSpec, rng: np.random.Generator) -> Record:
    seen = {n: [round(p.u, 4), round(p.v, 4)] for n, p in marks(table, camera).items() if 0 <= p.u < 1 and 0 <= p.v < 1}
    record = Record(told[0].task, [], items=list(table.things), things=seen)
    record.lies = lies(table, seen)
    ask(record, told, [another(told[0].items, table, rng) for _ in range(OTHERS)], table, camera, rng)
    nonsensical(record, told[0], rng)
    return record


def _at_a_table(shard: int, seed: int) -> list[Record]:
    """Tasks in turn."""
    records: list[Record] = []
    for k in itertools.count():
        task = TASKS[k % len(TASKS)]
        seeds = (seed_of("train", seed, ((shard * SHARD + k) * STARTS + n) % EPISODES) for n in range(STARTS))
        records += moments(task, next(seeds))
        ahead = list(seeds)
        records += (next(moments(task, one)) for one in ahead)  # most sentences are told at the start
        if len(records) >= SHARD:
            break
    return records[:SHARD]


def _before_a_sheet(shard: int, seed: int) -> list[Record]:
    seeds = (seed_of("train", seed, (shard * SHARD + k) % EPISODES) for k in range(SHARD))
    return [drawings.record(np.random.default_rng([one, 3]), one) for one in seeds]


def write(shard: int, out: Path, seed: int) -> None:
    """One shard of moments."""
    records = (_before_a_sheet if shard % SHEETS == 1 else _at_a_table)(shard, seed)
    write_shard(out / f"{shard:05d}-words", records, {})


def words(out: Path, count: int, processes: int = 2, seed: int = 0) -> None:
    """`count` moments in shards below `out`; finished shards of an earlier start are kept."""
    out.mkdir(parents=True, exist_ok=True)
    shards = range(-(-count // SHARD))
    todo = [k for k in shards if not (out / f"{k:05d}-words" / "records.jsonl").exists()]
    columns = (TextColumn("words"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as bar, workers.pool(processes) as pool:
        row = bar.add_task("", total=len(shards), completed=len(shards) - len(todo))
        for future in as_completed([pool.submit(write, k, out, seed) for k in todo]):
            future.result()
            bar.advance(row)
    write_corpus(out)
