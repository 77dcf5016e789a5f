"""The six tests of PaLM-E's appendix B.1 as questions about a scene, in our own words, and what counts as an answer.

q1 colour; q2 left, right or centre; q3 above or below; q4 whether a plan is possible; p1 how to grasp; p2 how to stack. A cube is
called by its colour or as an entity <obj_j>; plans name entities, which is what a robot needs. q4 is answered step by step up to
the first that is not possible: the plan is possible when the last answer is yes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from embodied.model.tokens import NO, YES
from embodied.plan import COLOURS
from sim.scene import Y
from sim.tamp.rules import State, Step, after, carried_out, grasping, stacking, state, verdicts
from sim.tamp.scene import Cube, Scene

KINDS = ("q1", "q2", "q3", "q4", "p1", "p2")
CENTRE = Y[1] / 3  # m, half the middle third of the table
PHRASES = {
    "q1": ("what colour is {a}", "which colour has {a}", "name the colour of {a}"),
    "q2": ("is {a} left , right or centre of the table", "where on the table is {a}"),
    "above": ("is {a} above {b}", "does {a} lie above {b}", "is {a} somewhere on top of {b}"),
    "below": ("is {a} below {b}", "does {a} lie below {b}", "is {a} somewhere under {b}"),
    "q4": ("is it possible to first {steps}", "can one first {steps}", "does this work : {steps}"),
    "p1": ("how to grasp {a}", "what to do to grasp {a}", "how does one get hold of {a}"),
    "p2": ("how to stack {a} on {b}", "how to put {a} on top of {b}", "what to do to get {a} onto {b}"),
}
ABROAD = {  # of the evaluation alone: languages that training never has
    "german": {"p1": ("wie greift man {a}",), "p2": ("wie stapelt man {a} auf {b}",)},
    "russian": {"p1": ("как взять {a}",), "p2": ("как поставить {a} на {b}",)},
}
_ABROAD = {  # colours in the order of embodied.plan.COLOURS, as the questions bend them
    "german": "roten orangen gelben grünen türkisen blauen violetten rosa weißen schwarzen",
    "russian": "красный оранжевый жёлтый зелёный голубой синий фиолетовый розовый белый чёрный",
}
COLOURS_ABROAD: dict[str, dict[str, str]] = {
    name: dict(zip(COLOURS, words.split(), strict=True)) for name, words in _ABROAD.items()
}
THE = {"english": "the {} block", "german": "den {} Block", "russian": "{} кубик"}


@dataclass(frozen=True)
class Question:
    """text: as it is asked. answer: one that is right. right: whether an answer is. most: steps of the plan asked about (q4).
    holds: whether a table is as the plan that is asked for (p1, p2) should leave it."""

    kind: str
    text: str
    answer: str
    right: Callable[[str], bool]
    most: int = 0
    holds: Callable[[State], bool] | None = None


def called(cube: Cube, rng: np.random.Generator, entities: float = 0.5, language: str = "english") -> str:
    """What a cube is called: <obj_j> with that probability, else by its colour."""
    if rng.random() < entities:
        return f"<obj_{cube.label}>"
    colour = cube.colour if language == "english" else COLOURS_ABROAD[language][cube.colour]
    return THE[language].format(colour)


def written(steps: Sequence[Step]) -> str:
    """A plan's steps as the model says them."""
    return " ".join(f"{skill} {f'<obj_{label}>' if label else 'table'}" for skill, label in steps)


def read(text: str) -> list[Step] | None:
    """The steps of such a text; None when it is none."""
    words = text.split()
    if len(words) % 2 or set(words[::2]) - {"grasp", "place"}:
        return None
    try:
        return [(skill, 0 if what == "table" else int(what.removeprefix("<obj_").removesuffix(">")))
                for skill, what in zip(words[::2], words[1::2], strict=True)]  # fmt: skip
    except ValueError:
        return None


def shown(steps: Sequence[Step], scene: Scene) -> str:
    """A plan in English."""
    names = {cube.label: f"the {cube.colour} block" for cube in scene} | {0: "the table"}
    said = [f"grasp {names[x]}" if skill == "grasp" else f"place it on {names[x]}" for skill, x in steps]
    return ("first " if len(said) > 1 else "") + ", then ".join(said)


def done(steps: Sequence[Step] | None, now: State, holds: Callable[[State], bool]) -> bool:
    """Whether the steps can be carried out and the goal holds then."""
    end = None if steps is None else carried_out(steps, now)
    return end is not None and holds(end)


