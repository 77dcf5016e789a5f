"""One look, many questions: the prefix of an observation is computed once, every question continues from its cache."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import LlamaModel

from embodied.listing import Found
from embodied.model.network import EmbodiedModel
from embodied.model.sentence import Prompt, Text, embed
from embodied.model.tokens import BOS, EOS
from embodied.plan import HELD

Allowed = Callable[[Sequence[int]], list[int]]
ROOM = 256  # tokens; doubles when a sentence is longer


class Reader:
    """The backbone's own layers and weights, token by token, with keys and values in one preallocated block.

    A model this small spends much of a token's time in the library's bookkeeping (masks, caches, hooks), not in arithmetic;
    this does without. Batch of one, inference only; equal to LlamaModel with its own cache (tests/test_model_decode.py).
    """

    def __init__(self, backbone: LlamaModel) -> None:
        self.backbone, self.length = backbone, 0
        config = backbone.config
        self.heads, self.shared = config.num_attention_heads, config.num_key_value_heads
        shape = (config.num_hidden_layers, 2, self.shared, ROOM, config.hidden_size // self.heads)
        self.past = backbone.norm.weight.new_empty(shape)
        self._turns()

    def _turns(self) -> None:
        """Cosines and signed sines of the rotary positions, (room, D/heads) each."""
        at = torch.arange(self.past.shape[3], device=self.past.device)[None]
        cosine, sine = (x[0] for x in self.backbone.rotary_emb(self.past, at))
        half = sine.shape[1] // 2
        self.cosine, self.sine = cosine, torch.cat([-sine[:, :half], sine[:, half:]], 1)

    def read(self, embeds: Tensor) -> Tensor:
        """The next n tokens' embeddings (n, D) -> their last hidden states (n, D); they stay in the cache."""
        start, n = self.length, len(embeds)
        end = self.length = start + n
        while end > self.past.shape[3]:
            self.past = torch.cat([self.past, torch.empty_like(self.past)], 3)
            self._turns()
        cosine, sine = self.cosine[start:end], self.sine[start:end]
        half = cosine.shape[1] // 2
        # Row i sees everything before it: the whole cache and, of its own, 0..i.
        mask = None if n == 1 or start == 0 else self.past.new_ones(n, end, dtype=torch.bool).tril(start)

        def turn(x: Tensor) -> Tensor:
            x = x.unflatten(1, (-1, 2 * half)).transpose(0, 1)  # heads n D/heads
            return torch.addcmul(x * cosine, x.roll(half, 2), sine)

        x = embeds
        for layer, past in zip(cast(Any, self.backbone.layers), self.past, strict=True):
            own, mlp = layer.self_attn, layer.mlp
            y = _norm(layer.input_layernorm, x)
            past[0, :, start:end] = turn(own.k_proj(y))
            past[1, :, start:end] = own.v_proj(y).unflatten(1, (-1, 2 * half)).transpose(0, 1)
            seen = F.scaled_dot_product_attention(
                turn(own.q_proj(y))[None], past[None, 0, :, :end], past[None, 1, :, :end],
                attn_mask=mask, is_causal=mask is None and n > 1, enable_gqa=self.heads != self.shared,
            )  # fmt: skip
            x = x + own.o_proj(seen[0].transpose(0, 1).flatten(1))
            y = _norm(layer.post_attention_layernorm, x)
            x = x + mlp.down_proj(F.silu(mlp.gate_proj(y)) * mlp.up_proj(y))
        return _norm(self.backbone.norm, x)


def _norm(norm: Any, x: Tensor) -> Tensor:
    return x * (x.square().mean(-1, keepdim=True) + norm.variance_epsilon).rsqrt() * norm.weight


