"""Frames of an episode with its plan and grounded points drawn on, for people: numpy and Pillow, nothing of the model.

A frame is the front picture, enlarged, with the plan beside it: done steps ticked, the current one marked, failed ones
crossed. A ring stands at the current step's first grounded point, small dots at its references.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from embodied.plan import located, plain
from embodied.types import Image, Plan, Point

WIDTH, HEIGHT = 640, 384  # px, the picture
PANEL = 320  # px, the text beside it
INK, DIM, GOOD, BAD, NOW = (235, 235, 235), (140, 145, 155), (110, 200, 130), (235, 110, 100), (255, 205, 90)
PAPER = (24, 27, 33)
MARKS = {"todo": "  ", "now": "> ", "done": "+ ", "failed": "x "}


@dataclass
class Caption:
    """What stands beside the picture. status: one of MARKS for each step of the plan. scene: lines of what lies where,
    each with its location, where there is no plan to show."""

    goal: str
    plan: Plan | None = None
    status: list[str] = field(default_factory=list)
    note: str = ""
    t_s: float = 0.0
    scene: str = ""


@lru_cache(maxsize=8)  # Pillow reads the font anew each time
def font(size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size)


def frame(picture: Image, caption: Caption) -> Image:
    """picture (H W 3, uint8, RGB) -> (HEIGHT, WIDTH + PANEL, 3) uint8 with the caption drawn."""
    from PIL import Image as Pictures
    from PIL import ImageDraw

    sheet = Pictures.new("RGB", (WIDTH + PANEL, HEIGHT), PAPER)
    enlarged = Pictures.fromarray(np.asarray(picture)).resize((WIDTH, HEIGHT), Pictures.Resampling.BICUBIC)
    sheet.paste(enlarged, (0, 0))
    draw = ImageDraw.Draw(sheet)
    if caption.plan is not None and not caption.plan.finished:
        _points(draw, caption.plan.current.points)
    for point in located(caption.scene):
        _points(draw, (point,))
    _text(draw, caption)
    return np.asarray(sheet)


def _points(draw: Any, points: tuple[Point, ...]) -> None:
    for index, point in enumerate(points):
        x, y, radius = point.u * WIDTH, point.v * HEIGHT, 13 if index == 0 else 7
        for width, colour in ((5, (0, 0, 0)), (3, NOW)):
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=colour, width=width)


def _text(draw: Any, caption: Caption) -> None:
    x, y, small, large = WIDTH + 14, 12, font(13), font(15)
    for line in textwrap.wrap(caption.goal, 36)[:5]:
        draw.text((x, y), line, INK, large)
        y += 20
    y += 8
    steps = caption.plan.steps if caption.plan else ()
    colours = {"todo": DIM, "now": NOW, "done": GOOD, "failed": BAD}
    now = next((i for i, s in enumerate(caption.status) if s == "now"), 0)
    first = max(0, min(now - 6, len(steps) - 12))  # a long plan scrolls
    for step, status in list(zip(steps, caption.status, strict=False))[first : first + 12]:
        for index, line in enumerate(textwrap.wrap(step.text, 38)):
            draw.text((x, y), (MARKS[status] if index == 0 else "  ") + line, colours[status], small)
            y += 17
    for line in plain(caption.scene).splitlines():
        draw.text((x, y), line, GOOD, small)
        y += 17
    draw.text((x, HEIGHT - 44), caption.note[:44], INK, small)
    draw.text((x, HEIGHT - 24), f"{caption.t_s:6.1f} s", DIM, small)
