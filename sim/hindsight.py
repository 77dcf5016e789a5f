"""Further goals for a table that is laid already, so that what lies there does not give away what is wanted.

Goals come from the tasks' own training templates; their plans are the symbolic planner's on the same facts. Nothing is
rendered or moved for them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from embodied import registry
from policies.symbolic import DIRECTIONS, Facts, Want, on_top_of
from sim import language
from sim.clauses import FLAT, WORDS, said
from sim.nonsense import made_up
from sim.scene import Item
from sim.task import Episode


def _kind(want: Want) -> str:
    """Which of the small jobs (sim/clauses.py) a want is."""
    if want.relation == "on":
        return "on zone" if want.b[0].endswith("zone") else "on thing"
    return {"in": "in bowl", "pushed": "push"}.get(want.relation, "beside")


def another(items: Sequence[Item], facts: Facts, rng: np.random.Generator) -> Episode | None:
    """An episode with the same items, a goal of its own and its sentence; None when the drawn kind does not fit the table."""
    movable = [item.name for item in items if item.movable]
    order = [movable[i] for i in rng.permutation(len(movable))]
    flat = [name for name in order if name.split()[1] in FLAT]
    bowls, zones = ([item.name for item in items if item.shape == shape] for shape in ("bowl", "zone"))

    def one(keys: str, used: Sequence[str]) -> tuple[Want, dict[str, str]] | None:
        """A want about two things, and their placeholders."""
        a = next((name for name in order if name not in used), None)
        relation = ("in", "on", "pushed", "beside", "beside")[rng.integers(5)]
        if relation == "beside":
            relation = tuple(DIRECTIONS)[rng.integers(4)]
        pool = {"in": bowls, "pushed": zones, "on": [*flat, *zones]}.get(relation, movable)
        pool = [name for name in pool if name != a and name not in used]
        if a is None or not pool or (relation == "pushed" and a not in flat):
            return None
        b = pool[rng.integers(len(pool))]
        return Want(relation, a, (b,)), {keys[0]: a, keys[1]: b}

    phrases: dict[str, str] = {}
    kind = (
        "pick",
        "reach",
        "unstack-then-pick",
        "two",
        "two",
        "two",
        "two",
        "between",
        "tower-in-order",
        "line-up",
        "compound",
    )[rng.integers(11)]
    if kind in ("pick", "reach", "unstack-then-pick"):
        if not order:
            return None
        covered = [name for name in order if on_top_of(facts, name)]
        a = covered[0] if covered and rng.random() < 0.6 else order[0]
        task, names = kind, {"a": a}
        wants: tuple[Want, ...] = (Want("reached" if kind == "reach" else "held", a),)
        if task == "unstack-then-pick" and not any(other != a for other in movable):
            return None
    elif kind == "two":
        made = one("ab", ())
        if made is None:
            return None
        wants, names = (made[0],), made[1]
        relation, below = made[0].relation, made[0].b[0]
        if relation == "on" and below in zones:
            return None  # said by compound goals only
        task = {"in": "place-in-bowl", "on": "stack-two", "pushed": "push-to-zone"}.get(relation, "spatial-relation")
        if task == "spatial-relation":
            phrases = {"relation": WORDS[relation], "where": "{relation} {b}"}
    elif kind == "between":
        if len(order) < 3:
            return None
        a, b, c = order[:3]
        task, names, wants = "spatial-relation", {"a": a, "b": b, "c": c}, (Want("between", a, (b, c)),)
        phrases = {"relation": "[between|in between]", "where": "{relation} {b} and {c}"}
    elif kind in ("tower-in-order", "line-up"):
        # Lists of two as well: how long a list is must not be what is learnt.
        count = min(2 + int(rng.integers(3 if kind == "tower-in-order" else 2)), len(order))
        pile = order[:count]
        if kind == "tower-in-order":
            below = flat[: count - 1]
            pile = [*below, *(name for name in order if name not in below)][:count]
        if len(pile) < 2 or (kind == "tower-in-order" and len(flat) < count - 1):
            return None
        letters = "abcd"[:count]
        task, names = kind, dict(zip(letters, pile, strict=True))
        relation, (up, down) = ("on", ("up", "down")) if kind == "tower-in-order" else ("right of", ("list", "back"))
        wants = tuple(Want(relation, later, (earlier,)) for earlier, later in itertools.pairwise(pile))
        phrases = {up: language.listing(letters), down: language.listing(letters[::-1])}
    else:
        first = one("ab", ())
        second = one("cd", [*first[1].values()]) if first else None
        if first is None or second is None:
            return None
        task, names, wants = "compound", first[1] | second[1], (first[0], second[0])
        phrases = {
            key: said(_kind(want), letters[0], letters[1], want.relation)
            for key, (want, _), letters in (("first", first, "ab"), ("second", second, "cd"))
        }
        phrases |= {f"doing_{key}": phrase for key, phrase in phrases.items()}
    if any(want.a == facts.held and want.relation in ("reached", "pushed") for want in wants):
        return None
    episode = Episode(task, tuple(items), wants, "", {}, "", names, phrases, False)
    return registry.build("task", task).retold(episode, rng, "train")


def unheard(items: Sequence[Item], rng: np.random.Generator) -> tuple[str, list[str]]:
    """A sentence of one or two made-up jobs about these things, and the words of each, none where it is one."""
    names, phrases = made_up([item.name for item in items], rng)
    compound = registry.build("task", "compound")
    if len(phrases) == 1:
        words = {key: language.refer(name, rng, ()) for key, name in names.items()}
        return language.finish(language.goal(f"@ {phrases['first']} @", words, rng), rng), []
    phrases |= {f"doing_{key}": phrase for key, phrase in phrases.items()}
    made = compound.retold(Episode("compound", tuple(items), (), "", {}, "", names, phrases, False), rng, "train")
    return made.goal, list(made.parts)
