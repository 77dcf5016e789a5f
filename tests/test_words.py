"""Tables in words follow the rules that the simulator's own facts follow, and unknown words are read as known ones."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from embodied import registry
from embodied.data.snapshots import Record, Snapshots, write_shard
from embodied.model.grammar import Grammar
from embodied.model.lessons import listing
from embodied.model.tokens import LINE, Words, train_vocabulary
from embodied.plan import COLOURS, HELD, PLACES, SHAPES, read_listing, step
from embodied.types import Point
from policies.expert import grounded
from policies.judge import job_of, step_holds, want_of
from policies.symbolic import holds, remaining
from policies.told import told as verdict
from sim.camera import front
from sim.hindsight import unheard
from sim.scene import facts
from sim.sentences import PHRASINGS, write_corpus
from sim.task import seed_of
from sim.words import TASKS, after, heaped, moments

THING = f"(?:{'|'.join(COLOURS)}) (?:{'|'.join(SHAPES + PLACES)})"


@pytest.fixture(scope="module")
def words() -> Words:
    return Words(train_vocabulary([], []))


@pytest.mark.parametrize("task", sorted(set(TASKS)))
def test_right_plans_reach_their_goals_by_rule(task: str) -> None:
    camera = front()
    for seed in range(15):
        rng = np.random.default_rng(seed_of("train", 6, seed))
        episode = registry.build("task", task).sample(rng, "train")
        table = facts(episode.items)
        for _ in range(seed % 3):
            table = heaped(table, rng, camera)
        steps = grounded(remaining(episode.wants, table), table, camera, episode.wants)
        for one in steps:
            table = after(one, table, camera)
            assert table is not None and step_holds(one, table), one.text
        assert seed % 3 or all(holds(want, table) for want in episode.wants)  # a heap may put two wants at odds


def test_impossible_steps_have_no_effect_by_rule() -> None:
    camera = front()
    episode = registry.build("task", "unstack-then-pick").sample(np.random.default_rng(1), "train")
    table = facts(episode.items)
    buried = episode.wants[0].a
    assert after(step(f"pick {buried}"), table, camera) is None  # it lies under another
    assert after(step(f"put {buried} on table"), table, camera) is None  # nobody holds it
    assert after(step("pick white block"), facts(()), camera) is None


def test_moments_are_the_same_for_the_same_seed_and_end_where_nothing_is_left() -> None:
    one, two = (list(moments("swap-two", 5)) for _ in range(2))
    assert one == two and one != list(moments("swap-two", 6))
    last = one[-1]
    assert all(not lines for job, lines in last.plans if job in last.jobs) or last.refusal
    assert any(where.endswith("zone") for record in one for where in record.lies.values())  # they start on their zones


def listed(record: Record) -> str:
    return listing({name: Point(*at) for name, at in record.things.items()}, record.lies)


class Teller:
    """Says texts token by token, on the table that a record lists."""

    def __init__(self, words: Words, record: Record) -> None:
        self.words, self.record, self.grammar, self.text = words, record, Grammar(words), listed(record)
        self.known = self.grammar.placed(words.encode(self.text))

    def check(self, text: str, allows: Callable[[Sequence[int]], list[int]]) -> None:
        tokens = [*self.words.encode(text), self.grammar.eos]
        for k, token in enumerate(tokens):
            place = token in self.grammar.xs or token in self.grammar.ys  # rounded, they may be one off
            assert place or token in allows(tokens[:k]), (self.words.decode(tokens[: k + 1]), self.text)

    def names(self, text: str) -> bool:
        """Whether all things in it are listed, and it does not ask for a thing to go to the zone that it lies on."""
        for name, where in self.record.lies.items():
            if where.endswith("zone") and text in (
                f"put {name} {where}",
                f"push {name} to {where.removeprefix('on ')}",
            ):
                return False
        there = {*self.record.things, *(name for name, where in self.record.lies.items() if where == HELD)}
        return set(re.findall(THING, text)) <= there


@pytest.mark.parametrize(
    "task", ["compound", "tower-in-order", "swap-two", "put-all-of-a-colour", "spatial-relation", "pick"]
)
def test_everything_that_records_teach_may_be_said(task: str, words: Words) -> None:
    """Parts are runs of their sentences, jobs and plans what the grammar allows on the recorded table, token by token."""
    plans_seen, parts_seen = 0, 0
    for record in (record for seed in range(5) for record in moments(task, seed)):
        teller = Teller(words, record)
        allowed, known = teller.grammar, teller.known
        assert record.refusal or len(record.parts) == len(record.goals)
        own = [(goal, parts, record.jobs) for goal, parts in zip(record.goals, record.parts, strict=False)]
        for goal, parts, jobs in [*own, *record.others]:
            ids = words.encode(words.familiar(goal))
            for part in parts:
                teller.check(part, partial(allowed.part, goal=ids))
            parts_seen += len(parts)
            assert len(parts) != 1 and not (jobs and len(parts) > len(jobs))
            for k, job in enumerate(jobs):
                if teller.names(job):
                    teller.check(job, partial(allowed.job, known=known, first=k == 0))
        for job, lines in record.plans:
            if not teller.names("\n".join([job, *lines])):
                continue
            teller.check(LINE.join(lines), partial(allowed.steps, known=known, some=bool(lines), job=words.encode(job)))
            if re.search(" (on|in) (?!front)", job):  # the rest is told by points, for which the camera must be known
                said = read_listing(teller.text.replace(LINE, "\n"))
                assert verdict(step(job), said, front(), np.zeros(3)) == (not lines), (job, lines, teller.text)
            plans_seen += 1
    assert plans_seen > 20 and parts_seen > 4


def test_a_swap_is_not_told_once_one_thing_has_moved() -> None:
    part, camera = registry.build("task", "swap-two"), front()
    for seed in range(5):
        episode = part.sample(np.random.default_rng(seed_of("train", 6, seed)), "train")
        table = facts(episode.items)
        assert part.told_by(episode.wants, table)
        for one in grounded(remaining(episode.wants, table), table, camera, episode.wants):
            table = after(one, table, camera)
            assert not part.told_by(episode.wants, table)
        assert registry.build("task", "pick").told_by(episode.wants, table)
    first, *rest = list(moments("swap-two", 3))
    assert len(first.goals) == len(first.parts) == PHRASINGS
    moved = [one for one in rest if not one.refusal and any(where == HELD for where in one.lies.values())]
    assert moved and not any(one.goals or one.parts for one in moved) and all(one.jobs and one.plans for one in moved)


@pytest.mark.parametrize("task", sorted(set(TASKS)))
def test_jobs_are_the_wants_in_the_words_of_steps(task: str) -> None:
    for seed in range(10):
        episode = registry.build("task", task).sample(np.random.default_rng(seed_of("train", 6, seed)), "train")
        for want in episode.wants:
            assert want_of(step(job_of(want))) == want


def test_made_up_jobs_have_parts_and_no_jobs() -> None:
    names, two = ["red block", "blue bowl", "green brick"], 0
    items = [SimpleNamespace(name=name) for name in names]
    for seed in range(60):
        goal, parts = unheard(items, np.random.default_rng(seed))
        two += len(parts) == 2
        assert len(parts) in (0, 2) and not re.search(r"[\[\]{}|@\ue000-\ue003]", goal)
        assert all(re.search(rf"(?<!\w){re.escape(part)}(?!\w)", goal) for part in parts)
    assert 20 < two < 60


def test_the_corpus_holds_all_goals_that_mean_something(tmp_path) -> None:
    records = [record for seed in range(12) for record in moments("pick", seed)]
    write_shard(tmp_path / "00000-words", records, {})
    write_corpus(tmp_path)
    told = (tmp_path / "corpus.txt").read_text().splitlines()
    clear = [record for record in records if record.refusal != "unclear"]
    assert told == [goal for one in clear for goal in [*one.goals, *(other[0] for other in one.others if other[2])]]
    again = Snapshots(tmp_path)
    assert [asdict(again.record(k)) for k in range(len(again))] == [
        json.loads(json.dumps(asdict(one))) for one in records
    ]


def test_unknown_words_are_read_as_known_ones(tmp_path) -> None:
    words = Words(train_vocabulary(["lift the red block"] * 2, []), {"elevate": "lift", "cuboid": "block"})
    assert words.familiar("Elevate the red cuboid!") == "lift the red block!"
    assert words.encode(words.familiar("elevate the red block")) == words.encode("lift the red block")
    assert words.spelled("elevate the cuboid") == 0.0 < words.spelled("hochheben the block")
    words.save(tmp_path / "tokenizer.json")
    assert json.loads((tmp_path / "synonyms.json").read_text()) == words.synonyms
    assert Words.load(tmp_path / "tokenizer.json").synonyms == words.synonyms
