"""Tables, questions about them and their exact answers: how many, what is on what, where something is, and what has changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from embodied.types import Observation, Point
from policies.describe import caption, change
from policies.symbolic import on_top_of, support
from sim.body import SimBody
from sim.clauses import FLAT
from sim.scene import reachable
from sim.snapshots import lies, marks
from sim.task import FIRST_EVALUATION_SEED

FAR_M = (0.09, 0.16)  # how far a thing is moved
ROOM_M = 0.10
CHANGES = ("stack", "move", "nothing")


@dataclass(frozen=True)
class Asked:
    """test: what it measures. text: the question. answer: what is so."""

    test: str
    text: str
    answer: str


class Tables:
    """One body. The k-th table is decided by k alone."""

    def __init__(self, task: str = "compound") -> None:
        self.body = SimBody(task, split="seen", lazy=True)

    def close(self) -> None:
        self.body.close()

    def table(self, k: int, answer: Callable[[Observation, list[Asked]], None]) -> None:
        """Ask about the k-th table, and then, with what has become of it in view, what has changed."""
        rng, body = np.random.default_rng([k, 12]), self.body
        body.reset(FIRST_EVALUATION_SEED + int(rng.integers(FIRST_EVALUATION_SEED)))
        if rng.random() < 0.5:
            self._alter("stack", rng)
        before = self._listing()
        asked = [Asked("count", "how many things are there", str(len(before))), *self._relations(rng)]
        asked.append(Asked("caption", "what lies where", caption(before)))
        answer(body.observe(), asked)
        self._alter(CHANGES[k % len(CHANGES)], rng)
        answer(body.observe(), [Asked("change", "what has changed", change(before, self._listing()))])

    def _listing(self) -> dict[str, tuple[Point | None, str]]:
        facts = self.body.facts()
        where = lies(facts, facts.things)
        return {name: (at, where.get(name, "")) for name, at in marks(facts, self.body.spec.cameras["front"]).items()}

    def _relations(self, rng: np.random.Generator) -> list[Asked]:
        """What is on a thing, of those that carry something as often as of those that do not; where a thing is."""
        facts = self.body.facts()
        names = [list(facts.things)[i] for i in rng.permutation(len(facts.things))]
        laden = [name for name in names if any(support(facts, other) == name for other in names if other != name)]
        below = laden[0] if laden and rng.random() < 0.5 else names[0]
        on_it = sorted(name for name in names if name != below and support(facts, name) == below)
        out = [Asked("on", f"what is on the {below}", " and ".join(on_it) or "nothing")]
        movable = [name for name in names if facts.things[name].movable]
        high = [name for name in movable if support(facts, name) != "table"]
        if movable:
            name = high[0] if high and rng.random() < 0.5 else movable[0]
            out.append(Asked("where", f"where is the {name}", f"on {support(facts, name) or 'nothing'}"))
        return out

    def _alter(self, how: str, rng: np.random.Generator) -> None:
        """Put a thing onto another, or elsewhere on the table, or leave all as it is."""
        body, facts = self.body, self.body.facts()
        clear = [t for t in facts.things.values() if t.movable and not on_top_of(facts, t.name)]
        if how == "nothing" or not clear:
            return
        thing = clear[rng.integers(len(clear))]
        flat = [t for t in clear if t.name != thing.name and t.shape in FLAT and support(facts, t.name) == "table"]
        if how == "stack" and flat:
            base = flat[rng.integers(len(flat))]
            body.place(thing.name, (*base.position[:2], base.top + thing.size[2] / 2 + 0.002), rng.uniform(-0.3, 0.3))
        elif how == "move":
            others = [t for t in facts.things.values() if t.name != thing.name]
            for angle in rng.uniform(-np.pi, np.pi, 40):
                x, y = thing.position[:2] + rng.uniform(*FAR_M) * np.array([np.cos(angle), np.sin(angle)])
                room = all(np.hypot(*(t.position[:2] - (x, y))) > ROOM_M + 0.04 * (not t.movable) for t in others)
                if room and reachable(x, y):
                    body.place(thing.name, (x, y, thing.size[2] / 2 + 0.001), thing.yaw)
                    break
        body.settle(36)
