"""The backbone that ships: a small Llama from scratch with a word-level vocabulary of its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from embodied.errors import UserError
from embodied.registry import register

if TYPE_CHECKING:
    from torch import Tensor, nn

    from embodied.model.network import ModelConfig
    from embodied.model.tokens import Words


@register("backbone", "tiny")
class Tiny:
    """See embodied/model/backbones/__init__.py. All of it is learnt here, so there is nothing to freeze."""

    def __init__(self, source: str = "") -> None:
        if source:
            raise UserError(f"backbone=tiny is made from nothing and takes no backbone_from={source!r}; leave it out")

    def fitted(self, config: ModelConfig) -> ModelConfig:
        if config.tune not in ("", "full"):
            raise UserError(f"backbone=tiny knows nothing before training; tune={config.tune!r} needs smollm2 or hf")
        return replace(config, tune="full")

    def words(self, corpus: Iterable[str], placeholders: Iterable[str]) -> Words:
        from embodied.model.tokens import Words, train_vocabulary

        return Words(train_vocabulary(corpus, placeholders))

    def module(self, config: ModelConfig, words: Words) -> nn.Module:
        from transformers import LlamaConfig, LlamaModel

        from embodied.model.attention import NAME, blocks, positions
        from embodied.model.pretrained import checkpointed
        from embodied.model.reader import Reader

        class TinyLlama(LlamaModel):
            base, rms = 0, 0.04

            @property
            def table(self) -> nn.Parameter:
                return self.embed_tokens.weight

            def embed(self, ids: Tensor) -> Tensor:
                return self.embed_tokens(ids)

            def logits(self, hidden: Tensor, ids: list[int] | None = None) -> Tensor:
                rows = self.table if ids is None else self.table[ids]
                return rows @ hidden if hidden.ndim == 1 else hidden @ rows.t()

            def hidden(self, embeds: Tensor, segment: Tensor) -> Tensor:
                return self(
                    inputs_embeds=embeds, blocks=blocks(segment), position_ids=positions(segment), use_cache=False
                ).last_hidden_state

            def reader(self) -> Reader:
                return Reader(self)

            def checkpoint(self) -> None:
                checkpointed(self)

        return TinyLlama(
            LlamaConfig(
                vocab_size=len(words), hidden_size=config.dim, intermediate_size=config.mlp,
                num_hidden_layers=config.layers, num_attention_heads=config.heads, num_key_value_heads=config.heads,
                max_position_embeddings=1024, tie_word_embeddings=True, attn_implementation=NAME, pad_token_id=0,
            )
        )  # fmt: skip
