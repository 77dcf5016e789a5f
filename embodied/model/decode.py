"""One look, many questions: the prefix of an observation is computed once, every question continues from its cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from transformers import DynamicCache

from embodied.model.network import EmbodiedModel
from embodied.model.sentence import embed
from embodied.model.tokens import EOS

Allowed = Callable[[Sequence[int]], list[int]]


class Look:
    """The model's state after it has seen one observation (batch of one).

    images[camera] uint8 (1, H, W, 3); states[name] (1, t, d), normalised.
    """

    @torch.inference_mode()
    def __init__(self, model: EmbodiedModel, images: dict[str, Tensor], states: dict[str, Tensor]) -> None:
        self.model = model
        self.ids = model.prompt().ids(model.words)
        vectors, _, _ = model.look(images, states)
        self.cache = DynamicCache()
        embeds = embed(model.backbone.embed_tokens, torch.tensor([self.ids]), vectors)
        self.prefix = model.backbone(inputs_embeds=embeds, past_key_values=self.cache, use_cache=True).last_hidden_state

    def _read(self, ids: list[int]) -> Tensor:
        embeds = self.model.backbone.embed_tokens(torch.tensor([ids]))
        return self.model.backbone(inputs_embeds=embeds, past_key_values=self.cache, use_cache=True).last_hidden_state

    def _forget(self) -> None:
        if extra := self.cache.get_seq_length() - len(self.ids):
            self.cache.crop(-extra)

    @torch.inference_mode()
    def say(self, text: str, allowed: Allowed, most: int = 160) -> tuple[list[int], float]:
        """Greedy continuation of `text` within `allowed`, without the end token; and the mean log-probability among
        the allowed tokens."""
        end, out, score, chosen = self.model.words[EOS], [], 0.0, 0
        try:
            hidden = self._read(self.model.words.encode(text))
            for _ in range(most):
                choices = allowed(out)
                if len(choices) == 1:
                    token = choices[0]
                else:
                    logits = self.model.logits(hidden[0, -1])[choices].float().log_softmax(-1)
                    best = int(logits.argmax())
                    token, score, chosen = choices[best], score + float(logits[best]), chosen + 1
                if token == end:
                    break
                out.append(token)
                hidden = self._read([token])
        finally:
            self._forget()
        return out, score / max(1, chosen)

    @torch.inference_mode()
    def choose(self, text: str, choices: list[int]) -> Tensor:
        """Probabilities (len(choices),) of the next token among `choices` after `text`."""
        try:
            return self.model.logits(self._read(self.model.words.encode(text))[0, -1])[choices].float().softmax(-1)
        finally:
            self._forget()

    @torch.inference_mode()
    def expect(self, text: str, given: list[int], choices: list[int]) -> Tensor:
        """As choose, after `text` and the already decoded tokens `given`."""
        try:
            return (
                self.model.logits(self._read(self.model.words.encode(text) + given)[0, -1])[choices].float().softmax(-1)
            )
        finally:
            self._forget()

    @torch.inference_mode()
    def move(
        self, text: str, steps: int = 5, generator: torch.Generator | None = None, known: Tensor | None = None
    ) -> Tensor:
        """A normalised action chunk (h, a) for the step that `text` names."""
        try:
            hidden = torch.cat([self.prefix, self._read(self.model.words.encode(text))], 1)
        finally:
            self._forget()
        mask = torch.ones(hidden.shape[:2], dtype=torch.bool)
        return self.model.head.sample(hidden, mask, steps, generator, known)[0]
