"""A picture file, or an SVG, as a drawing on a page: traced, laid on the page and put in order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from embodied.draw import colour, picture, retrace, svg
from embodied.draw.bezier import begun, curves
from embodied.draw.drawing import STEP_MM, Drawing, Layer, placed
from embodied.draw.order import ordered, visits
from embodied.draw.ragged import length
from embodied.draw.timing import Pace, estimate
from embodied.draw.trace import Style, trace
from embodied.errors import UserError

OVER_MM = 0.5  # that a line may reach over the page's edge
FINE_MM = 0.02  # of curves made again after retracing


@dataclass
class Plan:
    """How a picture becomes a drawing. page, scale, margin_mm, rotate: see drawing.placed; colours: see colour.pens; retrace: one
    of retrace.HOW; order_s: seconds to spend on the order."""

    page: str = "A4"
    scale: str = "fit"
    margin_mm: float = 10.0
    rotate: str = "auto"
    pen_mm: float = 0.5
    colours: str = "1"
    retrace: str = "off"
    order_s: float = 1.0
    style: Style = field(default_factory=Style)
    pace: Pace = field(default_factory=Pace)


def drawing(source: Path, plan: Plan, progress: Callable[[str], None] = lambda _: None) -> tuple[Drawing, str]:
    """The drawing and the mode that it was made in (svg: taken from one). UserError for what cannot be drawn."""
    if not 0.05 <= plan.pen_mm <= 20:
        raise UserError(f"pen_mm {plan.pen_mm:g} is no pen's width; give 0.05 to 20")
    if not all(0 <= one < np.inf for one in (plan.margin_mm, plan.order_s, plan.style.budget_s)) or plan.style.seed < 0:
        raise UserError("margin_mm, order_s, budget_s and seed have to be finite numbers from 0")
    if not np.isfinite(plan.style.angle):
        raise UserError(f"angle {plan.style.angle} is no number of degrees")
    if plan.retrace not in retrace.HOW:
        raise UserError(f"unknown retrace {plan.retrace!r}; choose from {', '.join(retrace.HOW)}")
    if source.suffix.lower() == ".svg":
        found = svg.read(source, plan.pen_mm)
        laid, mode = _on_page(found, plan), "svg"
    else:
        laid, mode = _traced(source, plan, progress)
    if not laid.count:
        raise UserError("nothing in the picture is large enough for this pen; take a thinner pen_mm or a larger page")
    progress(f"ordering {laid.count} strokes")
    return Drawing(laid.width, laid.height, [in_order(layer, plan) for layer in laid.layers]), mode


def _traced(source: Path, plan: Plan, progress: Callable[[str], None]) -> tuple[Drawing, str]:
    seen = picture.load(source)
    height, width = seen.ink.shape
    where = placed((width, height), plan.page, _reduced(plan.scale, seen.scale), plan.margin_mm, plan.rotate)
    layers, mode, style = [], "", plan.style
    for name, ink in colour.separated(seen.colour, seen.ink, colour.pens(plan.colours), style.seed):
        part = replace(seen, ink=ink, grey=1 - ink) if plan.colours != "1" else seen
        found, mode = trace(part, plan.pen_mm * where.scale, style, progress)
        layers.append(Layer(name, plan.pen_mm, [where.on_page(curve) for curve in found]))
        style = replace(style, mode=mode)  # one mode for all pens
    return Drawing(where.width, where.height, layers), mode


def _reduced(scale: str, by: float) -> str | float:
    """px a mm of a picture that was reduced on loading."""
    try:
        return float(scale) * by
    except ValueError:
        return scale


def _on_page(found: Drawing, plan: Plan) -> Drawing:
    """An SVG keeps its own page with page=image; else it is fitted to the page like a picture of 1 px a mm."""
    every = np.concatenate([curve.reshape(-1, 2) for layer in found.layers for curve in layer.curves])
    if plan.page == "image":
        if every.min() < -OVER_MM or (every.max(0) > np.array([found.width, found.height]) + OVER_MM).any():
            raise UserError(
                "lines of the SVG lie outside its own page; fit them to a page with page=A4, or enlarge the file's page"
            )
        return found
    low, size = every.min(0), np.maximum(np.ptp(every, axis=0), 1e-3)
    where = placed((float(size[0]), float(size[1])), plan.page, plan.scale, plan.margin_mm, plan.rotate)
    layers = [replace(layer, curves=[where.on_page(curve - low) for curve in layer.curves]) for layer in found.layers]
    return Drawing(where.width, where.height, layers)


def in_order(layer: Layer, plan: Plan) -> Layer:
    """The layer's curves in the order in which they are drawn, retraced if that was asked for."""
    lift_mm = plan.pace.lift_s * plan.pace.ink * {"off": 0.0, "thin": retrace.THIN, "max": 1.0}[plan.retrace]
    strokes = layer.strokes()
    again = retrace.retraced(strokes, layer.pen_mm, lift_mm)
    twice = sum(map(length, again)) > 1.02 * sum(map(length, strokes))  # lines side by side were taken for one
    best = [ordered(some, budget_s=0) for some in (strokes, again)]
    saves = not (twice and plan.retrace == "off")
    if (
        saves
        and len(again) < len(strokes)
        and estimate(best[1], pace=plan.pace).total_s < estimate(best[0], pace=plan.pace).total_s
    ):
        layer = replace(layer, curves=curves(again, FINE_MM))
        strokes = layer.strokes()
    out = []
    for k, backwards, begin in visits(strokes, budget_s=plan.order_s, seed=plan.style.seed):
        curve = begun(layer.curves[k], begin, STEP_MM)
        out.append(curve[::-1, ::-1] if backwards else curve)
    return replace(layer, curves=out)
