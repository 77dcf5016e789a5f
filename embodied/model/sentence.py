"""A multimodal sentence: text, pictures, series and objects in any order, and its ids with placeholders.

As in PaLM-E (arXiv 2303.03378, section 3): every continuous input is encoded to vectors of the word-embedding width, which
take the places of placeholder tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from embodied.errors import UserError
from embodied.model.tokens import EOS, WHEN, Words


@dataclass(frozen=True)
class Text:
    text: str


@dataclass(frozen=True)
class Picture:
    """A picture of one camera. age: how many pictures before the newest; a prompt that has older ones tells the age of each
    in a word of its own."""

    camera: str
    age: int | None = None


@dataclass(frozen=True)
class Series:
    """The recent past of one state."""

    state: str


@dataclass(frozen=True)
class Objects:
    """A list of objects as vectors, one token each, with their labels in the text around them."""

    count: int
    name: str = "objects"


@dataclass(frozen=True)
class Prompt:
    """Words in order. str(prompt) shows the sentence with token counts."""

    words: tuple[Text | Picture | Series | Objects, ...]
    counts: Mapping[str, int]  # tokens of each picture or series

    def __str__(self) -> str:
        shown = []
        for word in self.words:
            if isinstance(word, Text):
                shown.append(word.text)
            elif isinstance(word, Objects):
                shown.append(f"<{word.name} x{word.count}>")
            else:
                name = _name(word)
                ago = f" {word.age} ago" if isinstance(word, Picture) and word.age is not None else ""
                shown.append(f"<{name} x{self.counts[name]}{ago}>")
        return " ".join(shown)

    @property
    def ages(self) -> list[int]:
        """Of the pictures that tell theirs, in reading order."""
        return [word.age for word in self.words if isinstance(word, Picture) and word.age is not None]

    def ids(self, words: Words) -> list[int]:
        """Token ids; a continuous input stands as its placeholder, repeated."""
        out: list[int] = []
        for word in self.words:
            if isinstance(word, Text):
                out += words.spell(words.encode(word.text))
            elif isinstance(word, Objects):
                out += [words[f"<{word.name}>"]] * word.count
            else:
                name = _name(word)
                if name not in self.counts:
                    raise UserError(f"the model has no encoder for {name!r}; it has {', '.join(self.counts) or 'none'}")
                if isinstance(word, Picture) and word.age is not None:
                    out.append(words[WHEN])
                out += [words[f"<{name}>"]] * self.counts[name]
        return out


@dataclass(frozen=True)
class Example:
    """A solved question about a moment of its own."""

    question: str
    answer: str


def few_shot(moment: Prompt, examples: Sequence[Example]) -> Prompt:
    """A multimodal prompt: each example's moment, question and answer, then the moment that is asked about. Its pictures and
    states come in that order, (1, k, ...) for k - 1 examples (Flamingo, arXiv 2204.14198, section 2.4)."""
    words: list[Text | Picture | Series | Objects] = []
    for one in examples:
        words += [*moment.words, Text(f"{one.question} {one.answer} {EOS}")]
    return Prompt((*words, *moment.words), moment.counts)


def _name(word: Picture | Series) -> str:
    return word.camera if isinstance(word, Picture) else word.state


def embed(table: nn.Embedding, ids: Tensor, vectors: Mapping[int, Tensor]) -> Tensor:
    """ids (b, n) -> (b, n, D): rows of the table, with `vectors[placeholder id]` (m, D) put, in reading order, where it stands.

    Raises UserError when a sentence has more or fewer placeholders than there are vectors.
    """
    out = table(ids)
    for placeholder, rows in vectors.items():
        where = ids == placeholder
        if int(where.sum()) != rows.shape[0]:
            raise UserError(
                f"the sentences have {int(where.sum())} places for input {placeholder}, but {rows.shape[0]} vectors came"
            )
        out = out.masked_scatter(where.unsqueeze(-1), rows.to(out.dtype))
    return out


def pad(sequences: list[list[int]], value: int) -> tuple[Tensor, Tensor]:
    """Right-pad to one length: ids (b, n) int64 and mask (b, n) bool, True where a token is."""
    longest = max(map(len, sequences))
    ids = torch.full((len(sequences), longest), value, dtype=torch.long)
    mask = torch.zeros((len(sequences), longest), dtype=torch.bool)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence)] = torch.tensor(sequence, dtype=torch.long)
        mask[row, : len(sequence)] = True
    return ids, mask
