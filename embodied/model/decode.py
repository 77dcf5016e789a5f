"""One look, many questions: the prefix of an observation is computed once, every question continues from its cache."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from embodied.listing import Found
from embodied.model.network import EmbodiedModel, newest
from embodied.model.reader import CachedReader, Reader
from embodied.model.sentence import Example, Prompt, Text, embed, few_shot
from embodied.model.tokens import BOS, EOS
from embodied.plan import HELD

Allowed = Callable[[Sequence[int]], list[int]]
AHEAD = 4  # words read on a guess


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

    def _spelled(self, spelled: list[int], guess: Sequence[int] = ()) -> Tensor:
        """Last hidden states (1, n, D) of the next tokens, of which the reader may hold the first ones still. guess: what may
        follow, read in the same go where there is one; if it does follow it is held already."""
        start = self.reader.length
        held = self.held[start : start + len(spelled)]
        same = next((k for k, (old, new) in enumerate(zip(held, spelled, strict=False)) if old != new), len(held))
        if rest := spelled[same:]:
            self.reader.length += same
            self._feed(self._embed([*rest, *guess]), [*rest, *guess])
        self.reader.length = start + len(spelled)
        return self.hidden[None, start : self.reader.length]


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


class Look(Reading):
    """The model's state after it has seen one observation (batch of one).

    images[camera] uint8 (1, H, W, 3); states[name] (1, t, d), normalised. Without images: what is asked hangs on notes alone,
    or, when there are states and objects (1, n, fields), is how to move.
    depth[camera] (1, H, W), metres, of the cameras that have it: for the finder only.
    prompt: another sentence than the standard one, for example with solved examples and their pictures before the question;
    images[camera] is (1, k, H, W, 3) then, the k pictures of it in the sentence's order.
    """

    def __init__(
        self,
        model: EmbodiedModel,
        images: dict[str, Tensor],
        states: dict[str, Tensor],
        depth: Mapping[str, Tensor] | None = None,
        prompt: Prompt | None = None,
    ) -> None:
        self.model, self.images, self.states, self.depth = model, images, states, depth or {}
        self.moving = not images and bool(states)
        usual = model.motion_prompt() if self.moving else model.prompt() if images else Prompt((Text(BOS),), {})
        self.prompt = prompt or usual
        self.ids = self.prompt.ids(model.words)
        super().__init__(model.backbone.reader(), model.config.dim)
        self.noted: list[int] = []  # the answer that was noted
        self.told = ""  # and its question

    def _unread(self) -> list[Tensor]:
        """Embeddings of the observation and of what was noted, as far as they were not read: what is only found, or follows
        from what was noted, needs no reading."""
        model, out = self.model, list[Tensor]()
        if self.known == 0:
            vectors = model.look(self.images, self.states, self.prompt)[0] if self.images else {}
            vectors = model.feel(self.states) if self.moving else vectors
            out += [embed(model.backbone.embed, torch.tensor([self.ids]), vectors)[0]]
        if self.told and self.known <= len(self.ids):
            words = model.words
            out += [self._embed(words.spell([*words.encode(self.told), *self.noted, words[EOS]]))]
        return out

    def _read(self, ids: list[int], guess: Sequence[int] = ()) -> Tensor:
        """Last hidden states (1, n, D) of the next words; what is before them and was not read yet is read along, and so is a
        guess at what follows."""
        spelled, ahead = self.model.words.spell(ids), self.model.words.spell(guess)
        if before := self._unread():
            rows = torch.cat([*before, self._embed([*spelled, *ahead])])
            self.known = self.reader.length + len(rows) - len(spelled) - len(ahead)
            self._feed(rows, [*[-1] * (len(rows) - len(spelled) - len(ahead)), *spelled, *ahead])
            self.reader.length = self.known
        return self._spelled(spelled, ahead)

    def _hidden(self, smeared: Tensor) -> Tensor:
        hidden = super()._hidden(smeared)
        return hidden + smeared if self.moving else hidden

    def _forget(self) -> None:
        self.reader.length = self.known

    @torch.inference_mode()
    def find(self, met: Collection[str] = ()) -> list[Found]:
        """What the first camera's finder finds on the table and, from the others, what surest hangs in the hand (its point is
        not one of the first picture). met as in Finder.find."""
        table, *others = (
            self.model.finder.find(camera, newest(self.images[camera]), self.depth.get(camera), met)
            for camera in self.model.config.cameras
        )
        hanging = [one for found in others for one in found if one.carried == HELD]
        if not hanging:
            return table
        held = max(hanging, key=lambda one: one.p)
        return [*(one for one in table if one.name != held.name), held]

    def note(self, text: str, answer: str) -> None:
        """A question and its answer, which take the place of what was noted before as part of what later questions continue
        from."""
        self.told, self.noted = text, self.model.words.encode(answer)
        self.known = self.reader.length = min(self.known, len(self.ids))

    def after(self, solved: Sequence[tuple[Look, Example]]) -> Look:
        """The same moment behind solved examples about others, with their pictures and states and what was noted of each."""
        looks, words = [*(look for look, _ in solved), self], self.model.words
        told = [f"{look.told} {words.decode(look.noted)} {EOS} " if look.told else "" for look, _ in solved]
        shots = [Example(before + one.question, one.answer) for before, (_, one) in zip(told, solved, strict=True)]
        images = {
            c: torch.cat([one.images[c].reshape(1, -1, *image.shape[-3:]) for one in looks], 1)
            for c, image in self.images.items()
        }
        states = {s: torch.stack([one.states[s] for one in looks], 1) for s in self.states}
        out = Look(self.model, images, states, self.depth, few_shot(self.prompt, shots))
        out.told, out.noted = self.told, self.noted
        return out

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
                    logits = self._ask(unread, choices, copied(question, out, allowed, end)).log_softmax(-1)
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

    def _ask(self, unread: list[int], choices: list[int], guess: Sequence[int] = ()) -> Tensor:
        """Logits (len(choices),) of the word after `unread`. guess: see `_read`."""
        return among(self, self._read(unread, guess)[0, -1], choices)

    @torch.inference_mode()
    def chance(self, text: str, said: list[int], allowed: Allowed) -> float:
        """How likely `said` (ids) is after `text`, of all that is allowed."""
        try:
            words = self.model.words
            prompt = words.encode(text)
            hidden = self._read([*prompt, *said])[0]
            end, out = self.reader.length, 0.0
            for k in reversed(range(len(said))):  # a walk overwrites what was read behind it
                left = len(words.spell(said[k:]))
                self.reader.length = end - left
                choices = allowed(said[:k])
                logits = among(self, hidden[len(hidden) - left - 1], choices)
                out += float(logits.log_softmax(-1)[choices.index(said[k])])
            return math.exp(out)
        finally:
            self._forget()

    @torch.inference_mode()
    def several(self, text: str, allowed: Allowed, most: int, longest: int = 24) -> list[tuple[list[int], float]]:
        """The likeliest answers to `text` and their chances, the likeliest first, without the end token: a beam of `most`."""
        end = self.model.words[EOS]
        beam: list[tuple[list[int], float]] = [([], 0.0)]
        for _ in range(longest):
            grown = [one for one in beam if one[0][-1:] == [end]]
            for said, score in beam:
                if said[-1:] != [end]:
                    choices = allowed(said)
                    sure = len(choices) == 1
                    chances = [1.0] if sure else self.expect(text, said, choices).tolist()
                    grown += [
                        ([*said, i], score + math.log(max(p, 1e-30))) for i, p in zip(choices, chances, strict=True)
                    ]
            beam = sorted(grown, key=lambda one: -one[1])[:most]
        return [(said[:-1], math.exp(score)) for said, score in beam if said[-1] == end]

    @torch.inference_mode()
    def choose(self, text: str, choices: list[int]) -> Tensor:
        """Probabilities (len(choices),) of the next token among `choices` after `text`."""
        return self.expect(text, [], choices)

    @torch.inference_mode()
    def expect(self, text: str, given: list[int], choices: list[int]) -> Tensor:
        """As choose, after `text` and the already decoded tokens `given`."""
        try:
            return self._ask(self.model.words.encode(text) + given, choices).softmax(-1)
        finally:
            self._forget()

    @torch.inference_mode()
    def move(
        self, text: str, steps: int = 5, generator: torch.Generator | None = None, known: Tensor | None = None
    ) -> Tensor:
        """A normalised action chunk (h, a) for the step that `text` names."""
        try:
            self._read(self.model.words.encode(text))
            hidden = self.hidden[None, : self.reader.length]
        finally:
            self._forget()
        mask = torch.ones(hidden.shape[:2], dtype=torch.bool)
        return self.model.head.sample(hidden, mask, steps, generator, known)[0]
