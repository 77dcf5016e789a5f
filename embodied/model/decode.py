"""One look, many questions: the prefix of an observation is computed once, every question continues from its cache."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

import torch
from torch import Tensor

from embodied.listing import Found
from embodied.model.network import EmbodiedModel, newest
from embodied.model.reading import Allowed, Guess, Reading, among
from embodied.model.sentence import Example, Prompt, Text, embed, few_shot
from embodied.model.tokens import BOS, EOS
from embodied.plan import HELD


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

    def _read(self, ids: list[int], guess: Guess = list) -> Tensor:
        """Last hidden states (1, n, D) of the next words; what is before them and was not read yet is read along, and so is a
        guess at what follows."""
        spelled = self.model.words.spell(ids)
        if unread := self._unread():
            before = torch.cat(unread)
            ahead = self._ahead(guess, len(before) + len(spelled))
            self.known = self.reader.length + len(before)
            self._feed(torch.cat([before, self._embed([*spelled, *ahead])]), [*[-1] * len(before), *spelled, *ahead])
            self.reader.length = self.known
        return self._spelled(spelled, guess)

    def _hidden(self, smeared: Tensor) -> Tensor:
        hidden = super()._hidden(smeared)
        return hidden + smeared if self.moving else hidden

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
