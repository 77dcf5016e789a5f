"""Teacher-forced figures for validation: cheap enough to print while training."""

from __future__ import annotations

import operator
from typing import Any

import torch

from embodied.listing import CARRIED
from embodied.model.finder import GROUPS
from embodied.model.network import EmbodiedModel, newest
from embodied.model.packing import Batch
from embodied.model.tokens import NO, XS, YES, YS
from embodied.plan import BINS, COLOURS, thing


@torch.no_grad()
def scores(model: EmbodiedModel, batch: Batch) -> dict[str, tuple[float, float]]:
    """name -> (sum, count): words right, verdicts right, locations within 3 bins, location error in bins, and the share of
    plans and answers whose every word is right and every location within 3 bins, cells of things named right, and
    pictures in which all is found that the camera is to find."""
    out: dict[str, tuple[Any, Any]] = {}
    if (batch.target >= 0).any():
        out |= _spoken(model, batch)
    for camera, labels in model.celled(batch.cells).items():
        things = labels[:, 0] > 0
        encoder = model.encoders[camera]
        cells = encoder.cells(encoder(newest(batch.images[camera]))[0]).flatten(2).transpose(1, 2)
        seen = (model.cell_colour(cells).argmax(-1) == labels[:, 0]) & (
            model.cell_kind(cells).argmax(-1) == labels[:, 1]
        )
        before = out.get("cells", (0, 0))
        out["cells"] = (before[0] + seen[things].sum(), before[1] + things.sum())
    for camera, marked in batch.marks.items():
        depth = batch.depth[camera] if camera in batch.depth else [None] * len(marked)
        found = [
            {(one.name, one.carried) for one in model.finder.find(camera, image[None], None if d is None else d[None])}
            for image, d in zip(batch.images[camera], depth, strict=True)
        ]
        true = list(map(_there, marked))
        out[f"listed from {camera}"] = (sum(map(operator.eq, found, true)), len(true))
        out[f"found in {camera}"] = (sum(len(a & b) for a, b in zip(found, true, strict=True)), sum(map(len, true)))
    return {name: (float(a), float(b)) for name, (a, b) in out.items()}


def _spoken(model: EmbodiedModel, batch: Batch) -> dict[str, tuple[Any, Any]]:
    """The scores of what is said."""
    vectors = model.look(batch.images, batch.states)[0] if batch.images else {}
    logits = model.logits(model(batch.ids, batch.segment, vectors)).float()
    located, answered = ~torch.isnan(batch.place), batch.target >= 0
    spoken = answered & ~located
    said = logits.argmax(-1)
    right = said == batch.target
    verdict = (batch.target == model.words[YES]) | (batch.target == model.words[NO])
    out = {"words": (right[spoken].sum(), spoken.sum()), "verdicts": (right[verdict].sum(), verdict.sum())}
    first = torch.where(batch.target >= model.words[YS[0]], model.words[YS[0]], model.words[XS[0]])
    columns = (first[..., None] + torch.arange(BINS, device=logits.device)).clamp(max=logits.shape[-1] - 1)
    off = (logits.gather(-1, columns).argmax(-1) - (batch.target - first)).abs()
    out["near"] = ((off <= 3)[located].sum(), located.sum())
    out["bins off"] = (off[located].clamp(max=64).sum(), located.sum())
    good = torch.where(located, off <= 3, right) | ~answered
    plan = batch.segment == 1  # the first question of every snapshot
    whole = plan.any(1) & (answered & plan).any(1)
    out["plans"] = ((good | ~plan).all(1)[whole].sum(), whole.sum())
    return out


def _there(marks: torch.Tensor) -> set[tuple[str, str]]:
    """Names of the marked things (k, 6), and how they are carried."""
    return {
        (thing(COLOURS[int(colour)], GROUPS[int(group)][int(kind)]), CARRIED[int(carried)])
        for group, _, _, colour, kind, carried in marks.tolist()
        if group >= 0
    }
