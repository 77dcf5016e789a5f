"""What grey values say about lines: where across a line its middle lies and how wide it is there, finer than a pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

STEP = 0.5  # px between samples across a line


def sample(ink: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Bilinear values of ink (H, W) float32 at x, y (any shape), px with a pixel's middle at +0.5; borders repeat."""
    height, width = ink.shape
    x = np.clip(x - 0.5, 0, width - 1.001)
    y = np.clip(y - 0.5, 0, height - 1.001)
    col, row = x.astype(np.int32), y.astype(np.int32)
    x -= col
    y -= row
    at = row * width + col
    flat = ink.ravel()
    upper = flat[at]
    upper += x * (flat[at + 1] - upper)
    at += width
    lower = flat[at]
    lower += x * (flat[at + 1] - lower)
    return upper + y * (lower - upper)


@dataclass
class Across:
    """Per point: middle, px to the left of the point along its normal; width, px of full ink; open (n, 2) bool, whether paper was
    reached on the right and on the left."""

    middle: np.ndarray
    width: np.ndarray
    open: np.ndarray


def across(ink: np.ndarray, points: np.ndarray, normals: np.ndarray, reach: float, noise: float) -> Across:
    """points, normals (n, 2). Ink is followed from the point outwards, at most reach px, until there is none (but for the paper's
    noise) or it grows again, which is where a neighbour begins."""
    points, normals = points.astype(np.float32), normals.astype(np.float32)
    half = np.arange(1, int(reach / STEP) + 2, dtype=np.float32) * STEP
    sides = []
    here = sample(ink, points[:, 0].copy(), points[:, 1].copy())
    for sign in (-1, 1):
        at = sign * half
        values = sample(ink, points[:, :1] + normals[:, :1] * at, points[:, 1:] + normals[:, 1:] * at)
        least = np.minimum.accumulate(values, 1)
        before = np.concatenate([np.minimum(here, 1)[:, None], least[:, :-1]], 1)
        grows = (values > before + 0.06 + noise) & (before < 0.7)
        other = np.logical_or.accumulate(grows | (before < 0.02 + 2 * noise), 1)
        values[other] = 0.0
        sides.append((at, values, (least < 0.25).any(1) | other.any(1)))
    total, moment = here.copy(), np.zeros_like(here)
    for at, values, _ in sides:
        total += values.sum(1)
        moment += np.einsum("nk,k->n", values, at)  # not @, whose threads cost more than they do
    width = total * STEP
    return Across(moment / np.maximum(total, 1e-6), width, np.stack([sides[0][2], sides[1][2]], 1))
