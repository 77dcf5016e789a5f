"""What may be decoded: plans that parse, jobs about listed things, parts that stand in the sentence, listings read back."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from embodied.model.grammar import Grammar
from embodied.model.lessons import listing
from embodied.model.tokens import ABSENT, LINE, UNCLEAR, Words, train_vocabulary
from embodied.plan import COLOURS, HELD, PLACES, SHAPES, locate, plain, read, step
from embodied.types import Point
from tests.test_model import INPUTS

TEXT = "red block <x010><y020>\nblue bowl <x030><y040>\ngreen brick <x050><y060>\nwhite block in hand"
GOALS = (
    "first put the red block in the bowl, then put the red brick in the bowl",
    "pick it",
    "a a b a a a b",
    "xqzt, wvbn",
)


def made_words(cache: list[Words] = []) -> Words:  # noqa: B006 - one vocabulary for all examples
    if not cache:
        cache.append(Words(train_vocabulary([], INPUTS)))
    return cache[0]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_whatever_is_decoded_parses(seed: int) -> None:
    words = made_words()
    grammar, rng, out = Grammar(words, most_steps=4), np.random.default_rng(seed), []
    while (token := int(rng.choice(grammar.steps(out)))) != grammar.eos:
        out.append(token)
    assert len(read(words.decode(out)).steps) <= 4


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_listing_names_all_once_and_is_read_back(seed: int) -> None:
    words, rng = made_words(), np.random.default_rng(seed)
    grammar = Grammar(words)
    names = [f"{COLOURS[i]} {(SHAPES + PLACES)[j]}" for i, j in {tuple(rng.integers(0, 5, 2)) for _ in range(6)}]
    at = {name: rng.random(2) for name in names}
    lies = {name: f"on {below}" for name, below in pairwise(names) if rng.random() < 0.5}
    held = {"white block": HELD} if rng.random() < 0.5 else {}
    said = listing({n: Point(*p) for n, p in at.items()}, lies | held)
    lines = said.split(LINE)
    assert sorted(" ".join(line.split()[:2]) for line in lines) == sorted(
        [*at, *held]
    )  # each once, though they lie in chains
    for name, where in lies.items():
        assert any(line.startswith(name) and line.endswith(where) for line in lines)
    known = grammar.placed(words.encode(said))
    assert {words.decode(name) for name in known} == {*at, *held}
    for name, one in known.items():
        below, point = lies.get(words.decode(name), "on ")[3:], at.get(words.decode(name))
        assert words.decode(one.below or ()) == below
        assert words.decode(one.point).replace(" ", "") == ("" if point is None else locate(Point(*point)))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_plan_names_what_was_listed_where_it_was_listed(seed: int) -> None:
    words, rng, out = made_words(), np.random.default_rng(seed), []
    grammar = Grammar(words, most_steps=5)
    text = "red block <x010><y020>\nblue bowl <x030><y040>\ngreen brick <x050><y060>\nwhite block in hand"
    known = grammar.placed(words.encode(text))
    while (token := int(rng.choice(grammar.steps(out, known)))) != grammar.eos:
        out.append(token)
    moved: set[str] = set()
    for one in read(words.decode(out)).steps:
        names = [arg for arg in one.args if " " in arg and arg.split()[1] in SHAPES + PLACES]
        assert set(names) <= {"red block", "blue bowl", "green brick", "white block"}
        meant = names[1:] if one.skill == "put" else names
        for name, point in zip(meant, one.points, strict=False):
            if name in text and name not in moved | {"white block"}:
                assert locate(point) in text.split(name)[1].splitlines()[0]
        if one.skill in ("put", "push"):
            moved.add(names[0])


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sets(st.sampled_from(["red block", "blue bowl", "pink zone", "green brick"])),
    st.booleans(),
)
def test_a_job_parses_and_names_listed_things_once_whatever_is_listed(seed: int, names: set[str], first: bool) -> None:
    words, rng, out = made_words(), np.random.default_rng(seed), []
    grammar = Grammar(words)
    known = grammar.placed(words.encode("\n".join(f"{name} <x010><y020>" for name in sorted(names))))
    while may := grammar.job(out, known, first):
        if (token := int(rng.choice(may))) == grammar.eos:
            break
        out.append(token)
    said = words.decode(out)
    assert may, f"nothing may follow {said!r} when {sorted(names)} are listed"
    if said.startswith((ABSENT, UNCLEAR)) or not said:
        assert first == bool(said) and len(said.split()) in (0, 1, 3)
        return
    meant = [arg for arg in step(said).args if " " in arg and arg.split()[1] in SHAPES + PLACES]
    assert set(meant) <= names and len(set(meant)) == len(meant)


def test_every_step_about_listed_things_is_a_job_that_may_be_said() -> None:
    words = made_words()
    grammar = Grammar(words)
    known = grammar.placed(words.encode(TEXT))
    for text in (
        "reach blue bowl", "pick white block", "put red block on table", "put red block in blue bowl",
        "put white block in front of blue bowl", "put red block between white block and green brick",
        "put green brick left of red block", "<absent> pink zone", "<unclear>",
    ):  # fmt: skip
        tokens = [*words.encode(text), grammar.eos]
        for first in (True, False) if text[0] != "<" else (True,):
            assert all(token in grammar.job(tokens[:k], known, first) for k, token in enumerate(tokens)), text
    assert grammar.eos not in grammar.job([], known) and grammar.eos in grammar.job([], known, False)
    assert not {grammar.absent, grammar.unclear} & {*grammar.job([], known, False)}


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(GOALS))
def test_a_part_is_a_run_of_the_goals_words(seed: int, goal: str) -> None:
    words, rng, out = made_words(), np.random.default_rng(seed), []
    grammar, ids = Grammar(words), words.encode(goal)
    while (token := int(rng.choice(grammar.part(out, ids)))) != grammar.eos:
        out.append(token)
    assert any(ids[i : i + len(out)] == out for i in range(len(ids)))
    for start in range(len(ids)):  # and every run of words may be said
        for stop in [start, *range(start + 3, len(ids) + 1)]:  # of three words at least
            said = [*ids[start:stop], grammar.eos]
            assert all(token in grammar.part(said[:k], ids) for k, token in enumerate(said))


def test_a_part_cannot_go_on_past_the_goal() -> None:
    words = made_words()
    grammar, ids = Grammar(words), words.encode("put red block on table")
    assert grammar.part(words.encode("on table"), ids) == [grammar.eos]
    assert set(grammar.part(words.encode("on"), ids)) == {words["table"]}  # three words at least
    assert set(grammar.part(words.encode("put red block"), ids)) == {words["on"], grammar.eos}
    assert set(grammar.part([], ids)) == {*ids, grammar.eos}


def test_where_something_is_left_to_do_a_plan_is_not_empty() -> None:
    words = made_words()
    grammar = Grammar(words)
    known = grammar.placed(words.encode(TEXT.replace("white block in hand", "white block <x070><y010>")))
    assert {*grammar.steps([], known)} - {*grammar.steps([], known, some=True)} == {grammar.eos}
    line = words.encode("pick red block <x010><y020>")
    assert grammar.steps(line, known) == grammar.steps(line, known, some=True)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(
        ["put red block on blue zone", "put red block on white block", "pick red block", "push red block to blue zone",
         "put red block left of white block", "put red block on table", "reach red block", "put white block on red block"]
    ),
)  # fmt: skip
def test_the_steps_of_a_job_end_with_it_and_move_what_is_in_the_way_alone(seed: int, job: str) -> None:
    words, rng, out = made_words(), np.random.default_rng(seed), []
    grammar = Grammar(words)
    text = "red block <x010><y020>\ngreen brick <x010><y018> on red block\npink brick <x050><y060>\n"
    known = grammar.placed(words.encode(text + "white block <x070><y010>\nblue zone <x030><y090>"))
    while (token := int(rng.choice(grammar.steps(out, known, True, words.encode(job))))) != grammar.eos:
        out.append(token)
    steps = read(words.decode(out)).steps
    assert steps[-1].text == job
    clear = [step("pick green brick"), step("put green brick on table")]
    assert [one.text for one in steps[:2]] == [one.text for one in clear]  # it lies on the red block in any case
    own = " ".join(job.split()[1:3])
    assert all(one.args[0] == own for one in steps[2:]) and len(steps) == (4 if job.startswith("put") else 3)


def test_things_lie_below_what_lies_on_them_in_the_order_of_the_picture() -> None:
    across = {"red block": 0.7, "blue bowl": 0.2, "green brick": 0.1, "pink zone": 0.9, "white block": 0.0}
    lies = {"green brick": "on red block", "white block": HELD}
    said = plain(listing({name: Point(u, 0.5) for name, u in across.items()}, lies).replace(LINE, "\n")).split("\n")
    assert [line.strip() for line in said] == [
        "white block in hand", "blue bowl", "red block", "green brick on red block", "pink zone",
    ]  # fmt: skip


def test_unknown_words_are_spelled_and_counted() -> None:
    words = made_words()
    assert words.spelled("pick red block") == 0.0 and words.spelled("nimm den klotz") == 1.0
    assert words.decode(words.encode("pick quokka")) == "pick quokka"
