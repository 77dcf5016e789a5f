"""The vocabulary of somebody else's language model, with our location and control tokens added.

Everything above thinks in words: a grammar walks from "put" to "red" to "block". Here a word that their tokenizer spells in several
tokens is one id above their vocabulary, which is spelled out where the language model reads it and walked through token by
token where it answers (embodied/model/decode.py). Every word is spelled by itself, so that training and answering agree.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from tokenizers import AddedToken, Tokenizer

from embodied.errors import UserError
from embodied.model.tokens import CONTROLS, LINE, XS, YS, Words

_PIECE = re.compile(r"<[a-z_]+\d*>|[^\W_]+(?:'[^\W_]+)*|[^\w\s]|_")
_BEFORE = (
    "."  # a piece is spelled as it is after a full stop: some tokenizers treat the start of a text in their own way
)


class Subwords(Words):
    """As Words; ids from `base` on are ours."""

    def __init__(self, tokenizer: Tokenizer, synonyms: Mapping[str, str] | None = None) -> None:
        super().__init__(tokenizer, synonyms)
        self._ids: dict[str, int] = {}
        self._pieces: dict[int, str] = {}
        self._long: list[list[int]] = []  # spellings of the words that have several tokens
        self._dot = tokenizer.encode(_BEFORE, add_special_tokens=False).ids
        self.first_long = len(self)
        ours = [self[token] for token in (*XS, *YS)]
        if ours != list(range(ours[0], ours[0] + len(XS) + len(YS))):
            raise UserError(
                "the location tokens are not in one piece in this vocabulary; it was made for another project"
            )
        self.base = ours[0]

    @classmethod
    def extended(cls, tokenizer: Tokenizer, placeholders: Iterable[str]) -> Subwords:
        """Their tokenizer with our tokens behind its last; location tokens first, so that all of ours begin there."""
        made = Tokenizer.from_str(tokenizer.to_str())
        ours = [*XS, *YS, *CONTROLS, *(f"<{name}>" for name in placeholders)]
        made.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in ours])
        return cls(made)

    def _extended(self, placeholders: Iterable[str]) -> Subwords:
        return Subwords.extended(self.tokenizer, placeholders)

    def _token(self, piece: str) -> int:
        """The id of a piece of text: of its only token, or one above the vocabulary."""
        if piece not in self._ids:
            after = self.tokenizer.encode(_BEFORE + piece, add_special_tokens=False).ids
            joined = after[: len(self._dot)] != self._dot
            spelled = self.tokenizer.encode(piece, add_special_tokens=False).ids if joined else after[len(self._dot) :]
            if len(spelled) == 1:
                made = spelled[0]
            else:
                made = self.first_long + len(self._long)
                self._long.append(spelled)
            self._ids[piece] = made
            self._pieces.setdefault(made, piece)
        return self._ids[piece]

    def encode(self, text: str) -> list[int]:
        out, text, ended = list[int](), text.lower().replace("\n", LINE), 0
        special = True  # a word after a token of ours begins as one after a space does
        for found in _PIECE.finditer(text):
            piece = found[0]
            known = self.tokenizer.token_to_id(piece) if piece.startswith("<") and len(piece) > 1 else None
            if known is not None:
                out.append(known)
            else:
                out.append(self._token(" " + piece if special or found.start() > ended else piece))
            special, ended = known is not None, found.end()
        return out

    def spell(self, ids: Iterable[int]) -> list[int]:
        return [t for i in ids for t in (self._long[i - self.first_long] if i >= self.first_long else [i])]

    def decode(self, ids: Iterable[int]) -> str:
        shown = []
        for i in ids:
            if i in self._pieces:
                shown.append(self._pieces[i])
            elif i >= self.base:
                shown.append(f" {self.tokenizer.id_to_token(i)}")
            else:
                shown.append(self.tokenizer.decode([i], skip_special_tokens=False))
        return re.sub(rf" *{LINE} *", "\n", "".join(shown)).strip(" ")

    def __getitem__(self, token: str) -> int:
        return super().__getitem__(token) if token.startswith("<") and token.endswith(">") else self._token(" " + token)

    def knows(self, word: str) -> bool:
        """Always: what is not a token is spelled."""
        return True

    def spelled(self, text: str) -> float:
        """0: a language model of the world has met the words; what it makes of them is for it to say."""
        return 0.0

    def save(self, path: Path) -> None:
        self.tokenizer.save(str(path))
