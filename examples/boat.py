"""Makes examples/boat.png, a line drawing to try `embodied draw examples/boat.png sim=true` on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SIZE, TIMES, WIDTH = 900, 4, 4  # px, drawn so much larger and reduced, px


def wave(x0: float, x1: float, y: float, high: float, long: float) -> list[tuple[float, float]]:
    x = np.linspace(x0, x1, 400)
    return list(zip(x.tolist(), (y + high * np.sin(2 * np.pi * x / long)).tolist(), strict=True))


def arc(x: float, y: float, rx: float, ry: float, a: float, b: float) -> list[tuple[float, float]]:
    t = np.radians(np.linspace(a, b, 200))
    return list(zip((x + rx * np.cos(t)).tolist(), (y + ry * np.sin(t)).tolist(), strict=True))


def strokes() -> list[list[tuple[float, float]]]:
    out = [
        [(250, 560), (690, 560), (620, 650), (320, 650), (250, 560)],  # hull
        [(460, 560), (460, 170)],  # mast
        [(475, 190), (475, 530), (680, 530), (475, 190)],  # sails
        [(445, 230), (445, 530), (300, 530), (445, 230)],
        [(460, 170), (525, 188), (460, 206)],  # flag
        arc(150, 160, 62, 62, 0, 360),  # sun
        wave(60, 840, 690, 12, 120), wave(110, 800, 735, 12, 120), wave(60, 840, 780, 12, 120),
        [*arc(640, 130, 28, 14, 200, 350), *arc(695, 130, 28, 14, 190, 340)],  # gulls
        [*arc(560, 85, 20, 10, 200, 350), *arc(599, 85, 20, 10, 190, 340)],
        [(300, 590), (640, 590)],
    ]  # fmt: skip
    out += [arc(x, 620, 12, 12, 0, 360) for x in (380, 470, 560)]  # portholes
    for k in range(12):
        a = np.radians(30 * k)
        out.append([(150 + r * np.cos(a), 160 + r * np.sin(a)) for r in (82, 110)])
    return out


if __name__ == "__main__":
    image = Image.new("L", (SIZE * TIMES, SIZE * TIMES), 255)
    pen = ImageDraw.Draw(image)
    for stroke in strokes():
        points = [(x * TIMES, y * TIMES) for x, y in stroke]
        pen.line(points, fill=0, width=WIDTH * TIMES, joint="curve")
        for x, y in (points[0], points[-1]):
            r = WIDTH * TIMES / 2
            pen.ellipse([x - r, y - r, x + r, y + r], fill=0)
    image.resize((SIZE, SIZE), Image.Resampling.BOX).quantize(16).save(Path(__file__).with_suffix(".png"))
