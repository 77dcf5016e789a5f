"""Which words of a route command mean something to a network that drives."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from embodied.data.drives import DECISIONS, REASONS
from embodied.plan import COLOURS

if TYPE_CHECKING:
    from embodied.model.tokens import Words

# Of the words below, those that stand in commands too (TELLINGS of sim/drive.py; a test compares).
_COMMANDS = {*COLOURS, "behind", "car", "keep", "left", "on", "right", "stop", "the", "to", "turn"}


@lru_cache(maxsize=1)
def _silent() -> frozenset[str]:
    """In every vocabulary of a driving network, and in no command: words of the arm, and those that it says itself."""
    from embodied.model.tokens import GRAMMAR_WORDS

    return frozenset({*GRAMMAR_WORDS, *" ".join((*DECISIONS, *REASONS, "nothing")).split()} - _COMMANDS)


def unread(command: str, words: Words, places: int) -> tuple[str, ...]:
    """The words that it was never taught, which are spelled out to it, and those beyond its places for a command."""
    made, taken = list[str](), 0
    for word in re.findall(r"\w+|\S", words.familiar(command)):
        taken += len(words.encode(word))
        if word[0].isalnum() and (taken > places or word in _silent() or not words.knows(word)):
            made.append(word)
    return tuple(made)
