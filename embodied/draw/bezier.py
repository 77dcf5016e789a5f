"""Polylines as few cubic Bezier curves, all of a picture at once.

Least squares with the end tangents given, one Newton step of the parameters, splits at the worst point: P. J. Schneider, "An
Algorithm for Automatically Fitting Digitized Curves", Graphics Gems, 1990. Here every round treats all pieces that are left.

A curve is (m, 4, 2): m cubics, each beginning where the one before ended.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from embodied.draw import ragged

CORNER = np.cos(np.radians(30))  # of the turn at a point beyond which the curve may have a corner there
ROUNDS = 14


def curves(strokes: Sequence[np.ndarray], tolerance: float) -> list[np.ndarray]:
    """Curves at most about tolerance away from the points of these strokes (n, 2), px."""
    strokes = [_distinct(stroke) for stroke in strokes]
    strokes = [stroke for stroke in strokes if len(stroke) > 1]
    if not strokes:
        return []
    points = np.concatenate(strokes)
    starts = np.concatenate([[0], np.cumsum([len(stroke) for stroke in strokes])]).astype(int)
    sharp = _corners(points, starts)
    cut = sharp.copy()
    cut[starts[:-1]] = cut[starts[1:] - 1] = True
    at = np.flatnonzero(cut)
    owner = ragged.owners(starts)
    inside = owner[at[:-1]] == owner[at[1:]]
    low, high = at[:-1][inside], at[1:][inside]
    done: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for turn in range(ROUNDS):
        control, worst, error = _fit(points, low, high, cut)
        good = (error <= tolerance) | (high - low < 2) | (turn == ROUNDS - 1)
        done.append((low[good], high[good], control[good]))
        low, high, worst = low[~good], high[~good], worst[~good]
        if not len(low):
            break
        low, high = np.concatenate([low, worst]), np.concatenate([worst, high])
    low, high, control = (np.concatenate(parts) for parts in zip(*done, strict=True))
    order = np.argsort(low)
    low, high, control = low[order], high[order], control[order]
    same = np.arange(len(points))
    closed = np.hypot(*(points[starts[:-1]] - points[starts[1:] - 1]).T) < 1e-6
    same[starts[1:][closed] - 1] = starts[:-1][closed]
    control = _straightened(points, low, high, same, control, tolerance)
    bounds = np.searchsorted(low, starts)
    return [control[a:b] for a, b in itertools.pairwise(bounds)]


def _straightened(
    points: np.ndarray, low: np.ndarray, high: np.ndarray, same: np.ndarray, control: np.ndarray, tolerance: float
) -> np.ndarray:
    """Pieces that are straight but for tolerance become lines: each the best one through all its points, which averages their
    noise away, and every joint moves onto the lines that meet in it. same: point -> the one it is, if it closes a line."""
    chord = control[:, 3] - control[:, 0]
    size = np.hypot(*chord.T)
    unit = chord / np.maximum(size, 1e-9)[:, None]
    normal = np.stack([-unit[:, 1], unit[:, 0]], 1)
    off = np.abs(np.einsum("kij,kj->ki", control[:, 1:3] - control[:, :1], normal)).max(1)
    line = (size > 8) & (off < max(2 * tolerance, 0.02 * 8)) & (high - low > 4)
    # The best line through the inner points: their mean and the direction in which they spread most.
    starts = np.concatenate([[0], (high - low - 1).clip(1).cumsum()])
    piece = ragged.owners(starts)
    p = points[np.arange(len(piece)) - starts[piece] + low[piece] + 1]
    count = np.diff(starts)
    mean = np.stack([np.add.reduceat(p[:, j], starts[:-1]) / count for j in (0, 1)], 1)
    d = p - mean[piece]
    xx, xy, yy = (np.add.reduceat(v, starts[:-1]) for v in (d[:, 0] ** 2, d[:, 0] * d[:, 1], d[:, 1] ** 2))
    angle = 0.5 * np.arctan2(2 * xy, xx - yy)
    normal = np.stack([-np.sin(angle), np.cos(angle)], 1)
    far = np.abs((d * normal[piece]).sum(1))
    line &= np.maximum.reduceat(far, starts[:-1]) < 1.5 * tolerance
    if not line.any():
        return control
    at, joint = np.unique(same[np.concatenate([low, high])], return_inverse=True)
    places = points[at]
    both = np.concatenate([line, line])
    n, m, j = np.concatenate([normal, normal])[both], np.concatenate([mean, mean])[both], joint[both]
    weight = np.concatenate([size, size])[both].clip(8, 60) / 60
    a = np.zeros((len(places), 2, 2)) + 0.01 * np.eye(2)
    np.add.at(a, j, weight[:, None, None] * n[:, :, None] * n[:, None, :])
    right = 0.01 * places
    np.add.at(right, j, (weight * (n * m).sum(1))[:, None] * n)
    moved = np.linalg.solve(a, right[..., None])[..., 0]
    step = moved - places
    long = np.hypot(*step.T) > 4 * tolerance  # lines that hardly cross would meet far away
    step[long] = 0
    k = len(control)
    first, last = step[joint[:k]], step[joint[k:]]
    out = control + np.stack([first, first, last, last], 1)
    straight_ = np.stack(
        [out[:, 0], out[:, 0] + (out[:, 3] - out[:, 0]) / 3, out[:, 3] - (out[:, 3] - out[:, 0]) / 3, out[:, 3]], 1
    )
    return np.where(line[:, None, None], straight_, out)


def flattened(curve: np.ndarray, step: float) -> np.ndarray:
    """(n, 2) points on a curve, its corners among them, at most about step apart."""
    part, u = _parameters(curve, step)
    return np.concatenate([_at(curve[part], u), curve[-1:, 3]])


def _parameters(curve: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Which cubic, and where in it, each point of `flattened` but the last is."""
    size = np.hypot(*np.moveaxis(np.diff(curve, axis=1), -1, 0)).sum(1)
    count = np.maximum(1, np.ceil(size / step)).astype(int)
    part = np.repeat(np.arange(len(curve)), count)
    return part, (np.arange(len(part)) - np.repeat(count.cumsum() - count, count)) / count[part]


