"""Drawings as SVG, in millimetres, one group a pen; and strokes from the SVG of any tool.

Nothing in a file is run or fetched: a file with scripts, entities or references to other files is refused.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from embodied.draw.bezier import lines, straight
from embodied.draw.drawing import LARGEST_MM, Drawing, Layer
from embodied.errors import UserError

MM = 25.4 / 96  # a px of SVG, CSS says
LARGEST_BYTES = 64_000_000


def written(drawing: Drawing) -> str:
    """The file's text: the same drawing gives the same text."""
    w, h = (_number(size) for size in (drawing.width, drawing.height))
    out = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:inkscape="http://www.inkscape.org/namespaces/inkscape" '
        f'width="{w}mm" height="{h}mm" viewBox="0 0 {w} {h}">',
    ]
    for k, layer in enumerate(drawing.layers, 1):
        out.append(
            f'  <g id="pen{k}" inkscape:groupmode="layer" inkscape:label="{k} {layer.colour}" fill="none" stroke="{layer.colour}" '
            f'stroke-width="{_number(layer.pen_mm)}" stroke-linecap="round" stroke-linejoin="round">'
        )
        out += [f'    <path d="{path(curve)}"/>' for curve in layer.curves]
        out.append("  </g>")
    return "\n".join([*out, "</svg>", ""])


def path(curve: np.ndarray) -> str:
    """A curve (m, 4, 2) as path data."""
    x, y = curve[0, 0]
    out = [f"M{_number(x)} {_number(y)}"]
    for cubic in curve:
        points = cubic[3:] if straight(cubic) else cubic[1:]
        out.append(("L" if len(points) == 1 else "C") + " ".join(f"{_number(u)} {_number(v)}" for u, v in points))
    return "".join(out)


def _number(value: float) -> str:
    text = f"{value:.3f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def read(at: str | Path, pen_mm: float = 0.5) -> Drawing:
    """Strokes of an SVG: every outline of every shape, a layer for each stroke colour. pen_mm: where the file states no width."""
    import io

    import svgelements as se

    file = Path(at)
    if not file.is_file():
        raise UserError(f"{str(at)!r} is no file; give the path of an SVG")
    if file.stat().st_size > LARGEST_BYTES:
        raise UserError(f"{file.name} is larger than {LARGEST_BYTES // 1_000_000} MB; simplify it first")
    text = file.read_bytes().decode("utf-8", "replace")
    _refuse(file.name, text)
    try:
        svg = se.SVG.parse(io.StringIO(text), reify=True, ppi=96)
        width, height = (float(svg.width) * MM, float(svg.height) * MM)
    except Exception as wrong:  # svgelements raises whatever its parsers do
        raise UserError(
            f"{file.name} is no SVG that can be read ({type(wrong).__name__}: {wrong}); save it again"
        ) from None
    if not (0 < width <= LARGEST_MM and 0 < height <= LARGEST_MM):
        raise UserError(
            f"the page of {file.name} is {width:.6g}x{height:.6g} mm; it has to be larger than 0 and at most {LARGEST_MM:g} mm"
        )
    layers: dict[str, Layer] = {}
    for element in svg.elements():
        if not isinstance(element, se.Shape):
            continue
        values = element.values or {}
        if (
            not _colour(element.stroke)
            and not _colour(element.fill)
            and "none" in (values.get("stroke"), values.get("fill"))
        ):
            continue  # drawn by nobody
        colour = _colour(element.stroke) or _colour(element.fill) or "#000000"
        stated = "stroke-width" in values and _colour(element.stroke)
        drawn = float(element.stroke_width or 0) * MM if stated else 0.0
        layer = layers.setdefault(colour, Layer(colour, round(drawn, 3) or pen_mm))
        layer.curves += [curve for curve in _curves(se.Path(element)) if np.isfinite(curve).all()]
    if not any(layer.curves for layer in layers.values()):
        raise UserError(f"{file.name} has no lines to draw; convert text and pictures to paths first")
    return Drawing(width, height, [layer for layer in layers.values() if layer.curves])


def _refuse(name: str, text: str) -> None:
    """Files that would run or fetch something."""
    for pattern, what in (
        (r"<\s*(?:\w+:)?script\b", "a script"),
        (r"<!ENTITY", "an entity"),
        (r"\son\w+\s*=", "an event handler"),
        (r"(?:href|src)\s*=\s*[\"'](?!#|data:)[^\"']+", "a reference to another file"),
        (r"url\(\s*[\"']?(?!#|data:)[^)]+", "a reference to another file"),
        (r"@import", "a reference to another file"),
    ):
        if re.search(pattern, text, re.IGNORECASE):
            raise UserError(f"{name} has {what}, which is not followed; save it as plain SVG")


def _colour(value: object) -> str:
    hexa = getattr(value, "hexrgb", None)
    return str(hexa).lower() if hexa else ""


def _curves(shape: object) -> list[np.ndarray]:
    """The pen-down runs of a path of svgelements, as curves in mm."""
    import svgelements as se

    out: list[np.ndarray] = []
    run: list[np.ndarray] = []

    def point(p: object) -> np.ndarray:
        return np.array([p.x, p.y], float) * MM  # pyright: ignore[reportAttributeAccessIssue]

    def close() -> None:
        if run:
            out.append(np.array(run))
            run.clear()

    path_ = se.Path(shape)
    path_.approximate_arcs_with_cubics()
    for part in path_:
        if isinstance(part, se.Move) or part.start is None or part.end is None:
            close()
            continue
        a, b = point(part.start), point(part.end)
        if isinstance(part, se.CubicBezier):
            run.append(np.array([a, point(part.control1), point(part.control2), b]))
        elif isinstance(part, se.QuadraticBezier):
            c = point(part.control)
            run.append(np.array([a, a + (c - a) * 2 / 3, b + (c - b) * 2 / 3, b]))
        elif (a != b).any():
            run.append(lines(np.array([a, b]))[0])
    close()
    return out
