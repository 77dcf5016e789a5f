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
def test_every_split_uses_the_templates_that_it_may(task: str) -> None:
    made = build("task", task)
    train, held = set(made.templates()), set(made.templates(True))
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
                again = [retell(episode, RNG(seed), split) for seed in range(8)]
                assert len({one.goal for one in again}) >= 6
                assert retell(episode, RNG(1), split) == again[1]
                kept = ("task", "items", "wants", "names", "phrases", "held_out")
                assert all(getattr(one, name) == getattr(episode, name) for one in again for name in kept)


@pytest.mark.parametrize("split", ["train", "seen", "compositions"])
@pytest.mark.parametrize("task", choices("task"))
def test_parts_stand_in_the_sentence_and_say_their_jobs(task: str, split: str) -> None:
    told_apart = 0
    for episode in told(task, split):
        if "first" not in episode.phrases:
            assert not episode.parts
            continue
        told_apart += 1
        assert len(episode.parts) == sum(key in episode.phrases for key in ("first", "second", "third"))
        for part in episode.parts:
            assert re.search(rf"(?<!\w){re.escape(part)}(?!\w)", episode.goal)
            assert part == language.tidy(part) and not re.search("[\ue000-\ue003]", episode.goal + part)
        if split == "train":
            continue  # typos
        for key, part in zip(("first", "second", "third"), episode.parts, strict=False):
            for name in language.slots(episode.phrases[key]) & episode.names.keys():
                assert episode.words[name].lower() in part.lower()
    assert told_apart == 60 or task != "compound"


def test_parts_come_in_the_order_of_doing() -> None:
    one, two = (
        f"{mark} {words} {language.PART_END}" for mark, words in zip(language.PARTS, ("do a", "do b"), strict=False)
    )
    doing = f"{language.PARTS[0]} doing a {language.PART_END}"
    for text, goal, parts in (
        (f"{one}, then {two}.", "do a, then do b.", ("do a", "do b")),
        (f"{two} after {doing} !", "do b after doing a!", ("doing a", "do b")),
        (f"after {doing} , {two}", "after doing a, do b", ("doing a", "do b")),
        (f"{two}, but first {one}", "do b, but first do a", ("do a", "do b")),
        ("just do it", "just do it", ()),
    ):
        assert language.parts(text) == (goal, parts)


@pytest.mark.parametrize("seed", range(40))
def test_the_first_part_is_the_first_want(seed: int) -> None:
    """Whichever is said first, the parts are in the order of the wants."""
    episode = build("task", "compound").sample(RNG(seed), "seen")
    for again in (episode, *(retell(episode, RNG(k), "seen") for k in range(6))):
        for want, part in zip(again.wants, again.parts, strict=True):
            said = {again.words[key].lower() for key, name in again.names.items() if name in (want.a, *want.b)}
            assert said and all(words in part.lower() for words in said)


def test_a_sentence_that_begins_with_a_job_may_have_a_capital() -> None:
    begins = [e.goal for e in told("compound", "seen", 250) if e.goal.lower().startswith(e.parts[0].lower())]
    capital = np.mean([goal[0].isupper() for goal in begins])
    assert len(begins) > 30 and 0.25 < capital < 0.75


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
