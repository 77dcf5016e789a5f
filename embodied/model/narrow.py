"""Matrices of 8 bits, one scale a row, for reading a token at a time: half of what 16 bits are to fetch, and that is what a token
costs. Of weights alone (absmax quantisation, arXiv 2208.07339, section 2); what is multiplied with them stays in 16 bits.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from embodied.precision import has_bf16

FEW = 8  # tokens up to which the narrow rows are faster than the same numbers in 16 bits, where a CPU computes in these


class Narrow(nn.Module):
    """In place of a Linear. (..., inputs) bf16 -> (..., outputs) bf16."""

    rows: Tensor
    scale: Tensor
    weight: Tensor | None  # the same in 16 bits, for many tokens at once, where the CPU computes in these

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach().float()
        scale = (weight.abs().amax(1, keepdim=True).clamp(min=1e-8) / 127).bfloat16()
        rows = (weight / scale).round().clamp(-127, 127).to(torch.int8)
        self.register_buffer("rows", rows)
        self.register_buffer("scale", scale[:, 0].contiguous())
        self.register_buffer("weight", rows.bfloat16() * scale if has_bf16("cpu") else None)
        self.bias = None if linear.bias is None else linear.bias.detach().bfloat16()

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(0, -2)
        if len(flat) > FEW and self.weight is not None:
            return F.linear(x, self.weight, self.bias)
        product = torch._weight_int8pack_mm(flat, self.rows, self.scale)  # pyright: ignore[reportPrivateImportUsage]
        out = product.unflatten(0, x.shape[:-1])
        return out if self.bias is None else out + self.bias


def narrow(model: nn.Module) -> None:
    """Put Narrow in the place of every Linear of a model in 16 bits, but for adapters, whose matrices are small."""
    for path, module in list(model.named_modules()):
        if type(module) is nn.Linear and "lora_" not in path:
            parent, _, name = path.rpartition(".")
            setattr(model.get_submodule(parent), name, Narrow(module))
