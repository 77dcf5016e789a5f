"""What a camera says of a drawing: which stretches of which strokes are not on the paper, and how like the plan it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from embodied.draw.profile import sample
from embodied.draw.residue import covered

STEP_MM = 0.25
DARK = 0.3  # of black, at the darkest within ASIDE: ink
ASIDE_MM = 0.35  # where a stroke may lie beside its place
SHORTEST_MM = 0.7  # of a stretch that is drawn again
OVERLAP_MM = 0.5  # by which it reaches into what is there


def missing(strokes: Sequence[np.ndarray], ink: np.ndarray, per_mm: float) -> list[np.ndarray]:
    """Stretches (n, 2) mm of strokes (n, 2) mm that ink (H, W), per_mm px a mm, does not show."""
    out: list[np.ndarray] = []
    for stroke in strokes:
        points, length = _even(stroke)
        ahead = np.gradient(points, axis=0)
        ahead /= np.maximum(np.hypot(*ahead.T), 1e-9)[:, None]
        normal = np.stack([-ahead[:, 1], ahead[:, 0]], 1)
        aside = np.linspace(-ASIDE_MM, ASIDE_MM, 5, dtype=np.float32)
        x, y = (points[:, j, None] + normal[:, j, None] * aside for j in (0, 1))
        seen = sample(ink, x * per_mm, y * per_mm).max(1)
        bare = seen < DARK
        cuts = np.flatnonzero(np.diff(np.concatenate([[False], bare, [False]])))
        step = length / max(len(points) - 1, 1)
        spare = max(1, round(OVERLAP_MM / max(step, 1e-6)))
        spans: list[list[int]] = []
        for low, high in cuts.reshape(-1, 2).tolist():
            if (high - low) * step < min(SHORTEST_MM, 0.6 * length):
                continue
            low, high = max(0, low - spare), min(len(points), high + spare)
            if spans and low <= spans[-1][1]:
                spans[-1][1] = high
            else:
                spans.append([low, high])
        out += [points[low:high] for low, high in spans if high - low > 1]
    return out


def _even(stroke: np.ndarray) -> tuple[np.ndarray, float]:
    """Points about STEP_MM apart, and the length, mm."""
    s = np.concatenate([[0], np.hypot(*np.diff(stroke, axis=0).T).cumsum()])
    n = max(2, int(np.ceil(s[-1] / STEP_MM)) + 1)
    t = np.linspace(0, s[-1], n)
    return np.stack([np.interp(t, s, stroke[:, j]) for j in (0, 1)], 1), float(s[-1])


def likeness(
    strokes: Sequence[np.ndarray], ink: np.ndarray, per_mm: float, pen_mm: float, within_mm: float = 0.5
) -> dict[str, float]:
    """chamfer_mm: mean way between the ink planned and seen, both directions' mean; iou: their overlap within so many mm."""
    from scipy.ndimage import distance_transform_edt

    want = covered([stroke * per_mm for stroke in strokes], pen_mm * per_mm, ink.shape, 0.0)
    have = ink > 0.5 * max(0.3, float(np.quantile(ink[ink > 0.15], 0.9))) if (ink > 0.15).any() else np.zeros_like(want)
    if not have.any() or not want.any():
        return {"chamfer_mm": float("inf"), "iou": 0.0}
    missed = np.asarray(distance_transform_edt(~have))[want] / per_mm
    extra = np.asarray(distance_transform_edt(~want))[have] / per_mm
    p, q = (extra <= within_mm).mean(), (missed <= within_mm).mean()
    return {
        "chamfer_mm": float(0.5 * (missed.mean() + extra.mean())),
        "iou": float(p * q / (p + q - p * q)) if p + q else 0.0,
    }
