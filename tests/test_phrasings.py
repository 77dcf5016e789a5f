"""What training says and what is held out are two sets of sentences, with all alternatives written out."""

from __future__ import annotations

import itertools
import re
from functools import cache

import numpy as np
import pytest

from embodied.registry import build, choices
from sim import language
from sim.clauses import CLAUSES, OWN, WORDS, said
from sim.phrasings import _read, clause, further
from sim.scene import Layout

CHOICE = re.compile(r"\[([^\[\]]*)\]")
TASKS = choices("task")
EXPANSIONS = 20_000  # a template with more of them could not be looked through


def expansions(template: str) -> set[str]:
    """Every sentence of a template, placeholders unfilled."""
    out, todo = set(), [template]
    while todo:
        text = todo.pop()
        found = CHOICE.search(text)
        if found is None:
            out.add(text)
            continue
        todo += [text[: found.start()] + option + text[found.end() :] for option in found[1].split("|")]
        assert len(todo) + len(out) < EXPANSIONS, template
    return out


def form(text: str) -> str:
    """As it is compared: small letters, tidy, without the final mark, which people leave out; the relation is a word."""
    text = text.replace("{where}", "{relation} {b}").replace("@", " ").lower()
    return language.tidy(text).strip(".!? ")


@cache
def trained() -> dict[str, set[tuple[bool, bool]]]:
    """Sentence -> whether training puts an opening before it and a closing behind it."""
    out: dict[str, set[tuple[bool, bool]]] = {}
    for task in TASKS:
        for template in build("task", task).templates():
            for text in expansions(template):
                out.setdefault(form(text), set()).add((text.startswith("@"), text.endswith("@")))
    for kind, own in OWN.items():
        for text in expansions(said(kind, "a", "b", "left of")) | expansions(clause(kind.replace(" ", "-"), own)):
            for relation in ("{relation}", *expansions(WORDS["left of"])):
                out.setdefault(form(text.replace("{relation}", relation)), set()).add((False, False))
    return out


def stripped(text: str) -> list[tuple[str, bool, bool]]:
    """The sentence, and it without what training may put before and behind it: (rest, opened, closed)."""
    openings = (*language.OPENINGS, *further("openings"))
    closings = (*language.CLOSINGS, *further("closings"))
    starts = {text: False}
    for _ in range(2):  # "hey robot, could you"
        for start, opening in itertools.product(list(starts), openings):
            if start.startswith(language.tidy(opening) + " "):
                starts[start[len(language.tidy(opening)) :].strip(" ,")] = True
    out = [(start, opened, False) for start, opened in starts.items()]
    for closing in closings:
        out += [
            (start.removesuffix(language.tidy(closing)).strip(" ,"), opened, True)
            for start, opened in starts.items()
            if start.endswith(language.tidy(closing))
        ]
    return out


def known(text: str) -> bool:
    """Whether training can produce this sentence."""
    return any(
        (has_opening or not opened) and (has_closing or not closed)
        for rest, opened, closed in stripped(form(text))
        for has_opening, has_closing in trained().get(rest, ())
    )


def test_the_comparison_finds_what_training_says() -> None:
    for text in (
        "pick up {a}",
        "could you pick up {a} ?",
        "Hey robot, could you pick up {a} for me",
        "swap {a} and {b}!",
    ):
        assert known(text), text
    assert not known("juggle {a} and {b}")


@pytest.mark.parametrize("task", TASKS)
def test_no_training_sentence_is_a_held_out_one(task: str) -> None:
    both = [text for held in build("task", task).templates(True) for text in expansions(held) if known(text)]
    assert not both, both


def test_no_clause_of_training_is_a_held_out_one() -> None:
    rng, both = np.random.default_rng(0), set()
    for make in CLAUSES:
        for _ in range(6):  # all relations
            for _ in range(100):
                layout = Layout(rng, "phrasings")
                try:
                    phrase = make(layout, "a", "b").phrase
                except Exception:  # crowded: another try
                    continue
                break
            both |= {text for text in expansions(phrase) if known(text)}
    assert not both, both


@pytest.mark.parametrize("task", TASKS)
def test_thirty_percent_of_each_tasks_templates_are_held_out(task: str) -> None:
    made = build("task", task)
    train, held = made.templates(), made.templates(True)
    assert len(set(train)) == len(train) and len(set(held)) == len(held) and not {*train} & {*held}
    assert len(train) >= 50 and len(held) >= 0.3 * (len(train) + len(held))
    assert set(further(task)) <= set(train) and set(further(task, True)) <= set(held)
    assert all(language.slots(t) <= set(made.slots) for t in (*train, *held))


def test_openings_and_closings_are_held_out_too() -> None:
    for name, own, held in (
        ("openings", language.OPENINGS, language.OPENINGS_HELD_OUT),
        ("closings", language.CLOSINGS, language.CLOSINGS_HELD_OUT),
    ):
        assert further(name) and not {*own, *further(name)} & {*held, *further(name, True)}


def test_the_files_name_tasks_and_clauses_that_there_are() -> None:
    there = {*TASKS, *(f"clause-{kind.replace(' ', '-')}" for kind in OWN), "openings", "closings"}
    assert set(_read("phrasings.yaml")) == there and set(_read("phrasings_held_out.yaml")) <= there
    assert set(_read("phrasings_held_out.yaml")) >= set(TASKS)
    for kind, own in OWN.items():  # every further clause says the same two things, and is said as an imperative
        for template in further(f"clause-{kind.replace(' ', '-')}"):
            assert language.slots(template) == language.slots(own)
            assert all(text[0].isalpha() and text == language.tidy(text) for text in expansions(template)), template


@pytest.mark.parametrize("task", TASKS)
def test_templates_are_well_formed(task: str) -> None:
    made = build("task", task)
    for template in (*made.templates(), *made.templates(True)):
        assert template.count("[") == template.count("]") and template.count("{") == template.count("}"), template
        for text in expansions(template):
            assert not re.search(r"[\[\]|]", text) and "@" not in text[1:-1], template
            assert language.tidy(text.replace("@", "")), template
