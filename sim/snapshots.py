"""Labelled moments of episodes, made without motion: each step's effect, or its failure, is put in place at once.

A picture of every moment between two steps is what a planner sees; driving there would cost a hundred times more. Labels
(plans, points, verdicts, answers) come from exact facts and are used in training only.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from embodied import geometry, registry, workers
from embodied.data.snapshots import DEPTH_M, NOTHING, ROBOT, Record, write_shard
from embodied.plan import COLOURS, HELD, PLACES, SHAPES, thing
from embodied.plan import step as parse
from embodied.spec import CameraSpec
from embodied.types import Point, Step
from policies.expert import grounded, job_of, mark
from policies.judge import step_holds
from policies.places import WORKSPACE
from policies.symbolic import Facts, Thing, remaining, support
from sim.body import SimBody
from sim.hindsight import another
from sim.scene import HELD_OUT
from sim.sentences import OTHERS, PHRASINGS, ask, nonsensical, write_corpus
from sim.task import EPISODES, Episode, retell, seed_of

VISIBLE = 40  # pixels of the front picture that make a thing seen
NAMES = [thing(c, s) for c in COLOURS for s in SHAPES + PLACES if thing(c, s) not in HELD_OUT]
ASIDE = ("on", "left of", "right of", "behind", "in front of")
FAILS = 0.35  # share of steps that fail
HEAPS = 0.4  # share of episodes that start with things put on or into others
TALL = 0.5  # share of these things that go onto the highest pile there is
HIGHEST = 0.16  # m, of a pile that something is put on


def marks(facts: Facts, camera: CameraSpec) -> dict[str, Point]:
    """Where the things that are not held are seen: the middle of a thing's top, of a bowl, of a zone."""
    things = [thing for thing in facts.things.values() if thing.name != facts.held]
    seen = [geometry.project(camera, camera.parent_from_cam, mark(thing)) for thing in things]
    return {thing.name: Point(float(u), float(v)) for thing, (u, v, _) in zip(things, seen, strict=True)}


def lies(facts: Facts, names: Iterable[str]) -> dict[str, str]:
    """Where those of the named things are, and the held one, that do not stand on the bare table."""
    out = {facts.held: HELD} if facts.held else {}
    for name in names:
        below = support(facts, name) if facts.things[name].movable else "table"
        if below not in ("", "table"):
            out[name] = f"{'in' if facts.things[below].shape == 'bowl' else 'on'} {below}"
    return out


def photographed(body: SimBody, facts: Facts, task: str) -> tuple[dict[str, np.ndarray], Record]:
    """All pictures of now, and a record that says what is in the front one and on what it lies, and nothing else yet."""
    obs = body.observe()
    arrays: dict[str, np.ndarray] = {"arm": obs.states["arm"]}
    for camera in body.spec.cameras:
        arrays[camera] = obs.images[camera]
        arrays[f"{camera}_depth"] = np.round(obs.depth[camera] / DEPTH_M).astype(np.uint16)
        seg = body.segmentation(camera)
        arrays[f"{camera}_seg"] = np.where(seg == -2, ROBOT, np.where(seg < 0, NOTHING, seg)).astype(np.uint8)
    items = [item.name for item in body.episode.items]
    inside = {n: p for n, p in marks(facts, body.spec.cameras["front"]).items() if 0 <= p.u < 1 and 0 <= p.v < 1}
    counts = dict(zip(items, np.bincount(arrays["front_seg"].ravel(), minlength=256), strict=False))
    seen = {n: [round(p.u, 4), round(p.v, 4)] for n, p in inside.items() if counts[n] >= VISIBLE}
    return arrays, Record(task, [], items=items, things=seen, lies=lies(facts, seen))


