"""A picture as strokes, in its own pixels: lines by their middle, areas filled, shades by one line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from embodied.draw import fill, picture, ragged, tone
from embodied.draw.bezier import curves
from embodied.draw.bezier import lines as polyline
from embodied.draw.centreline import centred, pen_width
from embodied.draw.junctions import joined
from embodied.draw.link import grafted, linked
from embodied.draw.picture import Picture
from embodied.draw.residue import along, residual
from embodied.draw.skeleton import skeleton
from embodied.draw.strokes import strokes as led
from embodied.errors import UserError

STYLES = {"line": ("centre",), "fill": fill.STYLES, "tone": tone.STYLES}
TONE_PEN = 3.0  # px: shades are drawn at the size at which the pen is so wide
NOISY = 4.0  # px that a curve may be off more for the paper's noise, which is smoothed so
MOST_PX = 6000  # along an edge, of a picture enlarged for a thin pen
AREA_PEN = 2.0  # px: areas at the size at which it is at least so wide


@dataclass
class Style:
    """How to draw: mode line | fill | tone | auto; style, one of STYLES[mode], or empty for its first; tolerance, px, of curves;
    angle, degrees, of hatching; budget_s, for the tour of a tone; seed."""

    mode: str = "auto"
    style: str = ""
    tolerance: float = 0.15
    angle: float = 45.0
    budget_s: float = 20.0
    seed: int = 0


def trace(
    seen: Picture, pen: float, style: Style | None = None, progress: Callable[[str], None] = lambda _: None
) -> tuple[list[np.ndarray], str]:
    """Curves (m, 4, 2) px of a picture for a pen of that width, px, and the mode they were made in.

    Raises UserError for a picture without ink, or of nothing else."""
    style = style or Style()
    mode = picture.kind(seen) if style.mode == "auto" else style.mode
    if style.style and style.style not in STYLES[mode]:
        raise UserError(f"unknown style {style.style!r} of mode {mode}; choose from {', '.join(STYLES[mode])}")
    share = float((seen.ink > 0.5).mean())
    if float(np.ptp(seen.grey)) < picture.FAINT or share > 0.97:
        what = "paper" if seen.grey.mean() > 0.5 else "ink"
        raise UserError(f"the picture is all {what}; there is nothing to draw, give one with dark lines on light paper")
    if mode != "tone" and share == 0:
        raise UserError("the picture has no ink that stands out; darken it, or draw its shades with mode=tone")
    which = style.style or STYLES[mode][0]
    progress(f"tracing: {mode}, {which}")
    if mode == "tone":
        return _tones(seen, pen, which, style, progress), mode
    if mode == "line":
        ink = picture.without_specks(seen.ink) if seen.noise else seen.ink
        return curves(lines(ink, seen.noise), style.tolerance + NOISY * seen.noise), mode
    return _areas(seen, pen, which, style), mode


def lines(ink: np.ndarray, noise: float = 0.0, areas: np.ndarray | None = None) -> list[np.ndarray]:
    """Strokes (n, 2) along the middle of the lines of ink (H, W), whose width is measured outside areas (H, W)."""
    graph = skeleton(ink)
    length = float(ragged.lengths(graph.points, graph.starts).sum())
    rough = float(np.clip((ink > 0.5).sum() / max(length, 1.0), *picture.WIDTHS))
    width = max(1.0, pen_width(ink, graph, rough, noise, areas))
    chains = centred(ink, graph, width, noise)
    found, ends, middles = joined(ink, chains, len(graph.nodes), width)
    drawn = led(ink, found, ends, middles, width)
    drawn, twigs = grafted(drawn, residual(ink, chains, drawn, width), 1.5 * width)
    return linked([*drawn, *twigs], 2 * width)


def _areas(seen: Picture, pen: float, which: str, style: Style) -> list[np.ndarray]:
    """Wide ink filled, thin ink by its middle."""
    zoom = max(1.0, AREA_PEN / pen)
    ink, pen = _resized(seen.ink, zoom), pen * zoom
    wide = fill.thick(ink, pen)
    filled = [one for area in fill.areas(ink, wide) for one in fill.filled(area, pen, which, style.angle)]
    bare = np.where(wide, 0, ink)
    thin: list[np.ndarray] = []
    if (bare > 0.5).sum() > pen * pen:
        strokes = lines(ink, seen.noise, wide)
        thin = [piece for stroke in strokes for piece in _parts(stroke, ~wide & (ink > 0.3), pen)]
    out = [*curves(linked(thin, pen), style.tolerance), *map(polyline, filled)]
    return [curve / zoom for curve in out]


def _parts(stroke: np.ndarray, where: np.ndarray, pen: float) -> list[np.ndarray]:
    """The parts of a stroke that run where (H, W) bool says; scraps of one that runs elsewhere too are left out."""
    at = flattened_line(stroke)
    height, width = where.shape
    col, row = (np.clip(at[:, j].astype(int), 0, size - 1) for j, size in ((0, width), (1, height)))
    here = where[row, col]
    if here.all():
        return [at]
    cuts = np.flatnonzero(np.diff(here)) + 1
    parts = [part for part, ours in zip(np.split(at, cuts), np.split(here, cuts), strict=True) if ours[0]]
    return [part for part in parts if len(part) > 1 and ragged.length(part) > 0.7 * pen]


def flattened_line(stroke: np.ndarray) -> np.ndarray:
    """The same line with a point at least every pixel."""
    step = np.hypot(*np.diff(stroke, axis=0).T)
    if len(step) and step.max() <= 1.5:
        return stroke
    pieces = [along([stroke[k : k + 2]], 1.0) for k in range(len(stroke) - 1)]
    return np.concatenate(pieces)


def _tones(seen: Picture, pen: float, which: str, style: Style, progress: Callable[[str], None]) -> list[np.ndarray]:
    zoom = TONE_PEN / pen
    dark = _resized(1 - seen.grey, zoom)
    if which == "stipple":
        found = tone.stippled(dark, TONE_PEN, budget_s=style.budget_s, seed=style.seed, progress=progress)
    elif which == "hatch":
        found = tone.hatched_levels(dark, TONE_PEN)
    else:
        found = tone.squiggled(dark, TONE_PEN)
    return [polyline(stroke) / zoom for stroke in found]


def _resized(values: np.ndarray, zoom: float) -> np.ndarray:
    """(H, W) float at another size."""
    from PIL import Image

    if abs(zoom - 1) < 1e-3:
        return values
    if max(values.shape) * zoom > MOST_PX:
        raise UserError(
            "the pen is too thin for so large a page: the picture would need more than 6000 px; take a thicker pen_mm"
        )
    size = max(8, round(values.shape[1] * zoom)), max(8, round(values.shape[0] * zoom))
    how = Image.Resampling.BOX if zoom < 1 else Image.Resampling.BICUBIC
    return np.clip(np.asarray(Image.fromarray(values.astype(np.float32)).resize(size, how)), 0, 1)
