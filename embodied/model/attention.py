"""Attention of packed sentences: every segment sees the prefix of its row and itself, and no work is done for the rest.

A dense mask over a packed row of 700 words hides nine tenths of what was computed; that took half of a training step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "packed"


@dataclass
class Blocks:
    """The s segments of a batch of b rows of n words, the prefixes among them, as indices into its b * n words; b * n
    stands for none. own (s, l): its words; keys (s, p + l): the prefix's and its own; sees (s, 1, l, p + l) bool."""

    own: Tensor
    keys: Tensor
    sees: Tensor


def blocks(segment: Tensor) -> Blocks:
    """segment (b, n): 0 the prefix, 1.. the segments, -1 padding, each in one piece."""
    b, n = segment.shape
    none = b * n
    index = torch.arange(none, device=segment.device)
    starts = torch.ones_like(segment, dtype=torch.bool)
    starts[:, 1:] = segment[:, 1:] != segment[:, :-1]
    first = index[(starts & (segment >= 0)).flatten()]
    words = index[(segment >= 0).flatten()]
    block = torch.searchsorted(first, words, right=True) - 1
    rank = words - first[block]
    own = torch.full((len(first), int(rank.max()) + 1), none, device=segment.device)
    own[block, rank] = words
    prefix = segment.flatten()[first] == 0
    ahead = torch.full((b + 1, int((segment == 0).sum(1).max())), none, device=segment.device)
    ahead[first[prefix] // n] = own[prefix][:, : ahead.shape[1]]
    ahead = ahead[torch.where(prefix, b, first // n)]
    sees = torch.ones(own.shape[1], own.shape[1], dtype=torch.bool, device=segment.device).tril()
    before = (ahead < none)[:, None].expand(-1, own.shape[1], -1)
    return Blocks(own, torch.cat([ahead, own], 1), torch.cat([before, sees.expand(len(own), -1, -1)], 2)[:, None])


def positions(segment: Tensor) -> Tensor:
    """(b, n) -> position ids: every segment continues from the end of the prefix."""
    prefix = (segment == 0).sum(1, keepdim=True)
    index = torch.arange(segment.shape[1], device=segment.device).expand_as(segment)
    new = torch.ones_like(segment, dtype=torch.bool)
    new[:, 1:] = segment[:, 1:] != segment[:, :-1]
    start = torch.where(new, index, 0).cummax(1).values
    return torch.where(segment == 0, index, prefix + index - start).clamp(min=0)


def sees(segment: Tensor) -> Tensor:
    """(b, n) -> (b, n, n) bool: row i sees the prefix and its own segment up to itself; padding sees itself, for softmax's sake."""
    n = segment.shape[1]
    same = (segment[:, :, None] == segment[:, None]) | ((segment[:, None] == 0) & (segment[:, :, None] >= 0))
    return same & torch.ones(n, n, dtype=torch.bool, device=segment.device).tril()


def attend(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None,
    blocks: Blocks | None = None, **options: Any,
) -> tuple[Tensor, Tensor | None]:  # fmt: skip
    """As transformers calls it: (b, heads, n, d) -> (b, n, heads, d); without blocks, PyTorch's own."""
    if blocks is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    b, heads, n, d = query.shape

    def rows(x: Tensor, at: Tensor) -> Tensor:
        flat = nn.functional.pad(x.transpose(1, 2).reshape(b * n, -1), (0, 0, 0, 1))
        return flat.index_select(0, at.flatten()).view(*at.shape, -1, d).transpose(1, 2)

    q, k, v = rows(query, blocks.own), rows(key, blocks.keys), rows(value, blocks.keys)
    if k.shape[1] != heads:  # several heads share keys and values
        k, v = (x.repeat_interleave(heads // x.shape[1], 1) for x in (k, v))
    scores = (q @ k.transpose(-1, -2) * options["scaling"]).masked_fill(~blocks.sees, -torch.inf)
    out = scores.softmax(-1, dtype=torch.float32).to(v.dtype) @ v
    flat = out.transpose(1, 2).reshape(-1, heads * d)
    back = torch.zeros(b * n + 1, heads * d, dtype=flat.dtype, device=flat.device)
    back = back.index_copy(0, blocks.own.flatten(), flat)
    return back[:-1].view(b, n, heads, d), None


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, sdpa_mask)
