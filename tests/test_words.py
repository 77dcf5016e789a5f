"""Tables in words follow the rules that the simulator's own facts follow, and unknown words are read as known ones."""

from __future__ import annotations

import json

import numpy as np
import pytest

from embodied import registry
from embodied.model.tokens import Words, train_vocabulary
from embodied.plan import step
from policies.expert import grounded
from policies.judge import step_holds
from policies.symbolic import holds, remaining
from sim.camera import front
from sim.scene import facts
from sim.task import seed_of
from sim.words import TASKS, after, heaped, moments


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
    assert any(not record.plan for record in one) or any(record.refusal for record in one)
    assert any(where.endswith("zone") for record in one for where in record.lies.values())  # they start on their zones


def test_unknown_words_are_read_as_known_ones(tmp_path) -> None:
    words = Words(train_vocabulary(["lift the red block"] * 2, []), {"elevate": "lift", "cuboid": "block"})
    assert words.familiar("Elevate the red cuboid!") == "lift the red block!"
    assert words.encode(words.familiar("elevate the red block")) == words.encode("lift the red block")
    assert words.spelled("elevate the cuboid") == 0.0 < words.spelled("hochheben the block")
    words.save(tmp_path / "tokenizer.json")
    assert json.loads((tmp_path / "synonyms.json").read_text()) == words.synonyms
    assert Words.load(tmp_path / "tokenizer.json").synonyms == words.synonyms
