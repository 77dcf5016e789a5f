"""What the network that drives is taught: its losses on a batch of lessons (embodied.data.road_lessons)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from embodied.data.drives import TTC_MAX_S
from embodied.data.moments import KINDS
from embodied.drive.paths import TIMES
from embodied.model.corrections import PRIORS
from embodied.model.driving import TTC_S, Said

WEIGHTS = {"path": 1.0, "road": 6.0, "nearest": 0.3, "chosen": 0.5, "decision": 1.0, "hazard": 1.5, "reason": 0.3, "facts": 1.0,
           "cells": 1.0, "motion": 0.5, "squares": 1.0, "met": 0.5}  # fmt: skip
FACT_SCALES = (1.0, 0.2, 20.0, 3.0, 10.0, 4.0, 10.0, 2.0)
SCALES = (5.0, 1.0, 8.0)  # of SQUARES from "along" on
KIND_WEIGHTS = (0.3, 0.3, 1.0, 2.0, 4.0)  # field, asphalt, paint, car, person


def losses(said: Said, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Scalars by name, in the units of their logarithms or of distances that are weighed against time."""
    made: dict[str, Tensor] = {}
    # an error counts the less the later it comes: to 3 s is half of the weight
    weight = batch["valid"] / (0.5 + torch.tensor(TIMES, dtype=torch.float32))
    total = weight.sum(-1).clamp(min=1e-3)
    gaps = torch.linalg.vector_norm(said.paths - batch["future"][:, None], dim=-1)
    error = (gaps * weight[:, None]).sum(-1) / total[:, None]  # (b, hypotheses)
    there = (batch["valid"].sum(-1) >= 5).float()
    mean = lambda values, mask: (values * mask).sum() / mask.sum().clamp(min=1)  # noqa: E731
    made["path"] = mean(error[:, PRIORS], there)
    if said.road is not None:
        # the next second is where the wheel aims: a hand's breadth there is what a metre is later
        near = batch["valid"] / (0.3 + torch.tensor(TIMES, dtype=torch.float32)) ** 2
        gap = torch.linalg.vector_norm(said.road - batch["future"], dim=-1)
        made["road"] = mean((gap * near).sum(-1) / near.sum(-1).clamp(min=1e-3), there)
    made["nearest"] = mean(error[:, PRIORS:].min(1).values, there)
    made["chosen"] = mean((said.log_p.exp() * error.detach()).sum(1), there)
    known = (batch["decided"] >= 0).float()
    made["decision"] = mean(F.nll_loss(said.decisions, batch["decided"].clamp(min=0), reduction="none"), known)
    labelled = batch["truth"].isfinite().all(-1).float()
    ttc = batch["truth"][:, 1].nan_to_num(TTC_MAX_S)
    within = (ttc[:, None] <= torch.tensor(TTC_S) + 1e-3).float()
    made["hazard"] = mean(F.binary_cross_entropy_with_logits(said.ttc, within, reduction="none").mean(-1), labelled)
    danger = labelled * (ttc <= TTC_S[-1])
    made["reason"] = mean(F.nll_loss(said.reasons, batch["truth"][:, 2].nan_to_num().long(), reduction="none"), danger)
    facts = batch["facts"] / torch.tensor(FACT_SCALES)
    made["facts"] = mean(
        F.smooth_l1_loss(said.facts, facts, reduction="none", beta=0.3).mean(-1), batch["known"].float()
    )
    if said.cells is not None:
        seen = batch["seen"]
        made["cells"], made["motion"] = _cells(said.cells[seen].flatten(1, 2), batch["cells"][seen].flatten(1, 2))
    if said.squares is not None:
        made |= square_losses(said.squares, batch)
    return made


def square_losses(squares: Tensor, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Of a lidar's alone."""
    seen = batch["scanned"]
    what, gap = _cells(squares[seen].flatten(1, 2), batch["squares"][seen].flatten(1, 2))
    return {"squares": what, "met": gap}


def _cells(said: Tensor, true: Tensor) -> tuple[Tensor, Tensor]:
    """said (b, n, SHOWN), true (b, n, CELLS): of what every cell shows; and, of cars and people, of how near and how fast. Squares
    likewise, and of where aside."""
    kind, n = true[..., 0].long(), len(KINDS)
    kinds = F.cross_entropy(said[..., :n].float().flatten(0, 1), kind.flatten(), torch.tensor(KIND_WEIGHTS))
    there = kind >= KINDS.index("car")
    wanted = torch.cat(
        [8.0 / true[..., 1:2].clamp(min=2.0), true[..., 2:] / torch.tensor(SCALES)[: true.shape[-1] - 2]], -1
    )
    gap = F.smooth_l1_loss(said[..., n:].float(), wanted, reduction="none", beta=0.2).mean(-1)
    return kinds, (gap * there).sum() / there.sum().clamp(min=1)


def total(parts: Mapping[str, Tensor]) -> Tensor:
    return torch.stack([WEIGHTS[name] * value for name, value in parts.items()]).sum()
