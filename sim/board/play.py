"""A board played to its end: a planner that says once a second what to push where, over a hand that decides five times a second.

Both go by what is seen: the shipped finder's detections in the front picture, or exact facts where an expert's demonstrations or a
test want them. A piece that is not seen now, behind the hand for one, is where it was seen last.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embodied import geometry
from embodied.control.loop import run
from embodied.types import ActionChunk, Observation, Plan, Step
from policies import pusher
from sim.board.jobs import (
    SHAPES,
    SURELY,
    Board,
    Job,
    Places,
    Planner,
    Push,
    aim,
    drawn,
    known,
    places_of,
    there,
    written,
)
from sim.body import SimBody
from sim.tamp.scene import LABELS
from sim.task import Episode

PLANS_HZ = 1.0
LONGEST_S = {"pair": 30.0, "sort": 120.0, "group": 60.0, "corner": 30.0}
TICKS = 4  # of the body's 20 Hz in a decision of the hand
FOOT_M = 0.022  # height over the table of the points that the finder marks
STRAY_M = 0.10  # a detection farther from where the piece was is another thing
SURE = 0.5
FREE_M = 0.3  # height of the hand from which on it hides no piece


class Sight:
    """Which pieces there are and where, by the pictures of the front camera: the first tells which, all tell where. finder: of
    shipped weights; without one, exact facts."""

    def __init__(self, body: SimBody, finder: Any = None) -> None:
        self.body, self.finder = body, finder
        self.at: dict[int, NDArray[np.float64]] = {}
        self.labels: dict[str, int] = {}  # of all pieces that are known
        self.fresh: set[int] = set()  # those that the newest picture shows
        self.board: Board = ()

    def begin(self, board: Board) -> None:
        """A new board. What is found of its pieces is called as it calls them, so that who asks, who answers and who marks mean the
        same; what is taken for a piece and is none gets a label that is free."""
        self.board, self.labels, self.at = board, {}, {}

    @property
    def names(self) -> dict[int, str]:
        return {label: name for name, label in self.labels.items()}

    def _meet(self, names: list[str]) -> None:
        called = {piece.name: piece.label for piece in self.board}
        free = iter(sorted(set(range(1, LABELS + 1)) - set(called.values())))
        given = ((name, called.get(name) or next(free, 0)) for name in names)
        self.labels = {name: label for name, label in given if label}

    def look(self, obs: Observation, hand: NDArray[np.float64] | None = None, push: Push | None = None) -> Places:
        """hand (4,) and push: what moves now, so that a piece that it hides is known to be before it."""
        if self.finder is None:
            self._meet([piece.name for piece in self.board])
            facts = self.body.facts()
            self.at = {label: facts.things[name].position[:2].copy() for name, label in self.labels.items()}
            self.fresh = set(self.at)
            return dict(self.at)
        import torch

        camera = self.body.spec.cameras["front"]
        image = torch.from_numpy(np.ascontiguousarray(obs.images["front"]))[None]
        seen: dict[str, list[tuple[str, NDArray[np.float64]]]] = {}
        pieces = [one for one in self.finder.find("front", image, None, met=self.labels) if one.p >= SURE]
        if not self.labels:
            self._meet([one.name for one in pieces if one.name.split()[1] in SHAPES])
        for one in pieces:
            if one.name in self.labels:
                at = np.asarray(geometry.on_plane(camera, camera.parent_from_cam, one.point, 2 * FOOT_M))[:2]
                seen.setdefault(one.name.split()[0], []).append((one.name, at))
        self.fresh = set()
        for found in seen.values():
            self._take(found)
        if hand is not None and push is not None and push[0] not in self.fresh and known(push, self.at):
            piece, goal, _ = aim(push, self.at)
            self.at[push[0]] = pusher.carried(hand, piece, goal)
        return dict(self.at)

    def _take(self, found: list[tuple[str, NDArray[np.float64]]]) -> None:
        """What is seen of one colour. A shape half hidden is easily taken for the other: a piece is the one that was there."""
        colour = found[0][0].split()[0]
        own = [label for name, label in self.labels.items() if name.split()[0] == colour]
        near = sorted(
            (float(np.hypot(*(at - self.at[label]))), k, label)
            for k, (_, at) in enumerate(found) for label in own if label in self.at
        )  # fmt: skip
        used: set[int] = set()
        for far, k, label in near:
            if far < STRAY_M and k not in used and label not in self.fresh:
                self.at[label] = found[k][1]
                used.add(k)
                self.fresh.add(label)
        for k, (name, at) in enumerate(found):
            if k not in used and self.labels[name] not in self.at:
                self.at[self.labels[name]] = at
                self.fresh.add(self.labels[name])


class BoardPolicy:
    """embodied.protocols.Policy: `act` is a decision of the hand, every fifth one after a look of the planner."""

    execute_rows = TICKS

    def __init__(self, sight: Sight, planner: Planner, longest_s: float) -> None:
        self.sight, self.planner, self.longest_s = sight, planner, longest_s
        self.push: Push | None = None  # now; none while it looks whether all is done
        self.before: Push | None = None  # the last one
        self.told: list[tuple[dict[int, NDArray[np.float64]], Push | None, Push | None]] = []  # seen, before, said
        self._wait = 0

    def reset(self) -> None:
        self.push, self.before, self.told, self._wait = None, None, [], 0

    def plan(self, obs: Observation, goal: str, done: tuple[Step, ...] = ()) -> Plan:
        return Plan(goal, done or (Step(goal, "push"),), len(done))

    def check(self, obs: Observation, step: Step) -> float:
        return 1.0

    def act(self, obs: Observation, plan: Plan) -> ActionChunk:
        dt, hand = 1 / self.sight.body.spec.action.rate_hz, obs.states["arm"][-1, :4].astype(float)
        now = self.sight.look(obs, hand, self.push)
        free = hand[2] >= FREE_M  # what the hand may hide is not judged
        lost = self.push is not None and self.push[0] not in self.sight.fresh and not free
        arrived = lost and known(self.push, now) and there(self.push, now, SURELY)  # type: ignore[arg-type]
        ended = obs.t_s >= self.longest_s
        if self._wait <= 0 and not lost:
            said = self.planner(now, self.before)
            self.told.append((dict(now), self.before, said))
            self.push, self.before = said, said or self.before
            self._wait = round(pusher.RATE_HZ / PLANS_HZ)
            ended |= self.push is None and free
        self._wait -= 1
        if ended:
            return ActionChunk(obs.t_s, dt, np.zeros((0, 5), np.float32))
        if self.push is None or arrived or not known(self.push, now):  # up, to see what has come of it
            aimed, yaw = pusher.away(hand)
        else:
            piece, goal, _ = aim(self.push, now)
            aimed, yaw = pusher.decide(hand, piece, goal, [at for k, at in now.items() if k != self.push[0]])
        share = np.linspace(0, 1, TICKS + 1)[1:, None]
        rows = np.hstack([hand + share * (np.append(aimed, yaw) - hand), 0 * share])
        return ActionChunk(obs.t_s, dt, rows.astype(np.float32))


@dataclass
class Played:
    """success: by exact facts at the end. names: of what was seen, by label. told: what the planner saw and said each second."""

    job: Job
    success: bool
    seconds: float
    names: dict[int, str]
    told: list[Any] = field(default_factory=list)


def play(
    body: SimBody,
    finder: Any,
    kind: str,
    seed: int,
    planner: Callable[[Sight, Job], Planner],
) -> Played:
    """One board, decided by its seed. planner: makes the one who plans, who may keep to the job's text or, as an expert, use its
    `next`."""
    board, job = drawn(kind, seed)
    obs = body.load(Episode("push-to-zone", tuple(piece.item for piece in board), (), job.text, {}, ""), seed)
    sight = Sight(body, finder)
    sight.begin(board)
    policy = BoardPolicy(sight, planner(sight, job), LONGEST_S[kind])
    result = run(body, policy, job.text, obs=obs, confirm=False, replan=False, log=False, max_ticks=10**5)
    exact = Sight(body)
    exact.begin(board)
    end = exact.look(body.observe())
    return Played(job, result.reason == "finished" and job.done(end), body.now_s, sight.names, policy.told)


def expert(sight: Sight, job: Job) -> Planner:
    """Says what the job's own rule says of what is seen; of what was not seen, of where it was laid."""
    start = places_of(sight.board)
    return lambda now, before: job.next({**start, **now}, before)


def describe(told: Any) -> str:
    """One line of what was said, for a log."""
    _, before, said = told
    return f"{written(before)} -> {written(said)}"