class Look:
    """The model's state after it has seen one observation (batch of one).

    images[camera] uint8 (1, H, W, 3); states[name] (1, t, d), normalised. Without images: what is asked hangs on notes alone,
    or, when there are states and objects (1, n, fields), is how to move.
    depth[camera] (1, H, W), metres, of the cameras that have it: for the finder only.
    """

    def __init__(
        self,
        model: EmbodiedModel,
        images: dict[str, Tensor],
        states: dict[str, Tensor],
        depth: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.model, self.images, self.states, self.depth = model, images, states, depth or {}
        self.moving = not images and bool(states)
        prompt = model.motion_prompt() if self.moving else model.prompt() if images else Prompt((Text(BOS),), {})
        self.ids = prompt.ids(model.words)
        self.reader = Reader(model.backbone)
        self.known = 0  # tokens read that every question continues from
        self.noted: list[int] = []  # the answer that was noted
        self.told = ""  # and its question

    def _unread(self) -> list[Tensor]:
        """Embeddings of the observation and of what was noted, as far as they were not read: what is only found, or follows
        from what was noted, needs no reading."""
        model, out = self.model, list[Tensor]()
        if self.known == 0:
            vectors = model.look(self.images, self.states)[0] if self.images else {}
            vectors = model.feel(self.states) if self.moving else vectors
            out += [embed(model.backbone.embed_tokens, torch.tensor([self.ids]), vectors)[0]]
            self.embeds = out[0].new_zeros(2, out[0].shape[1])  # of all that was read, behind two empty ones
        if self.told and self.known <= len(self.ids):
            words = model.words
            out += [self._embedded([*words.encode(self.told), *self.noted, words[EOS]])]
        return out

    def _embedded(self, ids: list[int]) -> Tensor:
        return self.model.backbone.embed_tokens(torch.tensor(ids))

    def _read(self, ids: list[int]) -> Tensor:
        """Last hidden states (1, n, D) of the next tokens; those before them that were not read yet are read along."""
        if before := self._unread():
            hidden = self._feed(torch.cat([*before, self._embedded(ids)]))
            self.known = self.reader.length - len(ids)
            self.prefix, hidden = hidden[:, : -len(ids)], hidden[:, -len(ids) :]
            return hidden
        return self._feed(self._embedded(ids))

    def _feed(self, embeds: Tensor) -> Tensor:
        start, n = self.reader.length, len(embeds)
        self.embeds = x = torch.cat([self.embeds[: start + 2], embeds])
        smeared = self.model.smear(embeds, x[start + 1 : start + 1 + n], x[start : start + n])
        hidden = self.reader.read(smeared)
        return (hidden + smeared if self.moving else hidden)[None]

    def _forget(self) -> None:
        self.reader.length = self.known

    @torch.inference_mode()
    def find(self, met: Collection[str] = ()) -> list[Found]:
        """What the first camera's finder finds on the table and, from the others, what surest hangs in the hand (its point is
        not one of the first picture). met as in Finder.find."""
        table, *others = (
            self.model.finder.find(camera, self.images[camera], self.depth.get(camera), met)
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

    @torch.inference_mode()
    def say(self, text: str, allowed: Allowed, most: int = 160) -> tuple[list[int], float]:
        """Greedy continuation of `text` within `allowed`, without the end token; and the mean log-probability among
        the allowed tokens. Tokens that nothing else could be are not computed but read along with the next."""
        end, score, chosen = self.model.words[EOS], 0.0, 0
        out: list[int] = []
        unread = self.model.words.encode(text)
        try:
            for _ in range(most):
                choices = allowed(out)
                if len(choices) == 1:
                    token = choices[0]
                else:
                    logits = self._ask(unread, choices).log_softmax(-1)
                    unread = []
                    best = int(logits.argmax())
                    token, score, chosen = choices[best], score + float(logits[best]), chosen + 1
                if token == end:
                    break
                out.append(token)
                unread.append(token)
        finally:
            self._forget()
        return out, score / max(1, chosen)

    def _ask(self, unread: list[int], choices: list[int]) -> Tensor:
        """Logits (len(choices),) of the token after `unread`."""
        hidden = self._read(unread)[0, -1]
        return (self._embedded(choices) @ hidden).float()

    @torch.inference_mode()
    def chance(self, text: str, said: list[int], allowed: Allowed) -> float:
        """How likely `said` (ids) is after `text`, of all that is allowed."""
        try:
            prompt = self.model.words.encode(text)
            hidden = self._read([*prompt, *said])[0, len(prompt) - 1 :]
            out = 0.0
            for k, token in enumerate(said):
                choices = allowed(said[:k])
                logits = (self._embedded(choices) @ hidden[k]).float()
                out += float(logits.log_softmax(-1)[choices.index(token)])
            return math.exp(out)
        finally:
            self._forget()

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
            read = self._read(self.model.words.encode(text))
            hidden = torch.cat([self.prefix, read], 1)
        finally:
            self._forget()
        mask = torch.ones(hidden.shape[:2], dtype=torch.bool)
        return self.model.head.sample(hidden, mask, steps, generator, known)[0]
