"""Words for goals: templates with alternatives become sentences, things get phrases, some of them with typos.

A template is a sentence with placeholders and alternatives: `@ [pick up|grab] {a} [now|]`. Alternatives may be empty and may
nest. `@` at the start is a polite opening ("could you"), at the end a polite closing ("for me"); both may vanish.
Placeholders that name things ({a}, {b}, ...) hold phrases such as "the violet cube"; which ones a task has, and the
composite ones ({where}, {up}, {first}, ...), stands in docs/tasks.md. A user's file maps tasks to lists of templates.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from embodied.errors import UserError
from embodied.plan import COLOURS, SHAPES
from sim.phrasings import further
from sim.scene import HELD_OUT

if TYPE_CHECKING:
    from sim.task import Episode

NOUNS = {
    "block": ("block", "block", "block", "cube", "cube", "box"),
    "cylinder": ("cylinder", "cylinder", "cylinder", "can", "tube", "tin"),
    "brick": ("brick", "brick", "brick", "bar", "slab", "plank"),
    "bowl": ("bowl", "bowl", "bowl", "dish", "basin"),
    "zone": ("zone", "zone", "zone", "area", "mat", "patch", "square", "spot", "circle", "pad"),
}
TINTS = {
    "red": ("scarlet", "crimson"),
    "green": ("emerald",),
    "cyan": ("turquoise", "teal", "aqua"),
    "purple": ("violet", "lilac"),
    "pink": ("rose",),
    "black": ("jet black",),
    "white": ("snow white",),
}
GENERIC = ("thing", "object", "item", "one", "piece")
OPENINGS = (
    "please", "could you", "could you please", "can you", "would you", "can you please", "robot,", "hey robot,",
    "ok,", "now", "next,", "your task:", "task:", "i want you to", "i'd like you to", "i need you to", "you should",
    "you have to", "try to", "go ahead and", "your job is to", "your task is to", "let's", "it's time to", "just",
    "the goal is to", "goal:", "okay robot,", "hi,", "you must", "listen,", "well,", "so,", "hello robot,",
    "it is your turn.", "the table is a mess.", "one more thing:", "i wonder if you could", "may i ask you to",
    "first of all,", "if you can,", "as a next step,", "would it be possible to", "help me to", "be careful and",
)  # fmt: skip
CLOSINGS = (
    "please", "for me", "now", "thanks", ", thank you", "right away", "when you can", "if you can", ", okay?", "carefully",
    ", robot",
)  # fmt: skip
OPENINGS_HELD_OUT = (
    "would you mind helping me to", "be so kind as to", "here is what to do:", "we need to", "do me a favour and",
    "kindly", "it would help if you",
)  # fmt: skip
CLOSINGS_HELD_OUT = ("without delay", ", would you", "as soon as possible", ", that is all")

OPTIONAL = {"things"}  # composite placeholders that a sentence need not have: "sort everything by colour"

_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_SLOT = re.compile(r"\{(\w+)\}")
_DOUBLED = re.compile(r"[^aeiou]*[aeiou][^aeiouwxy]")  # put, drop, let: the last letter doubles before -ing
_SECOND = re.compile(r"\band (\w+) it\b")  # the other verb of "take a and put it on b"
PARTS = "\ue000\ue001\ue002"  # open the first, second and third job of a sentence while it is made
PART_END = "\ue003"


def pick(rng: np.random.Generator, options: Sequence[str]) -> str:
    return options[int(rng.random() * len(options))]


def gerund(clause: str) -> str:
    """`take the red block and put it ...` -> `taking the red block and putting it ...`."""

    def doing(verb: str) -> str:
        return (verb + verb[-1] if _DOUBLED.fullmatch(verb) else verb.removesuffix("e")) + "ing"

    verb, _, rest = clause.partition(" ")
    return f"{doing(verb)} " + _SECOND.sub(lambda found: f"and {doing(found[1])} it", rest)


def expand(template: str, rng: np.random.Generator | None = None) -> str:
    """Choose among the alternatives; the first of each when there is no rng."""
    while found := _BRACKETS.search(template):
        options = found[1].split("|")
        template = template[: found.start()] + (pick(rng, options) if rng else options[0]) + template[found.end() :]
    return template


def goal(
    template: str, words: Mapping[str, str], rng: np.random.Generator | None = None, held_out: bool = False
) -> str:
    """The template as a sentence: alternatives chosen, placeholders filled, spaces tidy.

    Raises UserError when a placeholder is not in `words`.
    """
    text = expand(template, rng)
    if text.startswith("@"):
        openings = OPENINGS_HELD_OUT if held_out else OPENINGS + further("openings")
        opening = pick(rng, openings) if rng and rng.random() < 0.45 else ""
        if rng and opening.endswith((",", ".", ":")) and rng.random() < 0.4:  # "hey robot, could you"
            opening += " " + pick(rng, [one for one in openings if one[-1] not in ",.:"])
        text = f"{opening} {text[1:]}"
    if text.endswith("@"):
        closings = CLOSINGS_HELD_OUT if held_out else CLOSINGS + further("closings")
        text = text[:-1] + (pick(rng, closings) if rng and rng.random() < 0.2 else "")
    try:
        text = _SLOT.sub(lambda found: words[found[1]], text)
    except KeyError as missing:
        known = ", ".join("{" + key + "}" for key in words)
        raise UserError(
            f"template {template!r} has the placeholder {{{missing.args[0]}}}; this goal has {known}"
        ) from None
    return tidy(text)


def tidy(text: str) -> str:
    """One space between words, none before punctuation."""
    return re.sub(r"\s+([,.?!:;])", r"\1", " ".join(text.split()))


def parts(text: str) -> tuple[str, tuple[str, ...]]:
    """A sentence whose jobs are marked -> the sentence, and its jobs in the order in which they are to be done."""
    marked = f"[{PARTS}{PART_END}]"
    found = {m[0][0]: tidy(re.sub(marked, " ", m[0])) for m in re.finditer(f"[{PARTS}][^{PART_END}]*{PART_END}", text)}
    return tidy(re.sub(marked, " ", text)), tuple(found[one] for one in PARTS if one in found)


def slots(template: str) -> set[str]:
    return set(_SLOT.findall(template))


def usable(template: str, words: Mapping[str, str], phrases: Mapping[str, str]) -> bool:
    """Whether the template says all that this goal needs, with placeholders that it has.

    phrases: the composite placeholders and what they are made of ({"where": "left of {b}"}): using one covers its parts.
    """
    used = slots(template)
    if not used <= words.keys():
        return False
    said = set(used)
    for key in used & phrases.keys():
        said |= slots(phrases[key])
    # one clause said in two ways ({first}, {doing_first}), one list in two orders ({up}, {down}): what is not composite decides
    needed = {key for key in words if key not in phrases or not slots(phrases[key])}
    for key in OPTIONAL & phrases.keys():
        needed -= slots(phrases[key])
    return needed <= said


def finish(text: str, rng: np.random.Generator, typos: float = 0.0) -> str:
    """Case, final punctuation and typos as people type them."""
    if typos:
        text = " ".join(
            _typo(word, rng) if len(word) > 3 and rng.random() < typos else word for word in text.split(" ")
        )
    question = text.endswith("?")
    if question and rng.random() < 0.3:
        text = text[:-1]
    elif not question and text[-1] not in ".!":
        text += pick(rng, ("", "", "", "", "", ".", ".", ".", ".", "!"))
    case = rng.random()
    if case < 0.45:
        return re.sub(r"[a-z]", lambda first: first[0].upper(), text, count=1)
    return text.upper() if case < 0.48 else text


def _typo(word: str, rng: np.random.Generator) -> str:
    at = 1 + int(rng.random() * (len(word) - 2))
    if rng.random() < 0.5:
        return word[:at] + word[at + 1 :]
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def refer(name: str, rng: np.random.Generator, present: Sequence[str], loose: float = 0.06) -> str:
    """A phrase for the thing `name`: article, colour word, noun.

    present: names of all things on the table; with probability `loose` a thing that is the only movable one of its colour
    is called "the green thing" and the like.
    """
    colour, shape = name.split()
    tint = pick(rng, TINTS[colour]) if colour in TINTS and rng.random() < 0.1 else colour
    alone = sum(n.split()[0] == colour and n.split()[1] in SHAPES for n in present) <= 1
    noun = pick(rng, GENERIC) if shape in SHAPES and alone and rng.random() < loose else pick(rng, NOUNS[shape])
    kind = rng.random()
    if kind < 0.88:
        phrase = f"{tint} {noun}"
    elif kind < 0.91:
        phrase = f"{tint} colo{'u' if kind < 0.895 else ''}red {noun}"
    elif kind < 0.94 and shape in SHAPES:
        phrase = f"{'little' if kind < 0.925 else 'small'} {tint} {noun}"
    elif kind < 0.97:
        phrase = f"{noun} that is {tint}"
    else:
        phrase = f"{noun} which is {tint}" if kind < 0.985 else f"{tint}-coloured {noun}"
    article = rng.random()
    if article < 0.8:
        return "the " + phrase
    if article < 0.9 and "that is" not in phrase and "which is" not in phrase and noun != "one":
        return phrase
    return pick(rng, ("that ", "this ", "the ", "a ")) + phrase if phrase[0] not in "aeo" else "that " + phrase


def listing(keys: Sequence[str]) -> str:
    """("a", "b", "c") -> "{a}, {b} and {c}", as a template."""
    braced = ["{" + key + "}" for key in keys]
    comma = "[|,]" if len(braced) > 2 else ""
    return f"{', '.join(braced[:-1])}{comma} and {braced[-1]}"


def absent(rng: np.random.Generator, episode: Episode) -> tuple[str, str]:
    """The episode's goal, rewritten so that it names a thing that is not on the table: (goal, that thing's name)."""
    present = {item.name for item in episode.items}
    letters = sorted(episode.names)
    words, template = dict(episode.words), episode.template
    said = slots(template)
    for key in said & episode.phrases.keys():
        said = said | slots(episode.phrases[key])
    letters = [letter for letter in letters if letter in said]
    if letters:
        letter = pick(rng, letters)
        kinds = SHAPES if episode.names[letter].split()[1] in SHAPES else (episode.names[letter].split()[1],)
    else:
        letter, kinds = "a", SHAPES
        words, template = {"a": ""}, "@ [put {a} away|pick up {a}|move {a}] @"
    colours = {name.split()[0] for name in present if name.split()[1] in kinds}
    # held-out pairs never occur in training's words, least of all as things that are never there
    pool = [name for c in COLOURS for k in kinds if (name := f"{c} {k}") not in present and name not in HELD_OUT]
    strange = [name for name in pool if name.split()[0] not in colours]
    name = pick(rng, strange if strange and rng.random() < 0.4 else pool)
    # "the red thing" would be there after all when another red thing is
    phrase = refer(name, rng, (), loose=0.1 if name in strange else 0.0)
    old = re.compile(rf"(?<![\w-]){re.escape(words[letter])}(?![\w-])") if words[letter] else None
    for key, value in words.items():
        words[key] = phrase if key == letter else old.sub(phrase, value) if old else value
    return finish(goal(template, words, rng, episode.held_out), rng), name


def retell(episode: Episode, templates: Sequence[str], rng: np.random.Generator) -> Episode:
    """The episode with its goal in a user's words. Templates that do not fit it (a tower of three needs no {d}) are
    skipped; when none fits, the episode keeps its own goal."""
    fitting = [t for t in templates if usable(t, episode.words, episode.phrases)]
    if not fitting:
        return episode
    template = pick(rng, fitting)
    return replace(episode, goal=goal(template, episode.words, rng), template=template)


def instructions(entries: object, tasks: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Check a user's templates, a mapping task -> list of sentences (tasks: task -> its placeholders). Raises UserError."""
    if not isinstance(entries, Mapping) or not entries:
        raise UserError("instructions must map tasks to lists of templates, for example `pick: ['take {a}']`")
    for task, templates in entries.items():
        if task not in tasks:
            raise UserError(f"instructions name the unknown task {task!r}; choose from {', '.join(sorted(tasks))}")
        if (
            not isinstance(templates, list)
            or not templates
            or not all(isinstance(t, str) and t.strip() for t in templates)
        ):
            raise UserError(f"instructions for {task!r} must be a list of sentences, got {templates!r}")
        for template in templates:
            if strange := slots(template) - set(tasks[task]):
                known = ", ".join("{" + key + "}" for key in tasks[task]) or "none"
                raise UserError(f"template {template!r} has the placeholder {{{min(strange)}}}; {task} has {known}")
    return {str(task): list(templates) for task, templates in entries.items()}
