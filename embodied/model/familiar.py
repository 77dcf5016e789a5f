"""Whether a picture is like those that a network was taught with: elsewhere its eyes are shut rather than trusted.

The picture's tokens, their mean and spread over the picture, are compared with those of the training pictures channel by channel:
a Gaussian with a diagonal covariance per network (Lee et al. 2018, arXiv 1807.03888, with one class). What is farther off than
all but one in a thousand of the training's own is strange."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

SHARE = 0.999


def summary(tokens: Tensor) -> Tensor:
    """(b, n, D) -> (b, 2 D)."""
    return torch.cat([tokens.mean(1), tokens.std(1)], -1).float()


def measure(batches: Iterable[Tensor]) -> dict[str, Any]:
    """What `Familiar` needs, from the tokens (b, n, D) of training pictures."""
    seen = torch.cat([summary(tokens) for tokens in batches])
    mean, std = seen.mean(0), seen.std(0).clamp(min=1e-4)
    far = ((seen - mean) / std).square().mean(-1)
    most = float(far.quantile(SHARE))
    return {
        "mean": [round(x, 5) for x in mean.tolist()],
        "std": [round(x, 5) for x in std.tolist()],
        "most": round(most, 4),
    }


class Familiar(torch.nn.Module):
    """tokens (b, n, D) -> (b,) bool. Without anything measured all is familiar."""

    def __init__(self, measured: Mapping[str, Any]) -> None:
        super().__init__()
        self.most = float(measured.get("most", float("inf")))
        for name in ("mean", "std"):
            self.register_buffer(name, torch.tensor(measured.get(name, [])), persistent=False)

    def distance(self, tokens: Tensor) -> Tensor:
        """(b,): mean squared deviation in training's standard deviations; about 1 for what it knows."""
        return ((summary(tokens) - self.mean) / self.std).square().mean(-1)

    def forward(self, tokens: Tensor) -> Tensor:
        if not len(self.mean):
            return torch.ones(len(tokens), dtype=torch.bool)
        return self.distance(tokens) <= self.most
