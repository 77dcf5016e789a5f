"""Strokes as a pen would draw them: lines strung together and led through junctions and round corners.

A stroke is (n, 2) float, px, n >= 2, closed where its last point is its first. Only clean points are kept as they are; between
two clean stretches lies a corner, where the two meet at an angle, or else a smooth way across.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from embodied.draw import ragged
from embodied.draw.centreline import Lines
from embodied.draw.junctions import Ends, fitted
from embodied.draw.tips import meeting, tips

CORNER = np.radians(24)  # least turn of a corner
LOST = 0.8  # of a pen: how far the thinned line may be from a smooth way before that is given up
NEAR = 0.46  # of a pen, over the cosine of half the turn: how far from a corner the thinned line may pass
LONGEST = 2.0  # pens: of an end whose thinned line is given up for a tip
WAY = 12  # points on a smooth way across


@dataclass
class Strung:
    """Lines strung together: points (n, 2), clean, bend (n,), starts (k + 1,), closed (k,) bool, first and last (k,): the ends (see
    Ends) where each begins and stops. A closed one begins, and ends, with the same clean point where it has one."""

    points: np.ndarray
    clean: np.ndarray
    bend: np.ndarray
    starts: np.ndarray
    closed: np.ndarray
    first: np.ndarray
    last: np.ndarray


def strung(lines: Lines, ends: Ends) -> Strung:
    """Follow the mates from end to end."""
    mate = ends.mate.copy()
    alone = np.flatnonzero(lines.tails < 0)
    mate[2 * alone], mate[2 * alone + 1] = 2 * alone + 1, 2 * alone
    after, used = mate.tolist(), [False] * len(lines.tails)
    entered: list[int] = []  # ends at which chains are entered
    counts: list[int] = []
    closed: list[bool] = []
    for start in [*np.flatnonzero(mate < 0).tolist(), *range(len(after))]:
        e, count = start, 0
        while e >= 0 and not used[e >> 1]:
            used[e >> 1] = True
            entered.append(e)
            count += 1
            e = after[e ^ 1]
        if count:
            counts.append(count)
            closed.append(after[start] >= 0)
    end = np.array(entered, int)
    size, begin = np.diff(lines.starts)[end >> 1], lines.starts[end >> 1]
    offset = np.arange(size.sum()) - np.repeat(size.cumsum() - size, size)
    offset = np.where(np.repeat(end & 1, size), np.repeat(size, size) - 1 - offset, offset)
    index = np.repeat(begin, size) + offset
    bounds = np.concatenate([[0], np.cumsum(counts)]).astype(int)
    starts = np.concatenate([[0], size.cumsum()])[bounds]
    parts = [index[a:b] for a, b in itertools.pairwise(starts)]
    for k in np.flatnonzero(closed):
        at = int(np.argmax(lines.clean[parts[k]]))
        parts[k] = np.concatenate([parts[k][at:], parts[k][: at + 1]])
    index = np.concatenate(parts) if parts else np.zeros(0, int)
    starts = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(int)
    return Strung(
        lines.points[index], lines.clean[index], lines.bend[index], starts, np.array(closed, bool),
        end[bounds[:-1]], end[bounds[1:] - 1] ^ 1,
    )  # fmt: skip


def strokes(ink: np.ndarray, lines: Lines, ends: Ends, middles: np.ndarray, pen: float) -> list[np.ndarray]:
    """All strokes of a picture (H, W) of ink; pen: the usual width of its lines, px."""
    if not len(lines.tails):
        return []
    line = strung(lines, ends)
    owner = ragged.owners(line.starts)
    tip = tips(ink, lines, ends, middles, pen)
    place, way, stay = ways(line, owner, pen)
    trusted = _ends_kept(line, stay, pen)
    # Points in the order of their place: the kept ones at their index, ways just after the point where they begin.
    spread = np.concatenate([np.arange(len(line.points)), place])
    points = np.concatenate([line.points.astype(float), way])
    keep = np.concatenate([stay, np.ones(len(place), bool)])
    spread, points = spread[keep], points[keep]
    order = np.argsort(spread, kind="stable")
    points, owner = points[order], owner[spread[order].astype(int)]
    cuts = np.searchsorted(owner, np.arange(len(line.closed) + 1))
    out = []
    for k, closed in enumerate(line.closed.tolist()):
        stroke = points[cuts[k] : cuts[k + 1]]
        if not closed:
            head, tail = (
                tip[e] if not raw else tip[e][:0]
                for e, raw in zip((line.first[k], line.last[k]), trusted[k], strict=True)
            )
            stroke = np.concatenate([head, stroke, tail[::-1]])
        if len(stroke) > 1:
            out.append(stroke)
    return out


def _ends_kept(line: Strung, stay: np.ndarray, pen: float) -> list[tuple[bool, bool]]:
    """Let unclean ends stay that are longer than a tip; which ends of which stroke did."""
    out = []
    for low, high in zip(line.starts[:-1].tolist(), line.starts[1:].tolist(), strict=True):
        clean = np.flatnonzero(line.clean[low:high])
        kept = [False, False]
        if len(clean):
            for k, run in enumerate((slice(low, low + clean[0]), slice(low + clean[-1] + 1, high))):
                piece = line.points[run]
                if len(piece) > 2 and ragged.length(piece) > LONGEST * pen + 1:
                    stay[run] = True
                    kept[k] = True
        out.append((kept[0], kept[1]))
    return out


def ways(line: Strung, owner: np.ndarray, pen: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What leads over the unclean stretches: places (w,), just behind the index of the point before, points (w, 2), and which of
    the points of the line stay (n,) bool."""
    clean = np.flatnonzero(line.clean)
    stay = line.clean.copy()
    without = np.bincount(owner, line.clean, len(line.closed)) == 0
    stay |= without[owner]
    gap = (np.diff(clean) > 1) & (owner[clean[1:]] == owner[clean[:-1]])
    a, b = clean[:-1][gap], clean[1:][gap]
    if not len(a):
        return np.zeros(0), np.zeros((0, 2)), stay
    low, high = line.starts[owner[a]], line.starts[owner[a] + 1]
    p, out = fitted(line.points, line.clean, a, np.full(len(a), -1), low, high)
    q, back = fitted(line.points, line.clean, b, np.full(len(b), 1), low, high)
    p, q = line.points[a].astype(float), line.points[b].astype(float)
    corner, s, t = meeting(p, out, q, back)
    turn = np.arccos(np.clip(-(out * back).sum(1), -1, 1))
    chord = np.hypot(*(q - p).T)
    u = np.linspace(0, 1, WAY + 2)[1:-1, None]
    smooth = (
        (2 * u**3 - 3 * u**2 + 1) * p[:, None] + (u**3 - 2 * u**2 + u) * (out * chord[:, None])[:, None]
        + (3 * u**2 - 2 * u**3) * q[:, None] + (u**3 - u**2) * (-back * chord[:, None])[:, None]
    )  # fmt: skip
    inner = np.concatenate([np.arange(i + 1, j) for i, j in zip(a, b, strict=True)])
    run = np.repeat(np.arange(len(a)), b - a - 1)
    raw = line.points[inner].astype(float)
    to_corner = np.full(len(a), np.inf)
    np.minimum.at(to_corner, run, np.hypot(*(raw - corner[run]).T))
    off = np.zeros(len(a))
    np.maximum.at(off, run, np.hypot(*np.moveaxis(raw[:, None] - smooth[run], -1, 0)).min(1))
    sharp = (
        (turn > CORNER)
        & (s > -0.5)
        & (t > -0.5)
        & (to_corner < NEAR * pen / np.maximum(np.cos(turn / 2), 0.25) + 0.3)
        & (s + t < 3 * chord + pen)
    )
    only_bent = np.bincount(run, ~line.bend[inner], len(a)) == 0
    lost = ~sharp & (only_bent | (off > LOST * pen + 0.25 * chord / WAY))
    stay[inner[lost[run]]] = True
    smoothly = ~sharp & ~lost
    places = np.concatenate([a[sharp] + 0.5, (a[smoothly, None] + u[:, 0] * 0.9).ravel()])
    return places, np.concatenate([corner[sharp], smooth[smoothly].reshape(-1, 2)]), stay
