"""What training minimises: text, soft location tokens, motion, and two auxiliary losses from the segmentation."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from embodied.model.lessons import Batch
from embodied.model.network import EmbodiedModel
from embodied.model.tokens import XS, YS
from embodied.plan import BINS

WEIGHTS = {"text": 1.0, "place": 1.0, "colour": 0.3, "kind": 0.3, "pointer": 0.3, "motion": 1.0}
SPREAD = 1.0 / BINS  # a location's label is a bell of one bin's width: near misses teach nearly the same


def losses(model: EmbodiedModel, batch: Batch, main: str = "front") -> dict[str, Tensor]:
    """Each loss by name, unweighted; those without labels in the batch are left out."""
    vectors, cells, tokens = model.look(batch.images, batch.states) if batch.images else ({}, {}, {})
    hidden = model(batch.ids, batch.segment, vectors)
    out: dict[str, Tensor] = {}
    located = ~torch.isnan(batch.place)
    spoken = (batch.target >= 0) & ~located
    if spoken.any():
        out["text"] = F.cross_entropy(model.logits(hidden[spoken]).float(), batch.target[spoken])
    if located.any():
        # The full vocabulary competes, so that a location is also the right kind of token.
        logits = model.logits(hidden[located]).float().log_softmax(-1)
        at = batch.place[located]
        first = torch.where(batch.target[located] >= model.words[YS[0]], model.words[YS[0]], model.words[XS[0]])
        centres = (torch.arange(BINS, device=at.device) + 0.5) / BINS
        bell = torch.softmax(-0.5 * ((centres - at[:, None]) / SPREAD).square(), -1)
        columns = first[:, None] + torch.arange(BINS, device=at.device)
        out["place"] = -(bell * logits.gather(1, columns)).sum(-1).mean() - _entropy(bell)
        pointed = batch.patch >= 0
        sample = pointed.nonzero()[:, 0]
        query = model.pointer["query"](hidden[pointed])
        key = model.pointer["key"](tokens[main])[sample]
        scores = (key @ query[:, :, None])[..., 0].float() / query.shape[-1] ** 0.5
        out["pointer"] = F.cross_entropy(scores, batch.patch[pointed])
    for camera, labels in batch.cells.items():
        for k, (name, layer) in enumerate((("colour", model.cell_colour), ("kind", model.cell_kind))):
            logits = layer(cells[camera]).float().flatten(0, 1)
            weight = torch.where(labels[:, k].flatten() == 0, 0.2, 1.0)  # most cells are bare table
            each = F.cross_entropy(logits, labels[:, k].flatten(), reduction="none")
            out[name] = out.get(name, 0) + (each * weight).sum() / weight.sum()
    if batch.chunk is not None:
        out["motion"] = model.head.loss(hidden, batch.moving, batch.chunk, batch.valid)
    return out


def _entropy(p: Tensor) -> Tensor:
    """Mean entropy of the labels, subtracted so that a perfect prediction scores 0."""
    return -(p * (p + 1e-9).log()).sum(-1).mean()


def total(parts: dict[str, Tensor]) -> Tensor:
    return torch.stack([WEIGHTS[name] * value for name, value in parts.items()]).sum()