def begun(curve: np.ndarray, at: int, step: float) -> np.ndarray:
    """A closed curve begun at point `at` of flattened(curve, step)."""
    part, u = _parameters(curve, step)
    if not 0 < at < len(part):
        return curve
    k, t = int(part[at]), float(u[at])
    a, b, c, d = curve[k]
    ab, bc, cd = a + (b - a) * t, b + (c - b) * t, c + (d - c) * t
    abc, bcd = ab + (bc - ab) * t, bc + (cd - bc) * t
    middle = abc + (bcd - abc) * t
    first, second = np.stack([a, ab, abc, middle]), np.stack([middle, bcd, cd, d])
    tail = [first[None]] if t > 0 else []
    return np.concatenate([second[None], curve[k + 1 :], curve[:k], *tail])


def lines(points: np.ndarray) -> np.ndarray:
    """A polyline (n, 2) as a curve of straight cubics."""
    a, b = points[:-1], points[1:]
    return np.stack([a, a + (b - a) / 3, b - (b - a) / 3, b], 1)


def straight(cubic: np.ndarray, tolerance: float = 1e-3) -> bool:
    """Whether a cubic (4, 2) is a straight line."""
    a, b = cubic[0], cubic[3]
    length = max(float(np.hypot(*(b - a))), 1e-12)
    off = (cubic[1:3] - a) @ np.array([-(b - a)[1], (b - a)[0]]) / length
    return bool((np.abs(off) < tolerance).all())


def _distinct(stroke: np.ndarray) -> np.ndarray:
    """Without points that repeat the one before."""
    stroke = np.asarray(stroke, float)
    keep = np.ones(len(stroke), bool)
    keep[1:] = np.hypot(*np.diff(stroke, axis=0).T) > 1e-4
    return stroke[keep]


