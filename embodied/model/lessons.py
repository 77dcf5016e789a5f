"""Records -> training sentences: one prefix, many short segments (prompt, answer), and the labels of each.

The texts of prompts are defined here once; the planner asks with the same functions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from embodied import plan as grammar
from embodied.data.snapshots import DEPTH_M, NOTHING, ROBOT, Record
from embodied.listing import CARRIED
from embodied.model.encoders.vit import CELL
from embodied.model.finder import GROUPS
from embodied.model.tokens import (
    ABSENT,
    ASK,
    CHECK,
    EOS,
    GOAL,
    JOBS,
    LINE,
    NO,
    PARTS,
    PLAN,
    POINT,
    STEP,
    UNCLEAR,
    YES,
    Words,
)
from embodied.types import Point

LEAST = 40  # pixels of a thing in the hand that can be found
SHAKE = 0.04  # how far locations of a lesson in words alone are moved together, shares of the picture


def ask_part(goal: str, before: str = "") -> str:
    """Which words of a sentence ask for the next of several jobs; nothing where there is none, or the whole is one job.

    before: the words of the last one. The next hangs on it and the sentence alone, not on how many there were: a sentence
    that asks for more than any in training is read by the same steps.
    """
    return f"{GOAL} {goal} {PARTS} " + (f"{before} {LINE}" if before else "")


def ask_job(goal: str, before: str = "") -> str:
    """The next of the jobs that a sentence comes to, in the words of a step; nothing after the last. before: as above."""
    return f"{GOAL} {goal} {JOBS} " + (f"{before} {LINE}" if before else "")


def ask_plan(job: str) -> str:
    """The steps that are left for one job, which is given in the words of a step."""
    return f"{GOAL} {job} {PLAN}"


def ask_check(step: str) -> str:
    return f"{CHECK} {step}"


def ask_points(what: str) -> str:
    """`what` is a step's text or a thing's name."""
    return f"{POINT} {what}"


def ask(question: str) -> str:
    return f"{ASK} {question}"


ALL = ask("things")  # what the listing of what lies where follows


def ask_move(step: str) -> str:
    """The motion of a step, by its words; where it goes is told by object words (embodied/aims.py)."""
    return f"{STEP} {step}"


@dataclass
class Lesson:
    """One training sentence. images[c] uint8 H W 3; states[s] normalised (t, d); cells[c] int64 (2, m): colour and kind.

    With a past, or solved examples, which the model is shown before: images[c] k H W 3, states[s] (moments, t, d), of the examples
    first; all else is of the newest. shots: words of each example, what lies there and a question with its answer.
    scene: what all segments see: ALL and the listing.  depth[c] float32 H W, m.  marks[c] (k, 6): what shall be found there.
    chunk (h, a) normalised and valid (h,) when the last segment is a motion."""

    images: dict[str, np.ndarray]
    states: dict[str, np.ndarray]
    segments: list[tuple[list[int], list[int]]]
    scene: tuple[list[int], list[int]] = ([], [])
    shots: list[list[int]] = field(default_factory=list)
    depth: dict[str, np.ndarray] = field(default_factory=dict)
    cells: dict[str, np.ndarray] = field(default_factory=dict)
    marks: dict[str, np.ndarray] = field(default_factory=dict)
    chunk: np.ndarray | None = None
    valid: np.ndarray | None = None

    @property
    def tokens(self) -> int:
        """Length in words; the continuous inputs add the same to every lesson."""
        pairs = [self.scene, *self.segments]
        return sum(len(prompt) + len(answer) for prompt, answer in pairs) + sum(map(len, self.shots))

    def after(self, others: Sequence[Lesson], rng: np.random.Generator) -> Lesson:
        """The same behind solved examples: one question about each of these other moments, drawn among its segments."""
        moments = [*others, self]

        def solved(one: Lesson) -> list[int]:
            prompt, answer = one.segments[rng.integers(len(one.segments))]
            return [*one.scene[0], *one.scene[1], *prompt, *answer]

        images = {
            c: np.concatenate([one.images[c].reshape(-1, *image.shape[-3:]) for one in moments])
            for c, image in self.images.items()
        }
        states = {s: np.stack([one.states[s] for one in moments]) for s in self.states}
        return replace(self, images=images, states=states, shots=list(map(solved, others)))


def listing(points: Mapping[str, Point], lies: Mapping[str, str]) -> str:
    """What lies where, one thing a line, in the one order that a picture has: from left to right, each followed by what
    lies on or in it; what the hand holds first.

    points: of the things in the picture, by name.  lies: as in Record.
    """
    things = sorted((name for name in points if lies.get(name) != grammar.HELD), key=lambda name: points[name].u)
    below = {name: lies[name].split(" ", 1)[1] for name in things if name in lies}

    def lines(names: list[str]) -> Iterator[str]:
        for name in names:
            yield " ".join([name, grammar.locate(points[name]), lies.get(name, "")]).strip()
            yield from lines([other for other in things if below.get(other) == name])

    held = [f"{name} {where}" for name, where in lies.items() if where == grammar.HELD]
    return LINE.join([*held, *lines([name for name in things if below.get(name) not in things])])


def cells_of(segmentation: np.ndarray, items: Sequence[str]) -> np.ndarray:
    """Segmentation H W -> (2, H/8 * W/8): for the middle pixel of each cell the colour (0 none) and kind."""
    kinds = ("nothing", *grammar.SHAPES, *grammar.PLACES, "robot")
    colour, kind = np.zeros(256, np.int64), np.zeros(256, np.int64)
    for i, name in enumerate(items):
        c, s = name.split()
        colour[i], kind[i] = grammar.COLOURS.index(c) + 1, kinds.index(s)
    kind[ROBOT] = kinds.index("robot")
    middle = segmentation[CELL // 2 :: CELL, CELL // 2 :: CELL].ravel()
    return np.stack([colour[middle], kind[middle]])


def shifted(image: np.ndarray, dx: int, dy: int, fill: int | None = None) -> np.ndarray:
    """The picture moved right by dx and down by dy pixels; borders repeat, or are `fill`. Also several, (k, H, W, 3), alike."""
    if image.ndim == 4:
        return np.stack([shifted(one, dx, dy, fill) for one in image])
    pad = max(abs(dx), abs(dy))
    if pad == 0:
        return image
    width = ((pad, pad), (pad, pad), (0, 0))[: image.ndim]
    padded = np.pad(image, width, mode="edge") if fill is None else np.pad(image, width, constant_values=fill)
    return padded[pad - dy : pad - dy + image.shape[0], pad - dx : pad - dx + image.shape[1]]


_NOISE = 3 * np.random.default_rng(0).standard_normal(
    1 << 20, np.float32
)  # drawing it anew took most of a lesson's time


def varied(image: np.ndarray, rng: np.random.Generator, light: float) -> np.ndarray:
    """Another brightness (up to `light`, a share), another tint and some noise: what another lamp and camera would do. Of several
    pictures, (k, H, W, 3), the lamp is one."""
    gain = (rng.uniform(1 - light, 1 + light) * rng.uniform(0.95, 1.05, 3)).astype(np.float32)
    out = image * gain
    for one in out.reshape(-1, *image.shape[-3:]):
        start = int(rng.integers(len(_NOISE) - one.size))  # more than a million numbers: room for 700 x 480 pixels
        one += _NOISE[start : start + one.size].reshape(one.shape)
    return np.clip(out, 0, 255, out=out).astype(np.uint8)


def _marked(at: Mapping[str, tuple[float, float]], lies: Mapping[str, str]) -> np.ndarray:
    """Rows group, u, v, colour, kind, carried, as embodied/model/finder.py takes them."""
    marks = []
    for name, (u, v) in at.items():
        colour, shape = name.split()
        group = next(g for g, kinds in enumerate(GROUPS) if shape in kinds)
        where = lies.get(name, "")
        carried = CARRIED.index(where if where in CARRIED else where.split()[0])
        marks.append([group, u, v, grammar.COLOURS.index(colour), GROUPS[group].index(shape), carried])
    return np.array(marks, np.float32).reshape(-1, 6)


def _mirror(lesson: Lesson, camera: str) -> None:
    """What this camera sees, with left and right exchanged."""
    lesson.images[camera] = np.ascontiguousarray(lesson.images[camera][:, ::-1])
    if camera in lesson.depth:
        lesson.depth[camera] = np.ascontiguousarray(lesson.depth[camera][:, ::-1])
    lesson.marks[camera][:, 1] = 1 - lesson.marks[camera][:, 1]


class Teacher:
    """Makes a Lesson of a Record: chooses questions, augments the picture, moves the points with it."""

    def __init__(self, words: Words, main: str = "front", jitter: int = 12) -> None:
        self.words, self.main, self.jitter = words, main, jitter

    def lesson(
        self,
        record: Record,
        arrays: dict[str, np.ndarray],
        states: dict[str, np.ndarray],
        rng: np.random.Generator,
        augment: bool = True,
        kind: str = "scenes",
    ) -> Lesson:
        """kind: "scenes"; "words", without pictures, which the listing stands for; "sight", without questions; or "finding",
        what the finder learns from."""
        if kind == "words":
            self._move = tuple(rng.uniform(-SHAKE, SHAKE, 2)) if augment else (0.0, 0.0)
            pairs = [self._pair(*one) for one in self._asked(record, rng, seen=False)]
            return Lesson({}, {}, pairs, self._pair(*self._scene(record)))
        out = Lesson({}, {} if kind == "finding" else states, [])
        for camera in [name for name in arrays if arrays[name].ndim > 2 and arrays[name].shape[-1] == 3]:
            image, seg = arrays[camera], arrays.get(f"{camera}_seg")
            dx, dy = rng.integers(-self.jitter, self.jitter + 1, 2) if augment else (0, 0)
            if augment:
                image = varied(shifted(image, dx, dy), rng, 0.12)
                seg = None if seg is None else shifted(seg, dx, dy, NOTHING)
            out.images[camera] = image
            if camera == self.main:
                self._move = (dx / image.shape[-2], dy / image.shape[-3])
            if kind == "finding" and seg is not None:
                out.marks[camera] = self._marks(record) if camera == self.main else self._in_hand(record, seg)
                if (depth := arrays.get(f"{camera}_depth")) is not None:
                    out.depth[camera] = shifted(depth, dx, dy).astype(np.float32) * DEPTH_M
                if augment and rng.random() < 0.5:
                    _mirror(out, camera)
            elif seg is not None:
                out.cells[camera] = cells_of(seg, record.items)
        if kind == "scenes":
            out.segments = [self._pair(*one) for one in self._asked(record, rng, seen=True)]
            out.scene = self._pair(*self._scene(record))
        return out

    def _in_hand(self, record: Record, seg: np.ndarray) -> np.ndarray:
        """The mark of what can be seen of the thing in the hand, at its middle: (0 or 1, 6)."""
        held = next((name for name, where in record.lies.items() if where == grammar.HELD), "")
        rows, cols = np.nonzero(seg == record.items.index(held)) if held else ([], [])
        at = (
            {held: ((np.mean(cols) + 0.5) / seg.shape[1], (np.mean(rows) + 0.5) / seg.shape[0])}
            if len(rows) >= LEAST
            else {}
        )
        return _marked(at, record.lies)

    def _marks(self, record: Record) -> np.ndarray:
        """The marks of all that lies in the moved picture (k, 6)."""
        du, dv = self._move
        return _marked({name: (p[0] + du, p[1] + dv) for name, p in self._inside(record).items()}, record.lies)

    def _pair(self, prompt: str, answer: str) -> tuple[list[int], list[int]]:
        words = self.words
        return words.spell(words.encode(prompt)), [*words.spell(words.encode(answer)), words[EOS]]

    def _inside(self, record: Record) -> dict[str, list[float]]:
        """Points of what is still in the moved picture."""
        du, dv = self._move
        return {n: p for n, p in record.things.items() if 0 <= p[0] + du < 1 and 0 <= p[1] + dv < 1}

    def _scene(self, record: Record) -> tuple[str, str]:
        (du, dv), inside = self._move, self._inside(record)
        return ALL, listing({name: Point(p[0] + du, p[1] + dv) for name, p in inside.items()}, record.lies)

    def _line(self, line: str) -> str:
        step = grammar.read_step(line)
        return f"{step.text} {self._points([[p.u, p.v] for p in step.points])}"

    def _points(self, points: Sequence[Sequence[float]]) -> str:
        return " ".join(grammar.locate(Point(u + self._move[0], v + self._move[1])) for u, v in points)

    def _asked(self, record: Record, rng: np.random.Generator, seen: bool) -> list[tuple[str, str]]:
        """Questions and answers; seen: whether there is a picture to ask about. Without one a lesson costs less, and most
        of what can be asked hangs on the listing alone: then more is asked."""

        def pick(options: Sequence[Any], count: int) -> list[Any]:
            return [options[i] for i in rng.permutation(len(options))[:count]]

        asked: list[tuple[str, str]] = []
        if record.refusal:
            answer = UNCLEAR if record.refusal == "unclear" else f"{ABSENT} {record.refusal}"
            asked.append((ask_job(pick(record.goals, 1)[0]), answer))
        else:
            goals = zip(record.goals, record.parts, [record.jobs] * len(record.goals), strict=True)
            few = 1 if seen else 3
            for goal, parts, jobs in [*pick(list(goals), min(few, 2)), *pick(record.others, few)]:
                if jobs:
                    ahead = list(zip(["", *jobs], [*jobs, ""], strict=True))
                    asked += [(ask_job(goal, before), job) for before, job in pick(ahead, 2)]
                if parts or not jobs or rng.random() < 0.5:
                    ahead = list(zip(["", *parts], [*parts, ""], strict=True))
                    asked += [(ask_part(goal, before), part) for before, part in pick(ahead, 2)]
                if len(parts) == len(jobs):
                    asked += [(ask_job(part), job) for part, job in pick(list(zip(parts, jobs, strict=True)), 1)]
        for job, lines in pick(record.plans, 1 if seen else 3):
            asked.append((ask_plan(job), LINE.join(map(self._line, lines))))
        # Only a picture tells where the hand is.
        checks = [check for check in record.checks if seen or not check[0].startswith("reach")]
        if checks:  # the first is about the step just tried; the others balance it
            latest, rest = checks[0], checks[1:]
            against = [check for check in rest if check[1] != latest[1]]
            asked += [(ask_check(s), YES if good else NO) for s, good in [latest, *pick(against, 1)]]
        asked += [(ask(q), a) for q, a in pick(record.asks, int(rng.random() < 0.4))]
        if not seen:
            return asked
        asked += [(ask_points(what), self._points(points)) for what, points in pick(list(record.points.items()), 1)]
        if record.missing and rng.random() < 0.3:
            asked.append((ask_points(pick(record.missing, 1)[0]), ABSENT))
        inside = self._inside(record)
        return asked + [(ask_points(name), self._points([inside[name]])) for name in pick(list(inside), 1)]
