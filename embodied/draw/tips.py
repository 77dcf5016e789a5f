"""Where strokes end: at the end of the ink less half a pen, or on the line that they run into."""

from __future__ import annotations

import numpy as np

from embodied.draw.centreline import Lines
from embodied.draw.junctions import Ends
from embodied.draw.profile import sample

PULL = 0.0025  # of the junction's middle, against that of a line
ALONG = 0.25  # px between samples along a stroke's end


def meeting(
    p: np.ndarray, out: np.ndarray, q: np.ndarray, back: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where p + s out and q + t back meet: points (k, 2), s and t (k,); the middle between p and q where they are parallel."""
    cross = out[..., 0] * back[..., 1] - out[..., 1] * back[..., 0]
    way = q - p
    parallel = np.abs(cross) < 0.02
    safe = np.where(parallel, 1, cross)
    s = np.where(parallel, np.inf, (way[..., 0] * back[..., 1] - way[..., 1] * back[..., 0]) / safe)
    t = np.where(parallel, np.inf, (way[..., 0] * out[..., 1] - way[..., 1] * out[..., 0]) / safe)
    at = np.where(parallel[..., None], (p + q) / 2, p + np.where(parallel, 0, s)[..., None] * out)
    return at, s, t


def tips(ink: np.ndarray, lines: Lines, ends: Ends, middles: np.ndarray, pen: float) -> list[np.ndarray]:
    """For every end the points that lead from its very tip to its last clean point, which is left out: (0..m, 2)."""
    none = np.zeros((0, 2))
    out: list[np.ndarray] = [none] * len(ends.at)
    size = np.bincount(ends.junction[ends.junction >= 0], minlength=len(middles))
    open_ = np.flatnonzero((ends.mate < 0) & (ends.junction >= 0))
    free = open_[size[ends.junction[open_]] == 1]
    for e, tip in zip(free.tolist(), _into_paper(ink, lines, ends, free, pen), strict=True):
        out[e] = tip
    loose: dict[int, list[int]] = {}
    for e in open_[size[ends.junction[open_]] > 1].tolist():
        loose.setdefault(int(ends.junction[e]), []).append(e)
    through: dict[int, list[tuple[int, int]]] = {}
    paired = np.flatnonzero((ends.mate > np.arange(len(ends.mate))) & (ends.junction >= 0))
    for e in paired.tolist():
        if ends.junction[e] in loose:
            through.setdefault(int(ends.junction[e]), []).append((e, int(ends.mate[e])))
    for junction, some in loose.items():
        centre = _crossing(ends, some, middles[junction], pen)
        for e in some:
            hit = _onto(ends, e, through.get(junction, []), pen) if junction in through else centre
            if hit is None:
                ahead = max(0.0, float((middles[junction] - ends.at[e]) @ ends.out[e]))
                hit = ends.at[e] + ahead * ends.out[e]
            out[e] = hit[None]
    return out


def _into_paper(ink: np.ndarray, lines: Lines, ends: Ends, free: np.ndarray, pen: float) -> list[np.ndarray]:
    """Tips of ends with paper ahead: the ink ends half a pen behind them."""
    if not len(free):
        return []
    chain = free >> 1
    tail = np.where(free & 1, lines.starts[chain + 1] - 1, lines.starts[chain])
    raw = lines.points[tail].astype(float)
    at, out = ends.at[free], ends.out[free]
    ahead = ((raw - at) * out).sum(1)
    aside = np.abs((raw - at)[:, 0] * out[:, 1] - (raw - at)[:, 1] * out[:, 0])
    most = float(ahead.max()) + 2 * pen + 2
    s = np.arange(0, most, ALONG)
    values = sample(ink, at[:, :1] + out[:, :1] * s, at[:, 1:] + out[:, 1:] * s)
    paper = values < 0.5
    paper[:, 0] = False
    first = np.where(paper.any(1), paper.argmax(1), len(s) - 1)
    k = np.arange(len(free))
    above, below = values[k, first - 1], values[k, first]
    reach = s[first] - ALONG * np.clip((0.5 - below) / np.maximum(above - below, 1e-6), 0, 1) - lines.pen[chain] / 2
    # Thinning eats a slanting line's end by up to two pens, and leaves less than one too many.
    over = reach - ahead
    straight = (aside < 0.6 * pen) & (over > -1.2 * pen - 1) & (over < 2 * pen + 1) & (reach > 0)
    tips = []
    for j, e in enumerate(free.tolist()):
        if straight[j]:
            tips.append((at[j] + reach[j] * out[j])[None])
            continue
        low, high = lines.starts[e >> 1], lines.starts[(e >> 1) + 1]
        points, clean = lines.points[low:high], lines.clean[low:high]
        if e & 1:
            points, clean = points[::-1], clean[::-1]
        tips.append(points[: int(clean.argmax())].astype(float) if clean.any() else np.zeros((0, 2)))
    return tips


def _crossing(ends: Ends, some: list[int], middle: np.ndarray, pen: float) -> np.ndarray | None:
    """The point nearest to the ways of all these ends, by least squares; none if it lies away from the junction."""
    if len(some) < 2:
        return None
    x0, y0 = middle.tolist()
    a = c = PULL  # the normal equations, as plain floats: there are thousands of junctions
    b, u, v = 0.0, PULL * x0, PULL * y0
    for (px, py), (dx, dy) in zip(ends.at[some].tolist(), ends.out[some].tolist(), strict=True):
        n = dx * py - dy * px
        a, b, c = a + dy * dy, b - dx * dy, c + dx * dx
        u, v = u - dy * n, v + dx * n
    det = a * c - b * b
    x, y = (u * c - b * v) / det, (a * v - b * u) / det
    return np.array([x, y]) if (x - x0) ** 2 + (y - y0) ** 2 < (2 * pen) ** 2 else None


def _onto(ends: Ends, e: int, pairs: list[tuple[int, int]], pen: float) -> np.ndarray | None:
    """Where the end's way first meets a line that passes through its junction."""
    best, found = np.inf, None
    (x, y), (dx, dy) = ends.at[e].tolist(), ends.out[e].tolist()
    for i, j in pairs:
        (px, py), (qx, qy) = ends.at[i].tolist(), ends.at[j].tolist()
        length = ((qx - px) ** 2 + (qy - py) ** 2) ** 0.5
        if length < 1e-6:
            continue
        ux, uy = (qx - px) / length, (qy - py) / length
        cross = dx * uy - dy * ux
        if abs(cross) < 0.02:
            continue
        s = ((px - x) * uy - (py - y) * ux) / cross
        t = ((px - x) * dy - (py - y) * dx) / cross
        if -pen < s < min(best, 12 * pen) and -pen < t < length + pen:
            best, found = s, np.array([x + s * dx, y + s * dy])
    return found
