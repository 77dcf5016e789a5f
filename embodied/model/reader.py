"""The backbone token by token: keys and values of what was read stay, and what is forgotten leaves no trace."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from embodied.errors import UserError

if TYPE_CHECKING:
    from transformers import LlamaModel, PreTrainedModel

    from embodied.model.llama import Llama

ROOM = 256  # tokens; doubles when a sentence is longer


def longest(config: Any) -> float:
    """Tokens among which the language model can tell places apart."""
    most = getattr(config, "max_position_embeddings", None)
    return math.inf if most is None else most


def within(tokens: int, config: Any) -> None:
    """UserError when a prompt is longer than that."""
    most = longest(config)
    if tokens > most:
        raise UserError(f"the prompt has {tokens:,} tokens, this backbone reads {most:,} at most; shorten it")


class Reader:
    """A Llama's own layers and weights, with keys and values in one preallocated block.

    A model as small as the one that ships spends much of a token's time in the library's bookkeeping (masks, caches, hooks), not
    in arithmetic; this does without. Batch of one, inference only; equal to LlamaModel with its own cache, which a test holds.
    """

    def __init__(self, backbone: LlamaModel | Llama) -> None:
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
        end = start + n
        within(end, self.backbone.config)
        self.length = end
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

        x = embeds.to(self.past.dtype)
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
        return _norm(self.backbone.norm, x).to(embeds.dtype)


def _norm(norm: Any, x: Tensor) -> Tensor:
    return x * (x.square().mean(-1, keepdim=True) + norm.variance_epsilon).rsqrt() * norm.weight


class CachedReader:
    """The same of any decoder of transformers, through its own cache."""

    def __init__(self, backbone: PreTrainedModel) -> None:
        from transformers import DynamicCache

        self.backbone, self.length, self.cache = backbone, 0, DynamicCache()

    def read(self, embeds: Tensor) -> Tensor:
        """As Reader.read."""
        start, n = self.length, len(embeds)
        within(start + n, self.backbone.config)
        self.cache.crop(start - self.cache.get_seq_length())
        at = torch.arange(start, start + n, device=embeds.device)[None]
        x = embeds[None].to(self.backbone.dtype)
        out = self.backbone(inputs_embeds=x, position_ids=at, past_key_values=self.cache, use_cache=True)
        self.length = start + n
        return out.last_hidden_state[0].to(embeds.dtype)
