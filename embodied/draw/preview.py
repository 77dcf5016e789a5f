"""Pictures of a drawing: its ink, the ways of the raised pen, and the order in colour."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from embodied.draw.drawing import Drawing

if TYPE_CHECKING:
    from PIL.Image import Image

FRAMES = 48  # of the moving picture
TWICE = 2  # drawn so much larger, then reduced: Pillow's lines are not smooth


def page(drawing: Drawing, dots: float, upto: int | None = None, order: bool = False) -> Image:
    """The page at dots px a mm after the first `upto` strokes; order: early strokes blue, late ones red, ways between them grey."""
    from PIL import Image, ImageDraw

    zoom = dots * TWICE
    size = max(1, round(drawing.width * zoom)), max(1, round(drawing.height * zoom))
    image = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(image)
    at, done, total = np.zeros(2), 0, max(1, drawing.count - 1)
    for layer in drawing.layers:
        width = max(1, round((min(layer.pen_mm, 0.4) if order else layer.pen_mm) * zoom))
        for stroke in layer.strokes():
            if upto is not None and done >= upto:
                return image.resize((max(1, size[0] // TWICE), max(1, size[1] // TWICE)), Image.Resampling.BOX)
            line = [tuple(p) for p in (stroke * zoom).tolist()]
            if order:
                pen.line([tuple((at * zoom).tolist()), line[0]], fill=(190, 190, 190), width=max(1, round(0.12 * zoom)))
            colour = _shade(done / total) if order else layer.colour
            pen.line(line, fill=colour, width=width, joint="curve")
            for x, y in (line[0], line[-1]):
                r = width / 2
                pen.ellipse([x - r, y - r, x + r, y + r], fill=colour)
            at = stroke[-1]
            done += 1
    return image.resize((max(1, size[0] // TWICE), max(1, size[1] // TWICE)), Image.Resampling.BOX)


def save(drawing: Drawing, out: Path) -> None:
    """preview.png, the ink beside the order, and preview.gif, how the drawing grows."""
    from PIL import Image

    dots = min(6.0, 1600 / max(drawing.width, drawing.height))
    ink, order = page(drawing, dots), page(drawing, dots, order=True)
    both = Image.new("RGB", (ink.width * 2 + 8, ink.height), (120, 120, 120))
    both.paste(ink, (0, 0))
    both.paste(order, (ink.width + 8, 0))
    both.save(out / "preview.png")
    small = 480 / max(drawing.width, drawing.height)
    steps = np.unique(np.linspace(0, drawing.count, FRAMES).round().astype(int))
    frames = [page(drawing, small, upto=int(k)).quantize(16) for k in steps]
    frames[0].save(out / "preview.gif", save_all=True, append_images=frames[1:] + frames[-1:] * 8, duration=90, loop=0)


def _shade(share: float) -> tuple[int, int, int]:
    """Blue through green and yellow to red."""
    stops = np.array([[30, 60, 200], [0, 150, 150], [60, 160, 40], [220, 150, 0], [200, 30, 30]], float)
    at = min(share, 0.9999) * (len(stops) - 1)
    k = int(at)
    return tuple(int(v) for v in stops[k] + (stops[k + 1] - stops[k]) * (at - k))  # pyright: ignore[reportReturnType]
