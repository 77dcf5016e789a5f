"""Whether a picture is like those that a network was taught with: elsewhere its eyes are shut rather than trusted.

What the first convolutions say of a picture, its mean and spread per channel, is compared with what they said of the training
pictures: the Mahalanobis distance to one Gaussian (Lee et al. 2018, arXiv 1807.03888). What is farther off than all but one in
two hundred of the training's own is strange. Behind the attention layers it would not show: their norms make everything alike.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

SHARE, LEAST = 0.995, 1e-6


def summary(features: Tensor) -> Tensor:
    """(b, C, H, W) -> (b, 2 C)."""
    return torch.cat([features.mean((2, 3)), features.std((2, 3))], -1).float()


class Familiar(nn.Module):
    """features (b, channels, H, W) -> (b,) bool. All is familiar until something has been measured."""

    mean: Tensor
    whiten: Tensor
    most: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(2 * channels))
        self.register_buffer("whiten", torch.zeros(2 * channels, 2 * channels))
        self.register_buffer("most", torch.tensor(float("inf")))

    def measure(self, batches: Iterable[Tensor]) -> None:
        """From the features of training pictures."""
        seen = torch.cat([summary(features) for features in batches])
        spread = torch.cov(seen.t())
        spread = spread + LEAST * spread.diagonal().mean() * torch.eye(len(spread))
        self.mean.copy_(seen.mean(0))
        self.whiten.copy_(torch.linalg.inv(torch.linalg.cholesky(spread)))
        self.most.fill_(float(self.distance(seen).quantile(SHARE)))

    def distance(self, found: Tensor) -> Tensor:
        """(b,) of summaries (b, 2 C): squared, over the number of channels; about 1 for what it knows."""
        return ((found - self.mean) @ self.whiten.t()).square().mean(-1)

    def forward(self, features: Tensor) -> Tensor:
        return self.distance(summary(features)) <= self.most
