"""One beginning, many questions: what was read stays, and every question is read from where it parts from the one before."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from embodied.model.reader import CachedReader, Reader, longest
from embodied.model.tokens import EOS

Allowed = Callable[[Sequence[int]], list[int]]
Guess = Callable[[], Sequence[int]]
AHEAD = 4  # words read on a guess


def copied(question: Sequence[int], said: Sequence[int], allowed: Allowed, end: int) -> list[int]:
    """What an answer goes on with, AHEAD words at most, if it goes on to say what the question says, without the words that it may
    not say. To read a few tokens costs hardly more than one, for what costs is to fetch the weights (a draft that is copied
    from the prompt: Yang et al. 2023, arXiv 2304.04487)."""
    at, out = 0, list[int]()
    find = lambda among: next((k for k in range(at, len(question)) if question[k] in among), None)  # noqa: E731
    for token in said:
        if (k := find([token])) is not None:
            at = k + 1
    while len(out) < AHEAD:
        choices = allowed([*said, *out])
        if (k := find(choices)) is not None:
            out.append(question[k])
            at = k + 1
        elif len(choices) == 1 and choices != [end]:
            out += choices
        else:
            break
    return out


class Reading:
    """What is asked, a word at a time: a model with `words`, `backbone` and `smear`, and what was read so far. What a question has
    in common with the one before is not read again, for questions begin alike: a goal, then what was answered last."""

    model: Any

    def __init__(self, reader: Reader | CachedReader, dim: int) -> None:
        self.reader = reader
        self.known = 0  # tokens read that every question continues from
        self.embeds = torch.zeros(2, dim)  # of all that was read, behind two empty ones
        self.held: list[int] = []  # what the reader holds, spelled; -1 where it is no word that comes again
        self.hidden = torch.zeros(0, dim)  # and its last hidden states

    def _embed(self, spelled: list[int]) -> Tensor:
        """(n, D)."""
        return self.model.backbone.embed(torch.tensor(spelled))

    def _feed(self, embeds: Tensor, spelled: Sequence[int] = ()) -> Tensor:
        """The next tokens' embeddings (n, D) -> their last hidden states (1, n, D). spelled: the tokens, where they are words."""
        start, n = self.reader.length, len(embeds)
        self.embeds = x = torch.cat([self.embeds[: start + 2], embeds])
        hidden = self._hidden(self.model.smear(embeds, x[start + 1 : start + 1 + n], x[start : start + n]))
        self.held = [*self.held[:start], *(spelled or [-1] * n)]
        self.hidden = torch.cat([self.hidden[:start], hidden])
        return hidden[None]

    def _hidden(self, smeared: Tensor) -> Tensor:
        return self.reader.read(smeared)

    def _ahead(self, guess: Guess, n: int) -> list[int]:
        """What may follow n more tokens, spelled, as far as the backbone has room for it."""
        left = longest(self.reader.backbone.config) - self.reader.length - n
        return [token for k, token in enumerate(self.model.words.spell(guess())) if k < left]

    def _spelled(self, spelled: list[int], guess: Guess = list) -> Tensor:
        """Last hidden states (1, n, D) of the next tokens, of which the reader may hold the first ones still. guess: words that
        may follow, read in the same go where there is one; if they do follow they are held already."""
        start = self.reader.length
        held = self.held[start : start + len(spelled)]
        same = next((k for k, (old, new) in enumerate(zip(held, spelled, strict=False)) if old != new), len(held))
        if rest := spelled[same:]:
            rest += self._ahead(guess, len(spelled))
            self.reader.length += same
            self._feed(self._embed(rest), rest)
        self.reader.length = start + len(spelled)
        return self.hidden[None, start : self.reader.length]

    def _read(self, ids: list[int], guess: Guess = list) -> Tensor:
        """The same of words."""
        return self._spelled(self.model.words.spell(ids), guess)

    def _forget(self) -> None:
        self.reader.length = self.known

    @torch.inference_mode()
    def say(self, text: str, allowed: Allowed, most: int = 160) -> tuple[list[int], float]:
        """Greedy continuation of `text` within `allowed`, without the end token; and the mean log-probability among
        the allowed tokens. Tokens that nothing else could be are not computed but read along with the next."""
        end, score, chosen = self.model.words[EOS], 0.0, 0
        out: list[int] = []
        question = unread = self.model.words.encode(text)
        try:
            for _ in range(most):
                choices = allowed(out)
                if len(choices) == 1:
                    token = choices[0]
                else:
                    logits = self._ask(unread, choices, lambda: copied(question, out, allowed, end)).log_softmax(-1)
                    unread = []
                    best = int(logits.argmax())
                    token, score, chosen = choices[best], score + float(logits[best]), chosen + 1
                if token == end:
                    break
                out.append(token)
                unread = [*unread, token]
        finally:
            self._forget()
        return out, score / max(1, chosen)

    def _ask(self, unread: list[int], choices: list[int], guess: Guess = list) -> Tensor:
        """Logits (len(choices),) of the word after `unread`. guess: see `_spelled`."""
        return among(self, self._read(unread, guess)[0, -1], choices)


def among(reading: Reading, hidden: Tensor, choices: list[int]) -> Tensor:
    """Logits (len(choices),) of the next word after the last hidden state (D,) of what was read."""
    words, backbone = reading.model.words, reading.model.backbone
    if len(choices) == len(words):
        return backbone.logits(hidden).float()
    spelled = [words.spell([word]) for word in choices]
    if all(len(one) == 1 for one in spelled):
        return backbone.logits(hidden, choices).float()
    return _walk(reading, hidden, spelled)


def _walk(reading: Reading, hidden: Tensor, spelled: list[list[int]]) -> Tensor:
    """Log-probabilities (m,) of words that are spelled in several tokens: down the tree of their spellings, a step wherever
    they part. Where a word ends that others go on from, its chance is that of all tokens with which none goes on."""
    backbone, reader = reading.model.backbone, reading.reader
    heads = list(dict.fromkeys(one[0] for one in spelled if one))
    if all(spelled):
        scores = backbone.logits(hidden, heads).float().log_softmax(-1)
    else:
        scores = backbone.logits(hidden).float().log_softmax(-1)[heads]
    out = hidden.new_full((len(spelled),), -math.inf, dtype=torch.float32)
    for head, score in zip(heads, scores, strict=True):
        group = [i for i, one in enumerate(spelled) if one and one[0] == head]
        out[group] = score
        if len(group) > 1:
            start = reader.length
            after = reading._spelled([head])[0, -1]
            out[group] += _walk(reading, after, [spelled[i][1:] for i in group])
            reader.length = start
    ended = [i for i, one in enumerate(spelled) if not one]
    out[ended] = torch.log1p(-scores.exp().sum().clamp(max=1 - 1e-6))
    return out