class Moments:
    """Walks through episodes of one task. Uses only rng (no global randomness)."""

    def __init__(self, task: str, split: str = "train") -> None:
        self.task: Any = registry.build("task", task)
        self.body = SimBody(task, split=split, lazy=True)
        self.split = split

    def episode(self, seed: int) -> Iterator[tuple[Record, dict[str, np.ndarray]]]:
        """All moments of the episode with this seed."""
        rng = np.random.default_rng([seed, 5])
        body = self.body
        body.reset(seed)
        if rng.random() < HEAPS:  # a planner meets such tables after mishaps
            for _ in range(rng.integers(1, 5)):
                self._heap(rng)
        told = [body.episode, *(retell(body.episode, rng, self.split) for _ in range(PHRASINGS - 1))]
        recent: list[Step] = []
        for _ in range(12):
            facts = body.facts()
            steps = remaining(body.episode.wants, facts)
            steps = grounded(steps, facts, body.spec.cameras["front"], body.episode.wants)
            yield self._moment(told, steps, recent, facts, rng)
            if not steps:
                return
            recent = [steps[0]]
            self._act(steps[0], facts, rng)
            now = body.facts()
            places = [t.position for t in now.things.values() if t.name != now.held]
            low, high = WORKSPACE[0]
            if not all(low - 0.05 < at[0] < high + 0.05 and abs(at[1]) < 0.34 for at in places):
                return  # something rolled away: not a table we ask about

    # --- effects

    def _act(self, step: Step, facts: Facts, rng: np.random.Generator) -> None:
        """Put the step's effect in place, or that of its failure."""
        body, worked = self.body, rng.random() > FAILS
        thing = facts.things[step.args[0]]
        if step.skill == "reach":
            at = thing.position + (0, 0, thing.size[2] / 2 + rng.uniform(0.025, 0.055))
            if not worked:
                angle, far = rng.uniform(0, 2 * np.pi), rng.uniform(0.05, 0.16)
                at = at + [far * np.cos(angle), far * np.sin(angle), rng.uniform(0, 0.1)]
            noise = rng.normal(0, 0.006, 2)
            body.hover(at[0] + noise[0], at[1] + noise[1], float(np.clip(at[2], 0.03, 0.5)), rng.uniform(-0.3, 0.3))
            body.settle(4)
            return
        if step.skill == "pick":
            body.go_home()
            if worked:
                body.grip(thing.name, (*rng.normal(0, 0.004, 2), rng.uniform(-0.014, 0.0)))
            elif rng.random() < 0.6:
                self._drop(thing.name, thing.position[:2], rng.uniform(0.0, 0.05), rng)
            elif rng.random() < 0.5:
                movable = [t.name for t in facts.things.values() if t.movable and t.name != thing.name]
                others = [name for name in movable if not self._covered(name, facts)]
                if others:
                    body.grip(others[rng.integers(len(others))], (0, 0, -0.008))
            body.settle(24)
            return
        if step.skill == "push":
            zone = facts.things[step.args[-1]].position[:2]
            start = thing.position[:2]
            share = rng.uniform(0.85, 1.15) if worked else rng.choice([rng.uniform(0, 0.55), rng.uniform(1.5, 1.9)])
            aside = rng.normal(0, 0.008, 2) if worked else rng.normal(0, 0.03, 2)
            to = start + share * (zone - start) + aside
            body.go_home()
            body.place(thing.name, (to[0], to[1], thing.size[2] / 2 + 0.001), rng.uniform(-np.pi, np.pi))
            body.settle(24)
            return
        place = job_of(step, facts, body.episode.wants).place
        assert place is not None
        body.go_home()
        fault = "" if worked else rng.choice(["beside", "held", "other thing", "other place"], p=[0.4, 0.2, 0.2, 0.2])
        clear = [t for t in facts.things.values() if t.name not in step.args and not self._covered(t.name, facts)]
        if fault == "other thing":  # another one was taken and put there
            clear = [t for t in clear if t.movable]
        if worked or (fault == "other thing" and clear):
            mover = thing if worked else clear[rng.integers(len(clear))]
            if not worked:
                self._drop(thing.name, thing.position[:2], rng.uniform(0.0, 0.1), rng)
            self._lay(mover, (place.x, place.y), place.top, rng)
        elif fault == "other place" and clear:
            base = clear[rng.integers(len(clear))]
            beside = step.args[1] not in ("on", "in")
            at = np.array([place.x, place.y])
            if beside:  # the right relation to another thing
                at = at - facts.things[step.args[2]].position[:2] + base.position[:2]
            top = 0.0 if beside else 0.01 if base.shape == "bowl" else base.top
            self._lay(thing, at if beside else base.position[:2], top, rng)
        elif fault == "held":
            body.grip(thing.name, (0, 0, -0.008))  # it never let go
        else:
            self._drop(thing.name, np.array([place.x, place.y]), rng.uniform(0.07, 0.18), rng)
        body.settle(36)

    def _heap(self, rng: np.random.Generator) -> None:
        """Put some thing on or into some other."""
        facts = self.body.facts()
        clear = [t for t in facts.things.values() if t.name != facts.held and not self._covered(t.name, facts)]
        movable = [t for t in clear if t.movable and support(facts, t.name) == "table"]
        if not movable:
            return
        thing = movable[rng.integers(len(movable))]
        below = [t for t in clear if t.name != thing.name and (t.shape != "zone" or rng.random() < 0.3)]
        below = [t for t in below if t.top < HIGHEST]
        if below:
            tall = rng.random() < TALL
            base = max(below, key=lambda t: t.top) if tall else below[rng.integers(len(below))]
            self._lay(thing, base.position[:2], 0.01 if base.shape == "bowl" else base.top, rng)
            self.body.settle(36)

    def _lay(self, thing: Thing, at: Sequence[float] | np.ndarray, top: float, rng: np.random.Generator) -> None:
        """Put a thing down at `at` on a surface of height `top`, as a hand would: nearly there, turned somehow."""
        dx, dy = rng.normal(0, 0.004, 2)
        yaw = rng.uniform(-0.3, 0.3) if rng.random() < 0.5 else rng.uniform(-np.pi / 2, np.pi / 2)
        self.body.place(thing.name, (at[0] + dx, at[1] + dy, top + thing.size[2] / 2 + 0.002), yaw)

    def _covered(self, name: str, facts: Facts) -> bool:
        return any(support(facts, other) == name for other in facts.things)

    def _drop(self, name: str, near: np.ndarray, far: float, rng: np.random.Generator) -> None:
        """Let a thing lie about `far` from `near`, or anywhere that is free; it stays where it is if nothing is."""
        facts = self.body.facts()
        thing = facts.things[name]
        for k in range(60):
            angle = rng.uniform(0, 2 * np.pi)
            far = far if k < 30 else rng.uniform(0.0, 0.4)
            at = near + far * np.array([np.cos(angle), np.sin(angle)])
            inside = all(low + 0.01 < value < high - 0.01 for value, (low, high) in zip(at, WORKSPACE, strict=True))
            room = all(
                np.linalg.norm(at - t.position[:2]) > (0.07 if t.movable else 0.11)
                for t in facts.things.values()
                if t.name != name and t.shape != "zone"
            )
            if inside and room:
                self.body.place(name, (at[0], at[1], thing.size[2] / 2 + 0.001), rng.uniform(-np.pi, np.pi))
                return
        self.body.place(name, (*thing.position[:2], thing.position[2] + 0.002), thing.yaw)

    # --- labels

    def _moment(
        self, told: list[Episode], steps: list[Step], recent: list[Step], facts: Facts, rng: np.random.Generator
    ) -> tuple[Record, dict[str, np.ndarray]]:
        body = self.body
        arrays, record = photographed(body, facts, self.task.registered_name)
        camera, seen = body.spec.cameras["front"], record.things
        ask(record, told, [another(body.episode.items, facts, rng) for _ in range(OTHERS)], facts, camera, rng)
        nonsensical(record, body.episode, rng)
        record.checks = [(s.text, bool(step_holds(s, facts))) for s in self._claims(recent, steps, facts, rng)]
        record.points = {s.text: [[round(p.u, 4), round(p.v, 4)] for p in s.points] for s in steps if s.points}
        # Held-out pairs are never named, or training would teach that they are never there.
        record.missing = [n for n in (NAMES[i] for i in rng.permutation(len(NAMES))[:4]) if n not in record.items]
        record.asks = list(self._questions(facts, seen, rng).items())
        return record, arrays

    def _claims(self, recent: list[Step], steps: list[Step], facts: Facts, rng: np.random.Generator) -> list[Step]:
        """Steps to judge: the one just tried, the next ones, and for every skill and relation true and false ones about
        whatever is there, so that no relation is likely or unlikely in itself."""
        things = list(facts.things.values())
        movable = [t.name for t in things if t.movable]
        texts = [f"pick {name}" for name in movable]
        for a in movable:
            texts.append(f"put {a} on table")
            for b in things:
                if b.name != a:
                    relations = {"bowl": ("in",), "zone": ("on",)}.get(b.shape, ASIDE)
                    texts += [f"put {a} {relation} {b.name}" for relation in relations]
        if len(movable) > 2:
            trios = [rng.permutation(movable)[:3] for _ in range(6)]
            texts += [f"put {a} between {b} and {c}" for a, b, c in trios]
        kept: dict[tuple[str, bool], list[Step]] = {}
        for text in (texts[i] for i in rng.permutation(len(texts))):
            one = parse(text)
            relation = one.args[1] if one.skill == "put" else one.skill
            kept.setdefault((relation, step_holds(one, facts)), []).append(one)
        balanced = [
            one
            for (relation, true), found in kept.items()
            for one in found[: 1 if true else int((relation, True) in kept or rng.random() < 0.2)]
        ]
        shuffled = [balanced[i] for i in rng.permutation(len(balanced))]
        return list({s.text: s for s in [*recent, *steps[:2], *shuffled]}.values())

    def _questions(self, facts: Facts, seen: Mapping[str, Any], rng: np.random.Generator) -> dict[str, str]:
        """Questions with one short answer each, in the plan's words."""
        out = {"what is in the hand": facts.held or "nothing", "how many things are there": str(len(seen))}
        names = [list(seen)[i] for i in rng.permutation(len(seen))]
        laden = [name for name in names if self._covered(name, facts)]
        for name in [*laden[:1], *names[:1]]:
            on_it = sorted(n for n in facts.things if n != name and support(facts, n) == name)
            out[f"what is on the {name}"] = " and ".join(on_it) or "nothing"
            if facts.things[name].movable:
                out[f"where is the {name}"] = f"on {support(facts, name) or 'nothing'}"
        return out


