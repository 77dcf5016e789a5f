"""What training minimises: text, soft location tokens, motion, and auxiliary losses from the segmentation."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from embodied.model.network import KINDS, EmbodiedModel
from embodied.model.packing import Batch
from embodied.model.tokens import XS, YS
from embodied.plan import BINS, COLOURS, PLACES, SHAPES

WEIGHTS = {
    "text": 1.0, "place": 1.0, "colour": 0.3, "kind": 0.3, "naming": 1.0, "pointer": 1.0, "motion": 1.0,
    "centre": 0.5, "offset": 1.0, "found colour": 1.0, "found kind": 1.0, "found carried": 0.5,
}  # fmt: skip
SPREAD = 1.0 / BINS  # a location's label is a bell of one bin's width: near misses teach nearly the same


def losses(model: EmbodiedModel, batch: Batch, main: str = "front") -> dict[str, Tensor]:
    """Each loss by name, unweighted; those without labels in the batch are left out."""
    located = ~torch.isnan(batch.place)
    spoken = (batch.target >= 0) & ~located
    out: dict[str, Tensor] = {}
    if spoken.any() or batch.chunk is not None:
        features, tokens = {}, {}
        if batch.images:
            vectors, features, tokens = model.look(batch.images, batch.states)
        else:
            vectors = model.feel(batch.states) if batch.states else {}
        hidden = model(batch.ids, batch.segment, vectors, batch.chunk is not None)
    else:  # pictures without a question are looked at only: most of the work is the language model's
        looks = {camera: model.encoders[camera](batch.images[camera]) for camera in model.celled(batch.cells)}
        features, tokens = ({camera: look[k] for camera, look in looks.items()} for k in (0, 1))
        hidden = torch.empty(0)
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
        if tokens and model.grid(main):
            pointed = batch.patch >= 0
            sample = pointed.nonzero()[:, 0]
            query = model.pointer["query"](hidden[pointed])
            key = model.pointer["key"](tokens[main])[sample]
            scores = (key @ query[:, :, None])[..., 0].float() / query.shape[-1] ** 0.5
            out["pointer"] = F.cross_entropy(scores, batch.patch[pointed])
    for camera, marks in batch.marks.items():
        found = model.finder.losses(camera, batch.images[camera], batch.depth.get(camera), marks)
        for name, value in found.items():
            out[name] = out.get(name, 0) + value
    for camera, labels in model.celled(batch.cells).items():
        cells = model.encoders[camera].cells(features[camera])
        cells = cells.flatten(2).transpose(1, 2)
        for k, (name, layer) in enumerate((("colour", model.cell_colour), ("kind", model.cell_kind))):
            logits = layer(cells).float().flatten(0, 1)
            weight = torch.where(labels[:, k].flatten() == 0, 0.2, 1.0)  # most cells are bare table
            each = F.cross_entropy(logits, labels[:, k].flatten(), reduction="none")
            out[name] = out.get(name, 0) + (each * weight).sum() / weight.sum()
        out["naming"] = out.get("naming", 0) + naming(model, camera, tokens[camera], labels)
    if batch.chunk is not None:
        out["motion"] = model.head.loss(hidden, batch.moving, batch.chunk, batch.valid)
    return out


def naming(model: EmbodiedModel, camera: str, tokens: Tensor, labels: Tensor) -> Tensor:
    """A picture token should lie near the embeddings of the words for what it shows, so that to the language model
    looking for "red block" in a picture is the same act as looking for it in a text.

    tokens (b, n, D); labels (b, 2, cells): colour and kind of every cell. Binary cross-entropy over all such words.
    """
    (rows, cols), side = model.grid(camera), model.encoders[camera].side
    words = [*COLOURS, *SHAPES, *PLACES]
    shown = torch.cat(
        [
            F.one_hot(labels[:, 0], len(COLOURS) + 1)[..., 1:],
            F.one_hot(labels[:, 1], len(KINDS))[..., 1 : 1 + len(SHAPES + PLACES)],
        ],
        -1,
    )  # b, cells, words
    blocks = shown.reshape(len(shown), rows, side, cols, side, len(words)).amax((2, 4)).flatten(1, 2)
    logits = (tokens @ model.meaning(words).t()).float() - 3.0  # most words are not there
    return F.binary_cross_entropy_with_logits(logits, blocks.float()) * len(words)


def _entropy(p: Tensor) -> Tensor:
    """Mean entropy of the labels, subtracted so that a perfect prediction scores 0."""
    return -(p * (p + 1e-9).log()).sum(-1).mean()


def total(parts: dict[str, Tensor]) -> Tensor:
    return torch.stack([WEIGHTS[name] * value for name, value in parts.items()]).sum()
