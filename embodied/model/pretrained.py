"""A language model that was trained by others, as a backbone: frozen, with low-rank adapters, or trained further.

Words that we add to its vocabulary have rows of their own beside its table, and are learnt even when it is frozen, as are the
encoders and heads (PaLM-E, arXiv 2303.03378, section 3, "freezing the LLM"; Flamingo, arXiv 2204.14198).
"""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import LlamaModel, PreTrainedModel

from embodied.errors import UserError
from embodied.model.attention import NAME, blocks, positions, sees
from embodied.model.narrow import narrow
from embodied.model.reader import CachedReader, Reader, within

TUNES = ("frozen", "lora", "full")
ADAPTED = "lora_"  # in the names of peft's parameters


def checkpointed(lm: PreTrainedModel) -> None:
    """From now on its layers are computed again on the way back, in place of being remembered."""
    enable = getattr(lm, "activation_checkpointing_enable", None) or lm.gradient_checkpointing_enable  # its name before
    enable()


class Pretrained(nn.Module):
    """causal: a loaded ...ForCausalLM.  base: ids below it are its own.  added: how many words are ours.  tune: one of TUNES.

    A Llama reads packed sentences by blocks and answers by our own reader; any other decoder does the same through a dense
    mask and the library's cache. The two are equal (tests/test_backbones.py).
    """

    def __init__(self, causal: PreTrainedModel, base: int, added: int, tune: str = "frozen", rank: int = 8) -> None:
        super().__init__()
        if tune not in TUNES:
            raise UserError(f"unknown tune {tune!r}; choose from {', '.join(TUNES)}")
        self.base, self.tune = base, tune
        self.lm: Any = causal.base_model
        table: Any = causal.get_input_embeddings()
        rows, out = table.weight, cast(nn.Linear, causal.get_output_embeddings())
        self.readout = None if out.weight is rows and out.bias is None else out
        with torch.no_grad():
            some = torch.arange(0, base, max(1, base // 4096))
            self.rms = float(table(some).square().mean().sqrt())
        self.table = nn.Parameter(torch.randn(added, rows.shape[1]) * self.rms)
        self.table_out = None if self.readout is None else nn.Parameter(torch.randn(added, rows.shape[1]) * self.rms)
        config = self.lm.config
        per_head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        self.packs = isinstance(self.lm, LlamaModel) and per_head * config.num_attention_heads == config.hidden_size
        if self.packs:
            config._attn_implementation = NAME
        if tune != "full":
            self._freeze()
        if tune == "lora":
            self._adapt(rank)

    def _freeze(self) -> None:
        """No gradients, and no dropout, which would only make noise of what cannot adapt to it."""
        for part in (self.lm, self.readout):
            for module in part.modules() if part is not None else ():
                module.requires_grad_(False)
                if isinstance(module, nn.Dropout):
                    module.p = 0.0
                if isinstance(getattr(module, "attention_dropout", None), float):
                    module.attention_dropout = 0.0

    def _adapt(self, rank: int) -> None:
        """Low-rank adapters at every matrix of the layers (LoRA, arXiv 2106.09685); they start as nothing."""
        if rank < 1:
            raise UserError(f"lora_rank={rank} is too small; give 1 or more")
        try:
            from peft import LoraConfig, inject_adapter_in_model
        except ImportError:
            raise UserError("tune=lora needs peft; run: pip install 'embodied-planner[lm]'") from None
        self.lm = inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear"), self.lm)

    def theirs(self, name: str) -> bool:
        """Whether a parameter of this module is as its authors left it, so that our files need not hold it."""
        return self.tune != "full" and name.startswith(("lm.", "readout.")) and ADAPTED not in name

    def embed(self, ids: Tensor) -> Tensor:
        ours = (ids - self.base).clamp(min=0)
        return torch.where(
            (ids >= self.base)[..., None],
            F.embedding(ours, self.table),
            self.lm.get_input_embeddings()(ids.clamp(max=self.base - 1)).to(self.table.dtype),
        )

    def logits(self, hidden: Tensor, ids: list[int] | None = None) -> Tensor:
        theirs = self.lm.get_input_embeddings().weight if self.readout is None else self.readout.weight
        ours = self.table if self.table_out is None else self.table_out
        bias = None if self.readout is None else self.readout.bias
        if ids is None:
            scores = F.linear(hidden.to(theirs.dtype), theirs[: self.base], None if bias is None else bias[: self.base])
            return torch.cat([scores.to(hidden.dtype), F.linear(hidden, ours)], -1)
        at = torch.tensor(ids, device=hidden.device)
        old = at < self.base
        low = at.clamp(max=self.base - 1)
        rows = torch.where(old[:, None], theirs[low].to(ours.dtype), ours[(at - self.base).clamp(min=0)])
        return F.linear(hidden, rows, None if bias is None else bias[low] * old)

    def hidden(self, embeds: Tensor, segment: Tensor) -> Tensor:
        at = positions(segment)
        within(int(at.max()) + 1, self.lm.config)
        if self.packs:
            how: dict[str, Any] = {"blocks": blocks(segment)}
        else:
            least = torch.finfo(embeds.dtype).min
            how = {"attention_mask": torch.where(sees(segment)[:, None], 0.0, least).to(embeds.dtype)}
        return self.lm(inputs_embeds=embeds, position_ids=at, use_cache=False, **how).last_hidden_state

    def reader(self) -> Reader | CachedReader:
        return Reader(self.lm) if self.packs else CachedReader(self.lm)

    def halve(self) -> None:
        """Their weights in 16 bits, ours as they are: half the memory to read for each token, which is what a token costs."""
        self.lm.to(torch.bfloat16)
        if self.readout is not None:
            self.readout.to(torch.bfloat16)

    def narrow(self) -> None:
        """Theirs in 8 bits a number, for reading a token at a time; what is computed with them stays in 16."""
        self.halve()
        narrow(self.lm)

    def checkpoint(self) -> None:
        checkpointed(self.lm)

    def compile(self, **options: Any) -> None:
        self.lm.compile(**options)
