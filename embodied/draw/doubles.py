"""Chains under which two lines lie side by side: a hairpin, or strokes that run together for a while.

Their ink is wider than one pen and narrower than two. They become two tracks, half the surplus to each side; where the chain
ends in paper the tracks are one line that turns there.
"""

from __future__ import annotations

import numpy as np

from embodied.draw import ragged
from embodied.draw.centreline import Lines
from embodied.draw.profile import sample

LEAST, MOST = 1.22, 2.4  # of a pen: width of a double


def doubled(ink: np.ndarray, lines: Lines, count: int, pen: float) -> Lines:
    """The lines with tracks in place of doubles. count: nodes."""
    degree = lines.degrees(count)
    open_tail, open_head = degree[lines.tails] == 1, degree[lines.heads] == 1
    wide = ragged.median(lines.width, lines.starts)
    double = (lines.tails >= 0) & (wide > LEAST * pen) & (wide < MOST * pen) & ~(open_tail & open_head)
    length = ragged.lengths(lines.points, lines.starts)
    double &= length > np.where(open_tail | open_head, 0.5, 1.5) * pen
    if not double.any():
        return lines
    ahead = ragged.tangents(lines.points, lines.starts, max(2, round(0.8 * pen)))
    width = ragged.smoothed(np.minimum(lines.width, 2 * pen)[:, None], lines.starts, max(1, round(0.6 * pen)))
    aside = np.clip((width - pen) / 2, 0, 0.6 * pen) * np.stack([ahead[:, 1], -ahead[:, 0]], 1)
    along = ragged.along_of(lines.points, lines.starts)
    parts = [lines.only(~double)]
    for k in np.flatnonzero(double).tolist():
        at = slice(lines.starts[k], lines.starts[k + 1])
        points, off = lines.points[at], aside[at]
        inside = (along[at] > 0.6 * pen) & (along[at][-1] - along[at] > 0.6 * pen)
        left, right = points + off, points - off
        tail, head = int(lines.tails[k]), int(lines.heads[k])
        if not (open_tail[k] or open_head[k]):
            parts += [_line(track, inside, tail, head, pen) for track in (left, right)]
            continue
        if open_tail[k]:
            left, right, points, inside, tail = left[::-1], right[::-1], points[::-1], inside[::-1], head
        tip = _tip(ink, points, pen)
        first = min(int(inside.argmax()) if inside.any() else len(points), max(0, len(points) - 3))
        near = ((points - tip) ** 2).sum(1) < (0.3 * pen) ** 2
        keep = ~near | (np.arange(len(points)) < len(points) - 3)
        left, right, inside = left[keep], right[keep], (np.arange(len(points)) >= first)[keep]
        parts.append(
            _line(np.concatenate([left, tip[None], right[::-1]]), np.concatenate([inside, [True], inside[::-1]]), tail, tail, pen)
        )  # fmt: skip

    def whole(name: str) -> np.ndarray:
        return np.concatenate([getattr(part, name) for part in parts])

    starts = np.concatenate([[0], np.concatenate([np.diff(part.starts) for part in parts]).cumsum()]).astype(int)
    return Lines(
        whole("points"), starts, whole("tails"), whole("heads"), whole("clean"), whole("bend"), whole("width"), whole("pen")
    )  # fmt: skip


def _line(points: np.ndarray, clean: np.ndarray, tail: int, head: int, pen: float) -> Lines:
    n = len(points)
    return Lines(
        points.astype(np.float32), np.array([0, n]), np.array([tail]), np.array([head]), clean, np.zeros(n, bool),
        np.full(n, pen, np.float32), np.array([pen]),
    )  # fmt: skip


def _tip(ink: np.ndarray, points: np.ndarray, pen: float) -> np.ndarray:
    """Where the line turns, half a pen before the ink ends: points (n, 2) lead towards it."""
    back = points[max(0, len(points) - 1 - round(1.5 * pen))]
    out = points[-1] - back
    out = out / max(float(np.hypot(*out)), 1e-6)
    s = np.arange(0, 2.5 * pen + 2, 0.25)
    values = sample(ink, points[-1, 0] + out[0] * s, points[-1, 1] + out[1] * s)
    paper = values < 0.5
    reach = float(s[paper.argmax()]) if paper.any() else 0.0
    return (points[-1] + (reach - pen / 2) * out).astype(np.float32)
