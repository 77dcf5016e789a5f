"""The backbone that ships: a small Llama from scratch with a word-level vocabulary of its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

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
        from embodied.model.llama import Llama, Sizes
        from embodied.model.reader import Reader

        class TinyLlama(Llama):
            base, rms = 0, 0.04

            @property
            def table(self) -> nn.Parameter:
                return self.embed_tokens.weight

            def embed(self, ids: Tensor) -> Tensor:
                return self.embed_tokens(ids)

            def logits(self, hidden: Tensor, ids: list[int] | None = None) -> Tensor:
                rows = self.table if ids is None else self.table[ids]
                return rows @ hidden if hidden.ndim == 1 else hidden @ rows.t()

            def hidden(self, embeds: Tensor, segment: Tensor, at: Tensor | None = None) -> Tensor:
                from embodied.model.attention import blocks, positions
                from embodied.model.reader import within

                if at is None:
                    at = positions(segment)
                    within(int(at.max()) + 1, self.config)
                return self.dressed()(
                    inputs_embeds=embeds, blocks=blocks(segment), position_ids=at, use_cache=False
                ).last_hidden_state

            def reader(self) -> Reader:
                return Reader(self)

            def checkpoint(self) -> None:
                from embodied.model.pretrained import checkpointed

                checkpointed(self.dressed())

            def compile(self, *args: Any, **options: Any) -> None:
                self.dressed().compile(*args, **options)

        return TinyLlama(Sizes(len(words), config.dim, config.mlp, config.layers, config.heads, config.heads))