SHARD = 500  # moments


def write(shard: int, task: str, out: Path, seed: int, source: Callable[[str], Any] = Moments) -> None:
    """One shard of moments of one task: seeds seed * 100_000 + shard * 500 + 0, 1, ... until it is full. source: makes what has the
    `episode` and `body` of Moments."""
    moments = source(task)
    records: list[Record] = []
    rows: list[dict[str, np.ndarray]] = []
    for k in itertools.count():
        episode = moments.episode(seed_of("train", seed, (shard * SHARD + k) % EPISODES))
        for number, (record, arrays) in enumerate(episode):
            record.moment = number
            records.append(record)
            rows.append(arrays)
        if len(records) >= SHARD:
            break
    moments.body.close()
    stacked = {name: np.stack([row[name] for row in rows[:SHARD]]) for name in rows[0]}
    write_shard(out / f"{shard:05d}-{task}", records[:SHARD], stacked)


def snapshots(
    out: Path, count: int, processes: int = 2, seed: int = 0, tasks: Sequence[str] = (),
    source: Callable[[str], Any] = Moments,
) -> None:  # fmt: skip
    """`count` moments in shards below `out`, tasks in turn (compound twice); finished shards of an earlier start are kept.
    source: as `write` takes it.

    Besides the shards: corpus.txt (goals, for the vocabulary) and stats.json (the arm's range as mean and spread).
    """
    names = list(tasks) or [*registry.choices("task"), "compound"]
    jobs = [(k, names[k % len(names)]) for k in range(-(-count // SHARD))]
    out.mkdir(parents=True, exist_ok=True)
    todo = [(k, task) for k, task in jobs if not (out / f"{k:05d}-{task}" / "records.jsonl").exists()]
    columns = (TextColumn("snapshots"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as bar, workers.pool(processes) as pool:
        row = bar.add_task("", total=len(jobs), completed=len(jobs) - len(todo))
        for future in as_completed([pool.submit(write, k, task, out, seed, source) for k, task in todo]):
            future.result()
            bar.advance(row)
    write_corpus(out)
    body = source(names[0]).body
    arm = body.spec.states["arm"]
    body.close()
    low, high = np.array(arm.low), np.array(arm.high)
    # Snapshots show the arm at rest, so its range, not its spread here, is the scale of its motion.
    scale = {"mean": ((low + high) / 2).tolist(), "std": ((high - low) / 4).tolist()}
    (out / "stats.json").write_text(json.dumps({"arm": scale}))
