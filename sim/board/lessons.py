"""Demonstrations on the board as a reasoner's sentences, and the planner that has learnt from them.

A moment of a demonstration is where the pieces were seen, what was pushed before, and what the expert says next. The sentence is
PaLM-E's: objects, then the words of the job and of the last push; the answer is the next push, or done. Every visit tells a moment
anew: other labels, other colours, near and far or left and right exchanged in picture and words, places a few millimetres off.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embodied.errors import UserError
from embodied.model.lessons import Lesson
from embodied.model.reasoner import Answers, Reasoner, objects
from embodied.model.tokens import EOS, NO, YES, Words, train_vocabulary
from sim.board.jobs import (
    COLOURS,
    CORNERS,
    PHRASES,
    SHAPES,
    Job,
    Places,
    Planner,
    Push,
    known,
    read,
    written,
)
from sim.randomise import RGB
from sim.tamp.scene import FIELDS, LABELS

MIDDLE_X = sum(x for x, _ in CORNERS.values()) / len(CORNERS)  # near and far are exchanged about it
EDGE, SHAKE_M = 0.044, 0.003
SWAPS = ({"top": "bottom", "bottom": "top"}, {"left": "right", "right": "left"})
OTHERS = tuple(RGB)
OTHER = dict(zip(SHAPES, reversed(SHAPES), strict=True))
ASKED = {
    "closest": "which block is closest to the {corner} corner ?",
    "nearest": "which block is closest to {a} ?",
    "fellow": "which is the other block of the same colour as {a} ?",
    "together": "are {a} and {b} together ?",
    "corner": "is {a} in the {corner} corner ?",
    "side": "is {a} on the {side} side ?",
    "named": "which is the {name} ?",
}
NOTHING = "nothing"  # before the first push
# cos yaw of an object vector, whose sin yaw is 0: which way a piece lies is not known, but a cylinder lies no way at all.
LIES = {"block": 1.0, "cylinder": 0.0}


@dataclass(frozen=True)
class Moment:
    """kind, text: the job. seen: label -> x y, m. names: label -> colour and shape. before, said: pushes as they are written."""

    kind: str
    text: str
    seen: Mapping[int, tuple[float, float]]
    names: Mapping[int, str]
    before: str
    said: str


def save(path: Path, moments: Sequence[Moment], **about: object) -> None:
    """Append one demonstration, a line of JSON."""
    rows = [
        {"seen": {k: [round(x, 4) for x in at] for k, at in m.seen.items()}, "before": m.before, "said": m.said}
        for m in moments
    ]
    line = {**about, "text": moments[0].text, "names": dict(moments[0].names), "moments": rows}
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def load(path: Path, kind: str, count: int) -> list[Moment]:
    """The moments of the first `count` demonstrations of a job. UserError when there are not so many."""
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        found = [line for line in lines if line["kind"] == kind][:count]
        out = [
            Moment(kind, line["text"], {int(k): tuple(at) for k, at in one["seen"].items()},
                   {int(k): name for k, name in line["names"].items()}, one["before"], one["said"])
            for line in found for one in line["moments"]
        ]  # fmt: skip
    except OSError as fault:
        raise UserError(
            f"there are no demonstrations at {path} ({fault.strerror}); make some with embodied record kind=board"
        ) from None
    except (json.JSONDecodeError, KeyError, TypeError, ValueError) as fault:
        raise UserError(
            f"{path} holds no demonstrations ({type(fault).__name__}: {fault}); record them again"
        ) from None
    if len(found) < count:
        raise UserError(
            f"{path} holds {len(found)} demonstrations of {kind!r}, not {count}; record more, or ask for fewer"
        )
    return out


def vocabulary(known: Words) -> Words:
    """The words of `known` with their ids, and those of the board behind them."""
    corpus = [phrase for phrases in PHRASES.values() for phrase in phrases]
    corpus += [*CORNERS, *COLOURS, *SHAPES, "push to done left right before nothing are is and together in as ."]
    entities = [f"obj_{label}" for label in range(1, LABELS + 1)]
    return Words(train_vocabulary(corpus, entities, least=1, first=known.tokens()))


def grown(model: Reasoner, words: Words) -> Reasoner:
    """The same network with rows for the new words, which begin as random as words do."""
    out, table = Reasoner(model.config, words), model.backbone.embed_tokens.weight.detach()
    old = model.state_dict()
    rows = out.backbone.embed_tokens.weight.detach().clone()
    rows[: len(table)] = table
    old["backbone.embed_tokens.weight"] = rows
    out.load_state_dict(old)
    return out


def question(text: str, before: str) -> str:
    return f"{text} . before : {before}"


def whether(push: Push) -> str:
    """The question (sim/board/questions.py) whether a push has come about."""
    thing, to = push
    if isinstance(to, str):
        return ASKED["corner"].format(a=f"<obj_{thing}>", corner=to)
    return ASKED["together"].format(a=f"<obj_{thing}>", b=f"<obj_{to}>")


def vectors(seen: Mapping[int, Sequence[float] | NDArray[np.float64]], names: Mapping[int, str]) -> NDArray[np.float32]:
    """(n, FIELDS) of pieces at these places: of what a camera does not tell, the middling."""
    rows = []
    for k, at in seen.items():
        colour, shape = names[k].split()
        rows.append([*at, EDGE / 2, 0.0, LIES[shape], EDGE, EDGE, EDGE, *RGB[colour]])
    return np.array(rows, np.float32).reshape(-1, FIELDS)


class Demonstrations:
    """Moments as lessons (embodied.data.schedule). augment: told anew at every visit."""

    times = 1

    def __init__(self, words: Words, moments: Sequence[Moment], augment: bool = True) -> None:
        self.words, self.augment = words, augment
        alike: dict[tuple[str, bool, bool], list[Moment]] = {}
        for one in moments:  # a job's begin, a change of pushes, going on: each as often, though most go on
            alike.setdefault((one.kind, one.before == NOTHING, one.before == one.said), []).append(one)
        self.alike = list(alike.values())

    def __len__(self) -> int:
        return len(self.alike)

    def lesson(self, row: int, rng: np.random.Generator) -> Lesson:
        """As sim.tamp.lessons.Scenes makes them."""
        moment = self.alike[row][rng.integers(len(self.alike[row]))]
        moment = told(moment, rng) if self.augment else moment
        order = [list(moment.seen)[i] for i in rng.permutation(len(moment.seen))]
        made = vectors({k: moment.seen[k] for k in order}, moment.names)
        states = {"given": np.zeros((LABELS, FIELDS), np.float32), "labels": np.zeros(LABELS, np.int64)}
        states["given"][: len(order)], states["labels"][: len(order)] = made, order
        asked = self.words.encode(question(moment.text, moment.before))
        return Lesson(
            {}, states, [(asked, [*self.words.encode(moment.said), self.words[EOS]])], (objects(self.words, order), [])
        )


def told(moment: Moment, rng: np.random.Generator) -> Moment:
    """The same moment in other words, colours and shapes, seen from another side."""
    labels = dict(zip(moment.names, (rng.permutation(LABELS)[: len(moment.names)] + 1).tolist(), strict=True))
    mine = sorted({name.split()[0] for name in moment.names.values()})
    colours = dict(zip(mine, (OTHERS[i] for i in rng.permutation(len(OTHERS))), strict=False))
    # Which of a colour is the block: a few demonstrations would else teach what the shapes on them have to do with the job.
    turned = dict(zip(mine, rng.random(len(mine)) < 0.5, strict=True))
    names = {f"{c} {s}": f"{colours[c]} {OTHER[s] if turned[c] else s}" for c in mine for s in SHAPES}
    flip = rng.random(2) < 0.5
    swaps = {word: other for swap, over in zip(SWAPS, flip, strict=True) if over for word, other in swap.items()}

    def anew(text: str) -> str:
        text = re.sub("|".join(names), lambda found: names[found[0]], text)
        words = [swaps.get(word, word) for word in text.split()]
        return " ".join(f"<obj_{labels[int(w[5:-1])]}>" if w.startswith("<obj_") else w for w in words)

    seen = {}
    for label, (x, y) in moment.seen.items():
        at = (2 * MIDDLE_X - x if flip[0] else x), (-y if flip[1] else y)
        seen[labels[label]] = tuple(np.add(at, rng.normal(0, SHAKE_M, 2)))
    given = {labels[label]: anew(name) for label, name in moment.names.items()}
    return Moment(moment.kind, anew(moment.text), seen, given, anew(moment.before), anew(moment.said))


def grammar(words: Words, labels: Sequence[int]) -> Callable[[Sequence[int]], list[int]]:
    """What may follow: a push of a piece to another or to a corner, or done."""
    end, push, done, to = words[EOS], words["push"], words["done"], words["to"]
    entities = [words[f"<obj_{label}>"] for label in labels]
    ends = [words["top"], words["bottom"]]

    def allowed(out: Sequence[int]) -> list[int]:
        if not out:
            return [push, done] if entities else [done]
        if out[0] == done or len(out) == 5 or (len(out) == 4 and out[3] not in ends):
            return [end]
        if len(out) < 3:
            return entities if len(out) == 1 else [to]
        return [words["left"], words["right"]] if len(out) == 4 else [*(e for e in entities if e != out[1]), *ends]

    return allowed


def learned(model: Reasoner, names: Callable[[], Mapping[int, str]], job: Job) -> Planner:
    """The planner that goes by the job's words and what is seen alone. names: label -> name of what was seen so far. Before it
    leaves off it asks itself whether the last push has come about, and goes on with it if not."""
    import torch

    words = model.words
    verdicts = [words[YES], words[NO]]

    def planner(now: Places, before: Push | None) -> Push | None:
        asked = question(job.text, written(before) if before else NOTHING)
        answers = Answers(model, torch.from_numpy(vectors(now, names())), list(now))
        said = read(answers.answer(asked, grammar(words, list(now))))
        if said is None and before is not None and known(before, now):
            done = answers.answer(whether(before), lambda out: [words[EOS]] if out else verdicts)
            return None if done == YES else before
        return said

    return planner
