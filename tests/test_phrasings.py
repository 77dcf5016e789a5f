"""What training says and what is held out are two sets of sentences, with all alternatives written out."""

from __future__ import annotations

import contextlib
import itertools
import re
from functools import cache

import numpy as np
import pytest

from embodied.registry import build, choices
from sim import language
from sim.clauses import CLAUSES, OWN, WORDS, said
from sim.phrasings import _read, clause, further
from sim.scene import Crowded, Layout

TASKS = choices("task")
EXPANSIONS = 20_000  # a template with more of them could not be looked through


def expansions(template: str) -> set[str]:
    """Every sentence of a template, placeholders unfilled; outer alternatives are chosen first, or the others' inner ones
    would multiply."""
    out, todo = set(), [template]
    while todo:
        text = todo.pop()
        if "[" not in text:
            out.add(text)
            continue
        start = at = text.index("[")
        options, depth = [""], 0
        for at in range(start, len(text)):
            depth += (text[at] == "[") - (text[at] == "]")
            if depth == 0:
                break
            if depth == 1 and text[at] == "|":
                options.append("")
            elif at > start:
                options[-1] += text[at]
        todo += [text[:start] + option + text[at + 1 :] for option in dict.fromkeys(options)]
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
    for text in clauses():
        out.setdefault(text, set()).add((False, False))
    return out


@cache
def clauses() -> frozenset[str]:
    """What training says of small jobs, which are sentences too where the parts of a longer one are asked for."""
    made = [clause(kind.replace(" ", "-"), own) for kind, own in OWN.items()]
    made += [said("beside", "a", "b", relation) for relation in WORDS]
    return frozenset(form(text) for template in made for text in expansions(template))


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
    rng, phrases = np.random.default_rng(0), set()
    for make in CLAUSES:
        for _ in range(60):  # all relations
            with contextlib.suppress(Crowded):
                phrases.add(make(Layout(rng, "phrasings"), "a", "b").phrase)
    held = {form(text) for phrase in phrases for text in expansions(phrase)}
    assert len(phrases) == 8 and not held & clauses(), held & clauses()


@pytest.mark.parametrize("task", TASKS)
def test_thirty_percent_of_each_tasks_templates_are_held_out(task: str) -> None:
    made = build("task", task)
    train, held = set(made.templates()), set(made.templates(True))
    assert len(train) >= 50 and len(held) >= 0.3 * (len(train) + len(held))
    assert set(further(task)) <= train and set(further(task, True)) <= held and not train & held
    assert all(language.slots(t) <= set(made.slots) for t in train | held)


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
            assert all(text[0].isalpha() for text in expansions(template)), template


@pytest.mark.parametrize("task", TASKS)
def test_templates_are_well_formed(task: str) -> None:
    made = build("task", task)
    for template in (*made.templates(), *made.templates(True)):
        assert template.count("[") == template.count("]") and template.count("{") == template.count("}"), template
        for text in expansions(template):
            assert not re.search(r"[\[\]|]", text) and "@" not in text[1:-1], template
            assert language.tidy(text.replace("@", "")), template
