"""Chains of a skeleton moved onto the middle of the ink, and where that can be trusted.

Near junctions and corners an inked line is wider than its pen and its middle is nobody's: these points are marked unclean,
and the strokes run there as their clean parts say (embodied/draw/strokes.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from embodied.draw import ragged
from embodied.draw.profile import across
from embodied.draw.skeleton import Graph

WIDER = 0.1  # of its width: what a clean line may be wider than its own
BEND = np.cos(np.radians(28))  # of the turn over a pen's width that counts as a corner


SAMPLES = 1500  # points at which the lines' width is measured


@dataclass
class Lines:
    """Chains as in Graph, with: clean (n,) bool; bend (n,) bool, unclean only because the line turns there; width (n,) px of ink
    across; pen (k,) px, the usual width of each chain."""

    points: np.ndarray
    starts: np.ndarray
    tails: np.ndarray
    heads: np.ndarray
    clean: np.ndarray
    bend: np.ndarray
    width: np.ndarray
    pen: np.ndarray

    def degrees(self, count: int) -> np.ndarray:
        """(count + 1,) chains that end at each node; the last, 0, is for node -1, which closed chains have."""
        nodes = np.concatenate([self.tails, self.heads])
        return np.bincount(nodes[nodes >= 0], minlength=count + 1)

    def only(self, keep: np.ndarray) -> Lines:
        """The chains of keep (k,) bool."""
        points = keep[ragged.owners(self.starts)]
        starts = np.concatenate([[0], np.diff(self.starts)[keep].cumsum()])
        return Lines(
            self.points[points], starts, self.tails[keep], self.heads[keep],
            self.clean[points], self.bend[points], self.width[points], self.pen[keep],
        )  # fmt: skip


def centred(ink: np.ndarray, graph: Graph, pen: float, noise: float = 0.0) -> Lines:
    """pen: the width of most lines, px. noise: of the paper, see Picture."""
    points, starts = thinned(graph, 2)
    points = ragged.smoothed(points, starts, 2)
    owner = ragged.owners(starts)
    wide = max(2, round(0.8 * pen))
    for radius in (wide, max(2, wide // 2)):
        ahead = ragged.tangents(points, starts, radius)
        normal = np.stack([ahead[:, 1], -ahead[:, 0]], 1)  # to the left, y down
        seen = across(ink, points, normal, 1.25 * pen + 2, noise)
        usual = ragged.median(seen.width, starts)
        most = float(np.median(seen.width))
        long = np.diff(starts) > 4 * pen
        usual = np.where(long | (usual < most), usual, most)
        clean = (seen.width < usual[owner] * (1 + WIDER) + 0.1) & (np.abs(seen.middle) < 0.6 * pen + 0.5)
        moved = np.where(clean, np.clip(seen.middle, -pen, pen), 0)
        points = points + normal * moved[:, None].astype(np.float32)
    clean &= seen.width > 0.5 * usual[owner]
    clean &= ~_ends(points, starts, graph, 0.8 * pen)
    bend = clean & _corners(points, starts, max(2, round(pen)))
    return Lines(points, starts, graph.tails, graph.heads, clean & ~bend, bend, seen.width, usual)


def pen_width(
    ink: np.ndarray, graph: Graph, rough: float, noise: float = 0.0, areas: np.ndarray | None = None
) -> float:
    """The usual width of the lines, px: measured across them at some of their points, not in areas (H, W). rough: a guess, px."""
    at = np.arange(len(graph.points))
    if areas is not None:
        row, col = (np.clip(graph.points[:, j].astype(int), 0, areas.shape[1 - j] - 1) for j in (1, 0))
        at = at[~areas[row, col]]
    if len(at) < 2:
        return rough
    ahead = ragged.tangents(graph.points, graph.starts, 5)
    some = at[np.unique(np.linspace(0, len(at) - 1, SAMPLES).astype(int))]
    normal = np.stack([ahead[some, 1], -ahead[some, 0]], 1)
    return float(np.median(across(ink, graph.points[some], normal, 1.5 * rough + 3, noise).width))


def thinned(graph: Graph, every: int) -> tuple[np.ndarray, np.ndarray]:
    """Every so many points of each chain, and both its ends; -> points and starts."""
    owner = ragged.owners(graph.starts)
    rank = np.arange(len(graph.points)) - graph.starts[owner]
    last = graph.starts[owner + 1] - 1 - np.arange(len(graph.points))
    keep = ((rank % every == 0) & (last >= every)) | (last == 0)
    return graph.points[keep], ragged.taken(graph.starts, keep)


def _ends(points: np.ndarray, starts: np.ndarray, graph: Graph, reach: float) -> np.ndarray:
    """(n,) bool: points near an end in paper, which thinning leaves anywhere inside the round of the line."""
    owner, along = ragged.owners(starts), ragged.along_of(points, starts)
    total = along[np.maximum(starts[1:] - 1, 0)]
    degree = np.append(graph.degree, 0)
    tail, head = (degree[nodes] == 1 for nodes in (graph.tails, graph.heads))
    near = tail[owner] & (along < reach) | head[owner] & (total[owner] - along < reach)
    return near & (total[owner] > 4 * reach)


def _corners(points: np.ndarray, starts: np.ndarray, radius: int) -> np.ndarray:
    """(n,) bool: points within radius of a sharp turn."""
    index, owner = np.arange(len(points)), ragged.owners(starts)
    before = np.maximum(index - radius, starts[owner])
    after = np.minimum(index + radius, starts[owner + 1] - 1)
    a, b = points - points[before], points[after] - points
    la, lb = np.hypot(*a.T), np.hypot(*b.T)
    straight = (a * b).sum(1) / np.maximum(la * lb, 1e-9)
    sharp = (straight < BEND) & (la > 0) & (lb > 0) & (index - starts[owner] >= radius)
    sharp &= starts[owner + 1] - 1 - index >= radius
    total = np.concatenate([[0], sharp.cumsum()])
    return total[after + 1] - total[before] > 0
