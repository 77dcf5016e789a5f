"""Which token may come next, so that every decoded plan parses and names only skills and things that exist.

A state machine over the step grammar of embodied/plan.py, written as a hook in the shape of transformers'
`prefix_allowed_tokens_fn`: tokens so far -> allowed next ids.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from embodied.model.tokens import ABSENT, EOS, LINE, NO, UNCLEAR, XS, YES, YS, Words
from embodied.plan import COLOURS, DRAW, PLACES, SHAPES, SKILLS

# One line of a plan as a graph: state -> [(words that may stand here, next state)]. A name in capitals is a slot.
_GRAPH: dict[str, list[tuple[tuple[str, ...], str]]] = {
    "line": [(("reach",), "A1"), (("pick",), "P1"), (("put",), "B1"), (("push",), "C1")],
    "A1": [(COLOURS, "A2")],
    "A2": [(SHAPES + PLACES, "x-1")],
    "P1": [(COLOURS, "P2")],
    "P2": [(SHAPES, "x-1")],
    "B1": [(COLOURS, "B2")],
    "B2": [(SHAPES, "B3")],
    "B3": [(("on",), "on"), (("in",), "in"), (("left", "right"), "of"), (("behind",), "R1"), (("between",), "T1")],
    "on": [(("table",), "x-1"), (COLOURS, "on2")],
    "on2": [((*SHAPES, "zone"), "x-1")],
    "in": [(("front",), "of"), (COLOURS, "in2")],
    "in2": [(("bowl",), "x-1")],
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
    "C4": [(("zone",), "x-2")],
    "x-2": [(XS, "y-2")],
    "y-2": [(YS, "x-1")],
    "x-1": [(XS, "y-1")],
    "y-1": [(YS, "end")],
    "end": [((LINE,), "line")],
}


ELSEWHERE = (-1, -1)  # the point of a thing that a plan has moved
Name = tuple[int, int]  # the tokens of a thing's colour and shape


@dataclass
class Listed:
    """What a listing says of a thing. point: its two location tokens, () in the hand. below: what it lies on or in; first:
    the same when it was listed."""

    point: tuple[int, ...] = ()
    below: Name | None = None
    first: Name | None = None


Known = dict[Name, Listed]


class Grammar:
    """Walks the graph. Call with the tokens decoded so far; returns the ids that may follow."""

    def __init__(self, words: Words, most_steps: int = 16) -> None:
        self.eos = words[EOS]
        self.most_steps = most_steps
        self.next = {
            state: {words[word]: to for choices, to in edges for word in choices} for state, edges in _GRAPH.items()
        }
        self.colours = [words[c] for c in COLOURS]
        self.shapes = [words[s] for s in SHAPES + PLACES]
        self.absent, self.unclear, self.line = words[ABSENT], words[UNCLEAR], words[LINE]
        self.anything = list(range(len(words)))  # for answers that have no form
        self.verdict = [words[YES], words[NO]]
        self.xs, self.ys = [words[x] for x in XS], [words[y] for y in YS]
        self.points_of = {*self.xs, *self.ys}
        self.reach, self.pick, self.put, self.push = (words[skill] for skill in SKILLS[:4])
        # Weights that were taught before there was a pen do not know the word.
        self.draw = words.encode(DRAW) if words.knows("draw") else []
        self.on, self.inside, self.front, self.to, self.between, self.both, self.table, self.bowl, self.zone = (
            words[word] for word in ("on", "in", "front", "to", "between", "and", "table", "bowl", "zone")
        )
        self.beside = [words.encode(relation) for relation in ("left of", "right of", "behind", "in front of")]
        self.movable = {words[shape] for shape in SHAPES}

    def part(self, so_far: Sequence[int], goal: Sequence[int]) -> list[int]:
        """Words of the goal (its tokens; below 0: not to be had) as they stand there, three at least, or nothing."""
        n = len(so_far)
        goes_on = {goal[i + n] for i in range(len(goal) - n) if list(goal[i : i + n]) == list(so_far)} - {-1}
        return sorted(goes_on | {self.eos}) if n == 0 or n >= 3 or not goes_on else sorted(goes_on)

    def job(self, so_far: Sequence[int], known: Known, first: bool = True) -> list[int]:
        """A step without points, about listed things. first: otherwise `<absent> colour shape`, or `<unclear>`; not the first:
        otherwise nothing."""
        if so_far and so_far[0] == self.unclear:
            return [self.eos]
        if so_far and so_far[0] == self.absent:
            return [self.colours, self.shapes, [self.eos]][len(so_far) - 1]
        n, rest = len(so_far), list(so_far)
        going = [one for one in self._jobs(known) if list(one[:n]) == rest]
        allowed = sorted({one[n] if len(one) > n else self.eos for one in going})
        return allowed if so_far else allowed + ([self.absent, self.unclear] if first else [self.eos])

    def _jobs(self, known: Known) -> Iterator[tuple[int, ...]]:
        """All that can be asked for on this table. A job names a thing once, and nothing is asked to go to the zone that it
        lies on. Where no thing is, before a sheet of paper, it is a drawing."""
        if not known and self.draw:
            yield tuple(self.draw)
        for name in known:
            yield self.reach, *name
        for a in [name for name in known if name[1] in self.movable]:
            yield self.pick, *a
            yield self.put, *a, self.on, self.table
            others = [name for name in known if name != a]
            for b in others:
                if b[1] == self.bowl:
                    yield self.put, *a, self.inside, *b
                elif b[1] != self.zone or b != known[a].below:
                    yield self.put, *a, self.on, *b
                    if b[1] == self.zone:
                        yield self.push, *a, self.to, *b
                for beside in self.beside:
                    yield self.put, *a, *beside, *b
                yield from ((self.put, *a, self.between, *b, self.both, *c) for c in others if c != b)

    def steps(
        self, so_far: Sequence[int], known: Known | None = None, some: bool = False, job: Sequence[int] = ()
    ) -> list[int]:
        """Steps; none where nothing is left to do. some: something is.

        known: what was listed (see `placed`). Then these things only are named, steps are possible one after the other, and
        the point of a thing that has not been moved yet is the listed one: what is known is not guessed again.
        job: the tokens of what the steps are for. They end with it, and nothing is put away but what is in the way.
        """
        state, steps, start, over = "line", 0, 0, False
        table = {name: Listed(one.point, one.below, one.below) for name, one in (known or {}).items()}
        for k, token in enumerate(so_far):
            if state == "line":
                start = k
            state = self.next[state][token]
            if state == "end":
                steps += 1
                done = so_far[start : k + 1]
                self._apply(done, table)
                over = over or (bool(job) and [t for t in done if t not in self.points_of] == list(job))
        possible = [] if over else self._useful(job, table) if job else self._steps(table)
        allowed = list(self.next[state])
        line = so_far[start:] if state not in ("line", "end") else []
        if state == "end" and (steps >= self.most_steps or (known is not None and not possible)):
            allowed = []
        elif state == "end" and job:
            return allowed
        elif known is not None and state[0] in "xy":
            if point := self._point(line, table):
                allowed = [point[0] if state[0] == "x" else point[1]]
        elif known is not None and state != "end":
            begun = [step[len(line)] for step in possible if step[: len(line)] == tuple(line)]
            allowed = [token for token in allowed if token in begun]
            if not begun:
                return [self.eos]
        return allowed + [self.eos] if state == "end" or not (so_far or some) else allowed

    def _names(self, line: Sequence[int]) -> list[Name]:
        return [(a, b) for a, b in pairwise(line) if a in self.colours and b in self.shapes]

    def _apply(self, line: Sequence[int], table: Known) -> None:
        """What a step, when it works, does to the table: things go to the hand or elsewhere, where their place is no longer
        the listed one."""
        names = self._names(line)
        if line[0] == self.reach or not names:
            return
        onto = line[0] != self.pick and len(names) == 2 and (line[0] == self.push or line[3] in (self.on, self.inside))
        onto = onto and line[4] != self.front
        first = table[names[0]].first if names[0] in table else None
        now = ((), None) if line[0] == self.pick else (ELSEWHERE, names[1] if onto else None)
        table[names[0]] = Listed(*now, first)

    def _point(self, line: Sequence[int], table: Known) -> tuple[int, ...]:
        """The listed point that comes next in this line of a plan; () where nothing tells it."""
        names = self._names(line)
        meant = names[1:] if line[0] == self.put else names  # a put thing's points are those of its references
        at = sum(token in self.ys for token in line)
        point = table[meant[at]].point if at < len(meant) and meant[at] in table else ()
        return () if point == ELSEWHERE else point

    def _steps(self, table: Known) -> list[tuple[int, ...]]:
        """The words of every step that is possible on this table: with a full hand only putting down is, a thing that another
        one lies on can neither be taken nor built on, a step names a thing once, and nothing goes back to where it was taken
        from, unless that has moved."""
        held = next((name for name, one in table.items() if not one.point), None)
        others = [name for name in table if name != held]
        clear = [name for name in others if all(one.below != name for one in table.values())]
        if held is None:
            zones = [name for name in others if name[1] == self.zone]
            take = [name for name in clear if name[1] in self.movable]
            pushes = [(self.push, *a, self.to, *zone) for a in take for zone in zones]
            return [*((self.reach, *a) for a in clear), *((self.pick, *a) for a in take), *pushes]
        ends = [(*self.beside[k], *b) for k in range(len(self.beside)) for b in others]
        free = [b for b in others if b != table[held].first or table[b].point == ELSEWHERE]
        ends += [
            (self.inside, *b) if b[1] == self.bowl else (self.on, *b) for b in free if b[1] == self.bowl or b in clear
        ]
        ends += [(self.between, *b, self.both, *c) for b in others for c in others if b != c]
        return [(self.put, *held, *end) for end in [(self.on, self.table), *ends]]

    def _useful(self, job: Sequence[int], table: Known) -> list[tuple[int, ...]]:
        """Those of the possible steps that serve the job: its own thing taken and brought where it says, and what lies on that
        thing, or on the thing or zone that it goes onto, put away first."""
        thing, *others = self._names(job)
        ends = {thing, *others} if job[0] == self.put and job[3] == self.on and job[4] != self.table else {thing}

        def in_the_way(name: Name | None) -> bool:
            seen: list[Name] = []
            while name is not None and name in table and name not in seen:
                seen.append(name)
                name = table[name].below
                if name in ends:
                    return seen[0] != thing or name != thing
            return False

        free = not any(name != thing and in_the_way(name) for name in table)
        out = []
        for step in self._steps(table):
            name, away = self._names(step)[0], step[0] == self.put and step[-1] == self.table
            if name != thing:
                useful = away or (step[0] == self.pick and in_the_way(name))
            elif step == tuple(job):
                useful = free
            elif step[0] == self.pick:
                useful = (free or in_the_way(thing)) and job[0] == self.put
            else:
                useful = away and not (free and job[0] == self.put) and job[0] != self.pick
            if useful:
                out.append(step)
        return out

    def placed(self, listing: Sequence[int]) -> Known:
        """All things that a listing names."""
        known, line = Known(), list[int]()
        for token in [*listing, self.line]:
            if token != self.line:
                line.append(token)
                continue
            names, point = self._names(line), tuple(t for t in line if t in self.xs or t in self.ys)
            known |= {name: Listed(point, names[1] if len(names) > 1 else None) for name in names[:1]}
            line = []
        return known

    def points(self, so_far: Sequence[int], step: Sequence[int], count: int, known: Known) -> list[int]:
        """The `count` points of a step (its tokens), those of listed things as listed; a thing that is not there is
        <absent>."""
        if len(so_far) >= 2 * count or (so_far and so_far[0] == self.absent):
            return [self.eos]
        if point := self._point([*step, *so_far], known):
            return [point[len(so_far) % 2]]
        if len(so_far) % 2:
            return self.ys
        return self.xs + ([self.absent] if not so_far else [])