def ask(
    kind: str,
    scene: Scene,
    rng: np.random.Generator,
    entities: float = 0.5,
    language: str = "english",
    long: bool = False,
) -> Question:
    """A question of that kind. Answers of q3 and q4 are yes as often as no; half of the plans need something out of the way first,
    where that can be had. long: a plan (p2) that needs as much as any on this table."""
    now = state(scene)
    cubes = {cube.label: cube for cube in scene}

    def name(label: int) -> str:
        return called(cubes[label], rng, entities, language) if label else "the table"

    def phrase(which: str) -> str:
        options = PHRASES[which] if language == "english" else ABROAD[language][which]
        return options[rng.integers(len(options))]

    labels = [scene[i].label for i in rng.permutation(len(scene))]
    a = labels[0]
    if kind == "q1":
        return _exact(kind, phrase(kind).format(a=f"<obj_{a}>"), cubes[a].colour)
    if kind == "q2":
        y = cubes[a].position[1]
        return _exact(
            kind, phrase(kind).format(a=name(a)), "left" if y < -CENTRE else "right" if y > CENTRE else "centre"
        )
    if kind == "q3":
        over = {(one, two) for two in labels for one in now.over(two)}
        a, b, which = _pair(labels, over, rng)
        true = (a, b) in over if which == "above" else (b, a) in over
        return _exact(kind, phrase(which).format(a=name(a), b=name(b)), YES if true else NO)
    if kind == "q4":
        steps = _some_steps(now, rng)
        said = [
            f"grasp {name(x)}" if skill == "grasp" else f"place it on {name(x)}" for skill, x in steps
        ]  # fmt: skip
        good = verdicts(steps, now)
        answer = " ".join(YES if one else NO for one in good)
        text = phrase(kind).format(steps=" , then ".join(said))
        return Question(kind, text, answer, lambda said: said.split()[-1:] == [YES if good[-1] else NO], len(steps))
    if kind == "p1":
        covered = [x for x in labels if now.on(x)]
        a = covered[0] if covered and rng.random() < 0.5 else a
        return _plan(kind, phrase(kind).format(a=name(a)), grasping(a, now), now, lambda end: end.held == a)
    pairs = [(x, y) for x in labels for y in labels if x != y and now.below[x] != y and now.level(y) < 4]
    hard = [(x, y) for x, y in pairs if now.on(x) or now.on(y)]
    if not pairs:  # a tower of all: its top cannot go anywhere that it is not, and the rest is asked about
        pairs = [(x, y) for x in labels for y in labels if x != y and now.below[x] != y]
    pool = hard if hard and rng.random() < 0.5 else pairs
    if long:
        needs = {(x, y): len(stacking(x, y, now)) for x, y in pairs}
        pool = [pair for pair in pairs if needs[pair] == max(needs.values())]
    a, b = pool[rng.integers(len(pool))]
    text = phrase(kind).format(a=name(a), b=name(b))
    return _plan(kind, text, stacking(a, b, now), now, lambda end: end.below.get(a) == b and not end.held)


def _exact(kind: str, text: str, answer: str) -> Question:
    return Question(kind, text, answer, lambda said: said == answer)


def _plan(kind: str, text: str, steps: list[Step], now: State, holds: Callable[[State], bool]) -> Question:
    return Question(kind, text, written(steps), lambda said: done(read(said), now, holds), holds=holds)


def _pair(labels: Sequence[int], over: set[tuple[int, int]], rng: np.random.Generator) -> tuple[int, int, str]:
    """Two cubes and above or below: over all tables so in half of the cases. False ones are of one tower or of two."""
    which = ("above", "below")[rng.integers(2)]
    pairs = sorted(over)
    if pairs and rng.random() < 0.8:  # a fifth of the tables have no tower, and can only be asked for a no
        high, low = pairs[rng.integers(len(pairs))]
        turned = rng.random() < 0.225
        a, b = (high, low) if (which == "above") != turned else (low, high)
        return a, b, which
    apart = [(x, y) for x in labels for y in labels if x != y and (x, y) not in over and (y, x) not in over]
    if not apart:
        high, low = pairs[rng.integers(len(pairs))]
        return (low, high, "above") if which == "above" else (high, low, "below")
    return *apart[rng.integers(len(apart))], which


def _some_steps(now: State, rng: np.random.Generator) -> list[Step]:
    """One to four steps that are possible, or whose last one is not, as often as the other."""
    labels, wanted = list(now.below), rng.random() < 0.5
    for _ in range(200):
        a, b, c, d = (labels[i] for i in rng.integers(len(labels), size=4))
        b, d = (0 if rng.random() < 0.25 else x for x in (b, d))
        steps: list[Step] = [("grasp", a), ("place", b), ("grasp", c), ("place", d)]
        steps = steps[: (1, 2, 3, 3, 3, 4)[rng.integers(6)]]
        if any(one == two for one, two in zip([x for _, x in steps[::2]], [x for _, x in steps[1::2]], strict=False)):
            continue  # nothing is put onto itself
        good = verdicts(steps, now)
        if good[-1] == wanted:
            return steps[: len(good)] if wanted or rng.random() < 0.5 else steps
    return [("grasp", next(label for label in labels if not now.on(label)))]


# --- goals of the evaluation alone


def unseen_goal(kind: str, scene: Scene) -> Question | None:
    """A goal that training never has; None where the scene does not tell which cubes are meant.

    two: "grasp the two on the left": each has been in the hand. ends: the leftmost onto the rightmost."""
    now = state(scene)
    order = sorted(scene, key=lambda cube: cube.position[1])
    ys = [cube.position[1] for cube in order]
    if kind == "two":
        if ys[2] - ys[1] < 0.03:
            return None
        pair = [order[0].label, order[1].label]
        first, second = sorted(pair, key=now.level, reverse=True)
        steps = [*grasping(first, now), ("place", 0)]
        middle = carried_out(steps, now)
        assert middle is not None
        steps += grasping(second, middle)
        return Question(
            kind, "grasp the two on the left", written(steps), lambda said: _held_all(read(said), now, pair)
        )
    if ys[1] - ys[0] < 0.03 or ys[-1] - ys[-2] < 0.03:
        return None
    a, b = order[0].label, order[-1].label
    text = "stack the leftmost block on the rightmost block"
    return _plan(kind, text, stacking(a, b, now), now, lambda end: end.below.get(a) == b and not end.held)


def _held_all(steps: Sequence[Step] | None, now: State, wanted: Sequence[int]) -> bool:
    met: set[int] = set()
    for step in steps or ():
        later = after(step, now)
        if later is None:
            return False
        now = later
        met.add(now.held)
    return steps is not None and set(wanted) <= met
