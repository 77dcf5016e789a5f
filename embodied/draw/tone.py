"""Shades as lines of one width: a single stroke through stipples, hatching by levels, or waves.

dark (H, W) float, 0 paper to 1 ink, is the tone wanted; pen in px. Stipples: A. Secord, "Weighted Voronoi Stippling", NPAR 2002;
the tour through them: R. Bosch, A. Herman, "Continuous Line Drawings via the Traveling Salesman Problem", 2004. How dark a tour
comes out depends on how close its points lie, so the points are laid, drawn, compared and laid again.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from embodied.draw.fill import areas, hatched
from embodied.draw.order import tour
from embodied.draw.residue import along

STYLES = ("stipple", "hatch", "squiggle")
TOUR = (
    0.7124  # length of the shortest tour of n random points on an area a, over sqrt(n a) (D. Johnson, L. McGeoch, 1996)
)
CLOSEST = 0.62  # of a pen: nearest that two stipples come on average
MOST = 90_000  # stipples
LEVELS = (
    (0.12, 45.0),
    (0.35, -45.0),
    (0.58, 0.0),
    (0.8, 90.0),
)  # darkness from which on a layer of hatching lies, and its angle


def stippled(
    dark: np.ndarray,
    pen: float,
    rounds: int = 3,
    budget_s: float = 20.0,
    seed: int = 0,
    progress: Callable[[str], None] = lambda _: None,
) -> list[np.ndarray]:
    """One stroke (n, 2) through stipples that lie closer where it is darker. budget_s: for making the tour shorter."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    wanted = gaussian_filter(dark, pen)
    density = (np.clip(wanted, 0, 1) / (TOUR * 1.05 * pen)) ** 2
    points = np.zeros((0, 2))
    path = points
    for k in range(rounds):
        density = np.minimum(density, 1 / (CLOSEST * pen) ** 2)
        count = int(min(density.sum(), MOST))
        if count < 2:
            return []
        progress(f"stippling {count} points, round {k + 1} of {rounds}")
        points = stipples(density, count, rng)
        path = tour(points, budget_s / rounds)
        if k + 1 < rounds:
            radius = max(4.0, 2.5 * pen)
            here = gaussian_filter(drawn([path], pen, dark.shape), radius)
            there = gaussian_filter(np.asarray(dark, float), radius)
            density = density * np.clip((there + 0.01) / (here + 0.01), 0.4, 2.5) ** 1.6
    return [path]


def stipples(density: np.ndarray, count: int, rng: np.random.Generator, rounds: int = 6) -> np.ndarray:
    """(count, 2) points spread as density (H, W) asks: drawn at random, then moved to the middle of what is nearest to each."""
    from scipy.spatial import KDTree

    height, width = density.shape
    flat = density.ravel().cumsum()
    picks = np.searchsorted(flat, (np.arange(count) + rng.random(count)) * (flat[-1] / count))
    picks = np.minimum(picks, density.size - 1)
    points = np.stack([picks % width, picks // width], 1) + rng.random((count, 2))
    block = 2 if count < density.size / 16 else 1
    rows, cols = height // block, width // block
    mass = density[: rows * block, : cols * block].reshape(rows, block, cols, block).sum((1, 3))
    row, col = np.nonzero(mass > 1e-6 * mass.max())
    at, weight = np.stack([col + 0.5, row + 0.5], 1) * block, mass[row, col]
    for _ in range(rounds):
        _, owner = KDTree(points).query(at)
        total = np.bincount(owner, weight, count)
        moved = (
            np.stack([np.bincount(owner, weight * at[:, j], count) for j in (0, 1)], 1)
            / np.maximum(total, 1e-12)[:, None]
        )
        points = np.where(total[:, None] > 0, moved, points)
    return points


def drawn(strokes: list[np.ndarray], pen: float, shape: tuple[int, int]) -> np.ndarray:
    """(H, W) float 0..1: what a round pen leaves, on a grid of half pixels."""
    height, width = shape
    at = along(strokes, 0.5) * 2
    radius, n = pen, int(np.ceil(pen))
    page = np.zeros((2 * height + 2 * n + 2, 2 * width + 2 * n + 2), bool)
    col, row = (np.clip(at[:, j].astype(int), 0, 2 * size - 1) + n for j, size in ((0, width), (1, height)))
    stride, flat = page.shape[1], page.ravel()
    base = np.unique(row * stride + col)
    for dy in range(-n, n + 1):
        for dx in range(-n, n + 1):
            if dx * dx + dy * dy <= radius * radius:
                flat[base + dy * stride + dx] = True
    return page[n : n + 2 * height, n : n + 2 * width].reshape(height, 2, width, 2).mean((1, 3))


def hatched_levels(dark: np.ndarray, pen: float) -> list[np.ndarray]:
    """Layers of parallel lines, each where it is darker than its level, which together come out as dark as that."""
    from scipy.ndimage import gaussian_filter

    soft = gaussian_filter(np.asarray(dark, float), 1.2 * pen)
    out: list[np.ndarray] = []
    light = 1.0  # share of the paper that the layers so far leave bare
    bounds = [level for level, _ in LEVELS[1:]] + [1.0]
    for (level, angle), above in zip(LEVELS, bounds, strict=True):
        aim = (level + above) / 2
        share = 1 - (1 - aim) / light
        light *= 1 - share
        region = np.clip(soft - level + 0.5, 0, 1)
        for area in areas(region, region > 0.5):
            out += hatched(area.buffer(-pen / 4), pen / share, angle)
    return out


def squiggled(dark: np.ndarray, pen: float, pitch: float = 3.2) -> list[np.ndarray]:
    """Waves along rows pitch pens apart, faster where it is darker; paper stays bare."""
    from scipy.ndimage import gaussian_filter1d

    height, width = dark.shape
    gap = pitch * pen
    rows = np.arange(gap / 2, height, gap)
    out: list[np.ndarray] = []
    for k, y in enumerate(rows):
        low, high = int(max(0, y - gap / 2)), int(min(height, y + gap / 2 + 1))
        tone = gaussian_filter1d(dark[low:high].mean(0), pen)
        x = np.arange(width) + 0.5
        swing = 0.5 * gap - 0.3 * pen
        # Ink of a wave that crosses 2 swing f times a px, over the area of the row: pen sqrt(1 + (4 swing f)^2) / gap.
        rate = np.sqrt(np.maximum((np.clip(tone, 0, 0.97) * gap / pen) ** 2 - 1, 0)) / (4 * swing)
        phase = rate.cumsum()
        fine = np.linspace(0, width - 1, 4 * width)
        turn = np.interp(fine, x - 0.5, phase)
        triangle = 2 * np.abs(2 * (turn - np.floor(turn + 0.5))) - 1
        line = np.stack([fine + 0.5, y + swing * triangle * np.clip(np.interp(fine, x - 0.5, rate) * gap * 4, 0, 1)], 1)
        on = np.interp(fine, x - 0.5, tone) > 0.6 * pen / gap
        cuts = np.flatnonzero(np.diff(on)) + 1
        for part, drawn_ in zip(np.split(line, cuts), np.split(on, cuts), strict=True):
            if drawn_[0] and len(part) > 8:
                out.append(part[:: -1 if k % 2 else 1])
    return out
