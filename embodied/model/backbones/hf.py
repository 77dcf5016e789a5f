"""Any causal language model of transformers, by id, local folder or GGUF file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embodied.errors import UserError
from embodied.registry import register

if TYPE_CHECKING:
    from embodied.model.network import ModelConfig
    from embodied.model.pretrained import Pretrained
    from embodied.model.tokens import Words


@register("backbone", "hf")
class HF:
    """See embodied/model/backbones/__init__.py. source: what AutoModelForCausalLM takes, or a file that ends in .gguf.

    Weights are read from safetensors alone, and no code of a repository is run.
    """

    def __init__(self, source: str = "") -> None:
        if not source:
            raise UserError("backbone=hf needs backbone_from=, an id of transformers, a folder or a .gguf file")
        self.source = source

    @cached_property
    def folder(self) -> str:
        """What transformers is given: the source, or where its GGUF was unpacked."""
        from embodied.model.gguf import unpacked

        return str(unpacked(Path(self.source))) if self.source.endswith(".gguf") else self.source

    def _read(self, of: Any, **options: Any) -> Any:
        from embodied.model.published import read

        return read(of, self.folder, "language model", **options)

    @cached_property
    def config(self) -> Any:
        from transformers import AutoConfig

        return self._read(AutoConfig)

    def fitted(self, config: ModelConfig) -> ModelConfig:
        """The width of the model is the language model's; pictures are encoded in a width of their own."""
        width = config.vit_dim or config.dim
        return replace(config, dim=self.config.hidden_size, vit_dim=width, tune=config.tune or "frozen")

    def words(self, corpus: Iterable[str], placeholders: Iterable[str]) -> Words:
        from transformers import AutoTokenizer

        from embodied.model.subwords import Subwords

        made = self._read(AutoTokenizer)
        if getattr(made, "backend_tokenizer", None) is None:
            raise UserError(f"{self.source!r} has no fast tokenizer (tokenizer.json), which the grammar needs")
        return Subwords.extended(made.backend_tokenizer, placeholders)

    def module(self, config: ModelConfig, words: Words) -> Pretrained:
        from transformers import AutoModelForCausalLM

        from embodied.model.pretrained import Pretrained
        from embodied.model.subwords import Subwords

        if self.config.hidden_size != config.dim:
            raise UserError(
                f"the weights were trained on a backbone of hidden size {config.dim}, {self.source!r} has "
                f"{self.config.hidden_size}; give the backbone that they were trained on as backbone_from="
            )
        if not isinstance(words, Subwords):
            raise UserError(f"the vocabulary is a word-level one and not that of {self.source!r}; train from its own")
        causal = self._read(AutoModelForCausalLM, use_safetensors=True, dtype="float32", attn_implementation="sdpa")
        return Pretrained(causal, words.base, len(words) - words.base, config.tune, config.lora_rank)
