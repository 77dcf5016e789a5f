"""Goals: enough different sentences, held-out ones kept apart, users' own templates, goals that name absent things."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

import numpy as np
import pytest

from embodied.errors import UserError
from embodied.registry import build, choices
from sim import language
from sim.scene import HELD_OUT
from sim.task import CHAIN, retell

RNG = np.random.default_rng


@cache
def told(task: str, split: str, count: int = 60):
    return [build("task", task).sample(RNG(seed), split) for seed in range(count)]


@pytest.mark.parametrize("task", choices("task"))
def test_enough_templates_and_thirty_percent_of_them_held_out(task: str) -> None:
    made = build("task", task)
    train, held = set(made.TRAIN), set(made.HELD_OUT)
    assert len(train) >= 20 and len(held) >= 0.3 * (len(train) + len(held)) and not train & held
    known = set(made.slots)
    assert all(language.slots(t) <= known for t in train | held)
    assert {e.template for e in told(task, "train") + told(task, "seen") + told(task, "pairs")} <= train
    assert {e.template for e in told(task, "phrasings")} <= held
    assert {e.template for e in told(task, "compositions")} <= train | set(CHAIN)


@pytest.mark.parametrize("task", choices("task"))
def test_sentences_are_clean_and_of_hundreds_of_forms(task: str) -> None:
    forms = Counter()
    for episode in told(task, "seen", 250):
        text = episode.goal
        assert not re.search(r"[\[\]{}|@]|\s{2}|\s[,.?!;:]|^\s|\s$", text), text
        lowered = text.lower().strip(".!?")
        for key, phrase in sorted(episode.words.items(), key=lambda kv: -len(kv[1])):
            lowered = lowered.replace(phrase.lower(), "{" + key + "}")
        forms[lowered] += 1
    assert len(forms) >= (70 if task == "compound" else 150), len(forms)  # its clauses vary too


def test_no_held_out_sentence_form_is_a_trained_one() -> None:
    for task in choices("task"):
        made = build("task", task)
        words = {slot: f"<{slot}>" for slot in made.slots}
        trained = {language.goal(t.replace("@", ""), words, RNG(s)) for t in made.TRAIN for s in range(6)}
        held = {language.goal(t.replace("@", ""), words, RNG(s)) for t in made.HELD_OUT for s in range(6)}
        assert not trained & held, trained & held


def test_goal_fills_a_users_template_and_refuses_unknown_placeholders() -> None:
    words = {"a": "the red block", "b": "the blue bowl"}
    assert language.goal("[chuck|throw] {a} [|right] into {b} !", words) == "chuck the red block into the blue bowl!"
    assert language.goal("@ take {a} @", words) == "take the red block"
    with pytest.raises(UserError, match=r"\{z\}"):
        language.goal("take {z}", words)


def test_retell_uses_only_templates_that_say_everything() -> None:
    for split in ("seen", "compositions", "pairs"):
        for episode in told("tower-in-order", split, 20):
            again = language.retell(episode, ["{up} , low to high", "{b} on {a}"], RNG(0))
            assert again.template == "{up} , low to high" and again.goal.endswith(", low to high")
    for episode in told("place-in-bowl", "compositions", 5):
        assert language.retell(episode, ["{a} into {b}"], RNG(0)) == episode


def test_told_anew_an_episode_keeps_its_things_and_wants() -> None:
    for task in choices("task"):
        for split in ("train", "phrasings", "compositions"):
            for episode in told(task, split, 3):
                goals = {retell(episode, RNG(seed), split) for seed in range(8)}
                assert len(goals) >= 6
                assert retell(episode, RNG(1), split) == retell(episode, RNG(1), split)


def test_instructions_are_checked() -> None:
    slots = {name: build("task", name).slots for name in choices("task")}
    assert language.instructions({"pick": ["nab {a}"]}, slots) == {"pick": ["nab {a}"]}
    for wrong in ({}, [], {"juggle": ["x"]}, {"pick": "nab {a}"}, {"pick": ["nab {b}"]}, {"pick": [""]}):
        with pytest.raises(UserError):
            language.instructions(wrong, slots)


@pytest.mark.parametrize("task", choices("task"))
def test_absent_names_a_thing_that_is_not_there(task: str) -> None:
    for seed, episode in enumerate(told(task, "seen") + told(task, "pairs", 10)):
        goal, name = language.absent(RNG(seed), episode)
        colour, shape = name.split()
        assert name not in {item.name for item in episode.items} | HELD_OUT and goal != episode.goal
        tints = (colour, *language.TINTS.get(colour, ()))
        assert any(tint in goal.lower() for tint in tints), (goal, name)
        assert any(noun in goal.lower() for noun in (*language.NOUNS[shape], *language.GENERIC)), (goal, name)


def test_loose_phrases_mean_one_thing() -> None:
    for episode in told("compound", "seen", 250):
        movable = [item.name for item in episode.items if item.movable]
        for key, name in episode.names.items():
            if set(re.split(r"[ -]", episode.words[key])) & set(language.GENERIC):
                assert sum(other.split()[0] == name.split()[0] for other in movable) == 1


def test_typos_only_in_training(monkeypatch: pytest.MonkeyPatch) -> None:
    told.cache_clear()
    made: list[str] = []
    monkeypatch.setattr(language, "_typo", lambda word, rng: made.append(word) or word)
    for split in ("seen", "pairs", "phrasings", "compositions", "distractors"):
        told("pick", split)
    assert not made
    words = sum(len(episode.goal.split()) for episode in told("pick", "train", 300))
    assert 0.005 * words < len(made) < 0.03 * words
    monkeypatch.undo()
    assert {language._typo("block", RNG(s)) for s in range(50)} <= {"bock", "blck", "blok", "bolck", "blcok", "blokc"}
