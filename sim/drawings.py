"""Sentences for an arm with a pen before a sheet of paper: those that ask for a drawing, and those that do not."""

from __future__ import annotations

import numpy as np

from embodied import registry
from embodied.data.snapshots import Record
from embodied.plan import DRAW
from sim import language
from sim.language import pick
from sim.nonsense import nonsense
from sim.sentences import PHRASINGS
from sim.task import TYPOS

TASKS = ("pick", "place-in-bowl", "stack-two", "reach", "push-to-zone")  # what is asked for where no thing is
TRAIN = (
    "@ draw {n} @", "@ draw {n} @", "@ draw {n} @", "@ draw {n} [for me|for us|now|again] @", "@ draw me {n} @",
    "@ draw {n} [on|onto] the [sheet|page|paper|sheet of paper] @", "@ draw {n} with [the|your] pen @",
    "@ sketch {n} @", "@ sketch {n} [for me|on the paper|with the pen] @", "@ sketch me {n} @",
    "@ draw [this|the|that] [picture|photo|image|drawing|sketch|file|one] @", "@ draw [this|it|that] @",
    "@ draw [a|the] [picture|sketch|portrait|outline] of {n} @", "@ draw what [you see|is in the picture|i gave you] @",
    "i [want|would like|need] you to [draw|sketch] {n}", "i [want|would like] a sketch of {n}",
    "[can|could|would|will] you [draw|sketch] {n} [for me|] ?", "[take|use|grab] [the|your] pen and draw {n}",
    "[let us|let's] draw {n}", "[here is|this is] {n} , draw [it|this]", "{n} , [draw it|sketch it] please",
    "draw {n} , [line by line|nicely|carefully|in black|as large as you can] @", "try to draw {n}", "draw [something|anything] @",
)  # fmt: skip
HELD_OUT = (
    "@ draw {n} down here @", "how about you draw {n} ?", "would you be so kind as to draw {n} ?", "go ahead and draw {n}",
    "we need {n} , so draw that", "pen on paper : draw {n}", "my son asks you to draw {n}", "just draw {n} , nothing more",
    "now sketch {n} quickly", "the job today is to draw {n}",
)  # fmt: skip
KINDS = "small big large little old simple pretty funny happy round tall quick nice whole".split()
# Words that also name what lies on a table are left out: there they are read by what they resemble.
NOUNS = """
    house cat dog tree flower sun moon star car boat ship bird fish horse face portrait hand eye heart logo letter word name
    signature map plan spiral pattern border chair bed clock key phone
    camera guitar piano violin robot arm machine engine wheel bicycle train plane rocket bridge tower church castle street city
    mountain river lake sea wave cloud rain snow leaf rose apple pear banana cake bread egg cow pig sheep duck owl fox bear
    rabbit mouse elephant lion tiger snake butterfly bee spider dragon king queen child girl boy man woman mother baby friend
    hat shoe shirt dress crown flag lamp book newspaper ticket number sign arrow symbol icon cartoon
    diagram chart building garden village island beach forest skyline landscape
""".split()


def thing(rng: np.random.Generator) -> str:
    """What shall be drawn: any noun, now and then one that no vocabulary has."""
    noun = pick(rng, NOUNS)
    if rng.random() < 0.15:
        noun = "".join(pick(rng, tuple(("bcdfghklmnprstvw", "aeiou")[k % 2])) for k in range(int(rng.integers(4, 9))))
    kind = pick(rng, KINDS) + " " if rng.random() < 0.2 else ""
    first = pick(rng, ("the", "the", "a", "a", "my", "this", "that", "our", "her", "some"))
    return f"{first} {kind}{noun}"


def asked(rng: np.random.Generator, held_out: bool = False) -> str:
    """A sentence that asks for a drawing. held_out: in a phrasing that training never uses."""
    template = pick(rng, HELD_OUT if held_out else TRAIN)
    return language.finish(language.goal(template, {"n": thing(rng)}, rng, held_out), rng, 0.0 if held_out else TYPOS)


def record(rng: np.random.Generator, seed: int) -> Record:
    """A moment before the sheet. Of four sentences two ask for a drawing, one for things that are not there (seed: of the episode
    that it is taken from), one means nothing."""
    kind = rng.random()
    if kind < 0.5:
        goals = [asked(rng) for _ in range(PHRASINGS)]
        return Record("draw", goals, [DRAW], [[] for _ in goals], others=[(asked(rng), [], [DRAW]) for _ in range(3)])
    if kind < 0.75:
        return Record("draw", [nonsense(rng) for _ in range(PHRASINGS)], refusal="unclear")
    episode = registry.build("task", pick(rng, TASKS)).sample(np.random.default_rng(seed), "train")
    return Record("draw", [episode.goal], refusal=episode.wants[0].a)
