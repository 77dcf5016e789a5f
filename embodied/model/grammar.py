"""Which token may come next, so that every decoded plan parses and names only skills and things that exist.

A state machine over the step grammar of embodied/plan.py, written as a hook in the shape of transformers'
`prefix_allowed_tokens_fn`: tokens so far -> allowed next ids.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from embodied.model.tokens import ABSENT, EOS, LINE, NO, UNCLEAR, XS, YES, YS, Words
from embodied.plan import COLOURS, PLACES, SHAPES

# One line of a plan as a graph: state -> [(words that may stand here, next state)]. A name in capitals is a slot.
_GRAPH: dict[str, list[tuple[tuple[str, ...], str]]] = {
    "line": [(("reach",), "A1"), (("pick",), "A1"), (("put",), "B1"), (("push",), "C1")],
    "A1": [(COLOURS, "A2")],
    "A2": [(SHAPES + PLACES, "x-1")],
    "B1": [(COLOURS, "B2")],
    "B2": [(SHAPES, "B3")],
    "B3": [(("on",), "on"), (("in",), "in"), (("left", "right"), "of"), (("behind",), "R1"), (("between",), "T1")],
    "on": [(("table",), "x-1"), (COLOURS, "R2")],
    "in": [(("front",), "of"), (COLOURS, "R2")],
    "of": [(("of",), "R1")],
    "R1": [(COLOURS, "R2")],
    "R2": [(SHAPES + PLACES, "x-1")],
    "T1": [(COLOURS, "T2")],
    "T2": [(SHAPES + PLACES, "and")],
    "and": [(("and",), "T3")],
    "T3": [(COLOURS, "T4")],
    "T4": [(SHAPES + PLACES, "x-2")],
    "C1": [(COLOURS, "C2")],
    "C2": [(SHAPES, "to")],
    "to": [(("to",), "C3")],
    "C3": [(COLOURS, "C4")],
    "C4": [(PLACES, "x-2")],
    "x-2": [(XS, "y-2")],
    "y-2": [(YS, "x-1")],
    "x-1": [(XS, "y-1")],
    "y-1": [(YS, "end")],
    "end": [((LINE,), "line")],
}


# One line of the listing of what lies where.
_THINGS: dict[str, list[tuple[tuple[str, ...], str]]] = {
    "line": [(COLOURS, "shape")],
    "shape": [(SHAPES + PLACES, "place")],
    "place": [(("in",), "hand"), (XS, "y")],
    "hand": [(("hand",), "end")],
    "y": [(YS, "lies")],
    "lies": [(("on", "in"), "colour"), ((LINE,), "line")],
    "colour": [(COLOURS, "thing")],
    "thing": [(SHAPES + PLACES, "end")],
    "end": [((LINE,), "line")],
}


class Grammar:
    """Walks the graph. Call with the tokens decoded so far; returns the ids that may follow ([] when complete)."""

    def __init__(self, words: Words, most_steps: int = 16) -> None:
        self.eos = words[EOS]
        self.most_steps = most_steps
        self.next, self.listed = (
            {state: {words[word]: to for choices, to in edges for word in choices} for state, edges in graph.items()}
            for graph in (_GRAPH, _THINGS)
        )
        self.thing = {words[c]: "shape" for c in COLOURS}
        self.shapes = [words[s] for s in SHAPES + PLACES]
        self.absent, self.unclear = words[ABSENT], words[UNCLEAR]
        self.anything = list(range(len(words)))  # for answers that have no form
        self.verdict = [words[YES], words[NO]]
        self.xs, self.ys = [words[x] for x in XS], [words[y] for y in YS]

    def plan(self, so_far: Sequence[int], known: Collection[tuple[int, int]] = ()) -> list[int]:
        """A plan, or `<absent> colour shape`, or `<unclear>`. known: the things that a plan may name (see `named`); all if
        empty."""
        if so_far and so_far[0] == self.unclear:
            return [self.eos]
        if so_far and so_far[0] == self.absent:
            return [list(self.thing), self.shapes, [self.eos]][len(so_far) - 1]
        state, steps = "line", 0
        for token in so_far:
            state = self.next[state][token]
            steps += state == "end"
        allowed = list(self.next[state]) if not (state == "end" and steps >= self.most_steps) else []
        if known:
            allowed = [token for token in allowed if self._nameable(token, state, so_far, known)] or allowed
        if not so_far:
            allowed += [self.absent, self.unclear]
        # An empty plan says that nothing is left to do.
        return allowed + [self.eos] if state == "end" or not so_far else allowed

    def _nameable(self, token: int, state: str, so_far: Sequence[int], known: Collection[tuple[int, int]]) -> bool:
        """Whether a name may begin or end with this token; true of tokens that are no part of a name."""
        if token in self.thing:
            behind = self.next[self.next[state][token]]
            return any(colour == token and shape in behind for colour, shape in known)
        return token not in self.shapes or (so_far[-1], token) in known

    def _listing(self, so_far: Sequence[int]) -> tuple[str, set[tuple[int, int]]]:
        """Where a listing has got to, and the things that it has listed."""
        state, start, known = "line", 0, set[tuple[int, int]]()
        for token in so_far:
            if state == "line":
                start = token
            elif state == "shape":
                known.add((start, token))
            state = self.listed[state][token]
        return state, known

    def named(self, listing: Sequence[int]) -> set[tuple[int, int]]:
        """Colour and shape tokens of all things that a listing names."""
        return self._listing(listing)[1]

    def things(self, so_far: Sequence[int]) -> list[int]:
        """A listing of what lies where, each thing once."""
        state, known = self._listing(so_far)
        allowed = list(self.listed[state])
        if state == "shape":
            allowed = [shape for shape in allowed if (so_far[-1], shape) not in known]
        elif state == "line" and len(known) >= self.most_steps:
            allowed = [self.eos]
        return allowed + [self.eos] if state in ("lies", "end") or not so_far else allowed

    def points(self, count: int):
        """Exactly `count` points, nothing else; a thing that is not there is <absent>."""

        def allowed(so_far: Sequence[int]) -> list[int]:
            if len(so_far) >= 2 * count or (so_far and so_far[0] == self.absent):
                return [self.eos]
            if len(so_far) % 2:
                return self.ys
            return self.xs + ([self.absent] if not so_far else [])

        return allowed

    def yes_no(self, so_far: Sequence[int]) -> list[int]:
        return self.verdict if not so_far else [self.eos]