def _corners(points: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """(n,) bool: where the line turns sharply between its neighbours. The closing point of a closed line is none."""
    before, after = np.zeros_like(points), np.zeros_like(points)
    before[1:] = points[1:] - points[:-1]
    after[:-1] = before[1:]
    inner = np.ones(len(points), bool)
    inner[starts[:-1]] = inner[starts[1:] - 1] = False
    size = np.hypot(*before.T) * np.hypot(*after.T)
    return inner & ((before * after).sum(1) < CORNER * size)


def _fit(
    points: np.ndarray, low: np.ndarray, high: np.ndarray, cut: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A cubic for each piece points[low : high + 1], where to split it, and how far it is off."""
    size = high - low + 1
    starts = np.concatenate([[0], size.cumsum()])
    piece = ragged.owners(starts)
    index = np.arange(len(piece)) - starts[piece] + low[piece]
    p = points[index]
    along = ragged.along_of(p, starts)
    u = along / np.maximum(along[starts[1:] - 1], 1e-9)[piece]
    tail, head = _tangent(points, low, high, cut, 1), _tangent(points, high, low, cut, -1)
    control = _solve(p, u, piece, starts, points[low], points[high], tail, head)
    u = _closer(p, u, control[piece])
    control = _solve(p, u, piece, starts, points[low], points[high], tail, head)
    off = np.hypot(*(_at(control[piece], u) - p).T)
    error = np.maximum.reduceat(off, starts[:-1])
    # Split at the worst point, but not at an end.
    inner = (index > low[piece]) & (index < high[piece])
    rank = np.where(inner, off, -1.0)
    hit = np.flatnonzero(rank == np.maximum.reduceat(rank, starts[:-1])[piece])
    worst = np.empty(len(low), int)
    worst[piece[hit]] = index[hit]
    return control, np.clip(worst, low + 1, np.maximum(high - 1, low + 1)), error


def _tangent(points: np.ndarray, at: np.ndarray, other: np.ndarray, cut: np.ndarray, sign: int) -> np.ndarray:
    """Unit direction into the piece at one end: through the neighbours on both sides, unless a corner or an end is there."""
    reach = np.minimum(3, np.abs(other - at))
    into = points[at + sign * reach] - points[at]
    second = points[at + sign * np.minimum(1, reach)] - points[at]
    back = points[np.clip(at - sign * 2, 0, len(points) - 1)]
    through = points[at + sign * np.minimum(2, reach)] - back
    sharp = cut[at][:, None]
    # One-sided, a chord points ahead of the tangent by half the turn: mirror the far chord on the near one.
    unit = [v / np.maximum(np.hypot(*v.T), 1e-9)[:, None] for v in (into, second)]
    side = 1.6 * unit[1] - 0.6 * unit[0]
    out = np.where(sharp, np.where((reach > 1)[:, None], 0.5 * side + 0.5 * unit[1], unit[1]), through)
    return out / np.maximum(np.hypot(*out.T), 1e-9)[:, None]


def _solve(
    p: np.ndarray, u: np.ndarray, piece: np.ndarray, starts: np.ndarray,
    a: np.ndarray, b: np.ndarray, tail: np.ndarray, head: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Control points (k, 4, 2) with handles along tail and head, of the lengths that fit best."""
    v = 1 - u
    b1, b2 = 3 * u * v * v, 3 * u * u * v
    one, two = tail[piece] * b1[:, None], head[piece] * b2[:, None]
    rest = p - a[piece] * (v * v * v + b1)[:, None] - b[piece] * (u * u * u + b2)[:, None]

    def total(x: np.ndarray) -> np.ndarray:
        return np.add.reduceat(x, starts[:-1])

    c00, c01, c11 = total((one * one).sum(1)), total((one * two).sum(1)), total((two * two).sum(1))
    r0, r1 = total((one * rest).sum(1)), total((two * rest).sum(1))
    det = c00 * c11 - c01 * c01
    chord = np.hypot(*(b - a).T)
    safe = np.where(np.abs(det) > 1e-9, det, 1)
    first, second = (r0 * c11 - r1 * c01) / safe, (c00 * r1 - c01 * r0) / safe
    bad = (np.abs(det) <= 1e-9) | (first < 0.02 * chord) | (second < 0.02 * chord)
    bad |= (first > 3 * chord + 1) | (second > 3 * chord + 1)
    first, second = np.where(bad, chord / 3, first), np.where(bad, chord / 3, second)
    return np.stack([a, a + tail * first[:, None], b + head * second[:, None], b], 1)


def _at(control: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Points (n, 2) of cubics (n, 4, 2) at u (n,)."""
    v = 1 - u
    share = np.stack([v * v * v, 3 * v * v * u, 3 * v * u * u, u * u * u], 1)  # powers are slow
    return np.einsum("nk,nkj->nj", share, control)


def _closer(p: np.ndarray, u: np.ndarray, control: np.ndarray) -> np.ndarray:
    """u after one Newton step towards the points of the cubics nearest to p."""
    first = 3 * np.diff(control, axis=1)
    second = 2 * np.diff(first, axis=1)
    s, v = u[:, None], 1 - u[:, None]
    off = _at(control, u) - p
    speed = v * v * first[:, 0] + 2 * v * s * first[:, 1] + s * s * first[:, 2]
    bend = v * second[:, 0] + s * second[:, 1]
    down = (speed * speed).sum(1) + (off * bend).sum(1)
    return np.clip(u - (off * speed).sum(1) / np.where(np.abs(down) > 1e-9, down, np.inf), 0, 1)
