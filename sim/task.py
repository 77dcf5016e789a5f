"""What a task is: it lays a table, wants something, and says so.

Splits: `train` and `seen` are one distribution under different seeds; `pairs` names colour-shape pairs that are never in
those two; `phrasings` uses templates that training never uses; `compositions` asks for more than training does;
`distractors` has 4 to 5 things that the goal does not name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

import numpy as np

from embodied import registry
from embodied.errors import UserError
from policies.symbolic import Facts, Want, remaining
from sim import language
from sim.phrasings import further
from sim.scene import Crowded, Item, Layout, facts

SPLITS = ("train", "seen", "pairs", "phrasings", "compositions", "distractors")
FIRST_EVALUATION_SEED = 10_000_000
EPISODES = 100_000  # seeds of one run: room for that many episodes
MOST = 1_000_000_000  # runs for evaluation
TYPOS = 0.02  # per word, split train only
CHAIN = (
    "{first}[,|] [and |]then {second}",
    "first {first}[,|] then {second}",
    "{first} and [after that|afterwards|next] {second}",
    "@ {first}[,|] [and |]then {second} @",
    "{first}. [then|after that|next|afterwards][,|] {second}",
    "{second} after {doing_first}",
    "after {doing_first}[,|] {second}",
    "{first} before {doing_second}",
    "before {doing_second}[,|] {first}",
    "@ first {first}, and then {second}",
)


@dataclass(frozen=True)
class Episode:
    """One problem: what lies where, what shall become true, and the sentence that asks for it.

    words: placeholder -> phrase, enough to fill any template of the task; phrases: the composite placeholders and what they
    are made of; names: placeholder -> name of the thing it means; held_out: the template is one that training never uses;
    parts: of a sentence that asks for several jobs, the words of each as they stand there, in the order of doing.
    """

    task: str
    items: tuple[Item, ...]
    wants: tuple[Want, ...]
    goal: str
    words: dict[str, str]
    template: str
    names: dict[str, str] = field(default_factory=dict)
    phrases: dict[str, str] = field(default_factory=dict)
    held_out: bool = False
    parts: tuple[str, ...] = ()


@runtime_checkable
class Task(Protocol):
    """max_steps: control ticks (20 Hz) after which an episode is given up. slots: the placeholders of its templates."""

    name: str
    max_steps: int
    slots: tuple[str, ...]

    def sample(self, rng: np.random.Generator, split: str) -> Episode: ...


@dataclass(frozen=True)
class Laid:
    """What a task laid out: its wants, which placeholder means which thing, composite phrases as templates over those.

    chain: told by chain templates ({first}, {second}), which training knows from compounds only.
    """

    wants: tuple[Want, ...]
    names: Mapping[str, str] = field(default_factory=dict)
    phrases: Mapping[str, str] = field(default_factory=dict)
    chain: bool = False


class TableTask:
    """The sampling that all tasks share; a task writes `lay` and its templates."""

    name = ""
    max_steps = 0
    slots: tuple[str, ...] = ()
    TRAIN: tuple[str, ...] = ()
    HELD_OUT: tuple[str, ...] = ()
    loose = 0.06  # how often a thing is called by its colour alone where that is enough

    def lay(self, layout: Layout) -> Laid:
        """Place the items of one episode; raise Crowded to have another try."""
        raise NotImplementedError

    def sample(self, rng: np.random.Generator, split: str) -> Episode:
        """One episode of the split. Uses no randomness but rng's."""
        if split not in SPLITS:
            raise UserError(f"unknown split {split!r}; choose from {', '.join(SPLITS)}")
        for _ in range(1000):
            layout = Layout(rng, split)
            try:
                laid = self.lay(layout)
            except Crowded:
                continue
            if remaining(laid.wants, facts(layout.items)):
                return self.tell(layout, laid)
        raise RuntimeError(f"task {self.name} finds no layout for split {split}")

    def tell(self, layout: Layout, laid: Laid) -> Episode:
        """Put the laid table into words."""
        held_out = layout.split == "phrasings" and not laid.chain
        phrases = dict(laid.phrases)
        phrases |= {f"doing_{key}": phrase for key, phrase in phrases.items() if key in ("first", "second", "third")}
        episode = Episode(
            self.name, tuple(layout.items), laid.wants, "", {}, "", dict(laid.names), phrases, held_out
        )  # fmt: skip
        return self.retold(episode, layout.rng, layout.split)

    def retold(self, episode: Episode, rng: np.random.Generator, split: str) -> Episode:
        """The same table and wants, told anew: names of things, template, alternatives, case, typos (split train only)."""
        present = [item.name for item in episode.items]
        words = {key: language.refer(name, rng, present, self.loose) for key, name in episode.names.items()}
        for key, phrase in episode.phrases.items():
            first = key.removeprefix("doing_")
            words[key] = language.goal(phrase, words, rng) if first == key else language.gerund(words[first])
        chain = "first" in episode.phrases and "first" not in self.slots
        told = CHAIN if chain else self.templates(episode.held_out)
        template = language.pick(rng, [t for t in told if language.usable(t, words, episode.phrases)])
        marked = {
            key: f" {mark} {words[key]} {language.PART_END} "
            for name, mark in zip(("first", "second", "third"), language.PARTS, strict=True)
            for key in (name, f"doing_{name}")
            if key in words
        }
        text = language.goal(template, words | marked, rng, episode.held_out)
        text, parts = language.parts(language.finish(text, rng, TYPOS if split == "train" else 0.0))
        return replace(episode, goal=text, words=words, template=template, parts=parts)

    def told_by(self, wants: tuple[Want, ...], table: Facts) -> bool:
        """Whether what the sentence means can be read off this table; not where it speaks of how things lay at the start."""
        return True

    def templates(self, held_out: bool = False) -> tuple[str, ...]:
        """The sentences that say this task's goal; held_out: those that training never uses."""
        return (self.HELD_OUT if held_out else self.TRAIN) + further(self.name, held_out)


def retell(episode: Episode, rng: np.random.Generator, split: str = "train") -> Episode:
    """The same episode in another phrasing: same things, same wants. In the split train with typos."""
    return registry.build("task", episode.task).retold(episode, rng, split)


def budget(steps: int) -> int:
    """Ticks for a plan of that many steps: 130 each and a margin, twice, so that failed steps can be tried again."""
    return 2 * (130 * steps + 50)


def seed_of(split: str, seed: int, episode: int) -> int:
    """The seed of a run's n-th episode: below 10,000,000 for training, from there on for everything else."""
    if split not in SPLITS:
        raise UserError(f"unknown split {split!r}; choose from {', '.join(SPLITS)}")
    if not 0 <= episode < EPISODES:
        raise UserError(f"episode {episode} is out of range; a run has 0 to {EPISODES - 1}")
    runs = FIRST_EVALUATION_SEED // EPISODES
    most = runs if split == "train" else MOST
    if not 0 <= seed < most:
        raise UserError(f"seed {seed} is out of range; use 0 to {most - 1} for the split {split}")
    return (0 if split == "train" else FIRST_EVALUATION_SEED) + seed * EPISODES + episode
