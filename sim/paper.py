"""A sheet of paper and the ink on it, in page millimetres (embodied/draw/sheet.py), and a pen that is not always perfect.

The ink is an array, not a texture: TinyRenderer keeps a texture as it was loaded. A camera's picture gets it by the sheet's
pixels (sim/draw.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FINE = 12  # px a mm that ink is laid at


@dataclass(frozen=True)
class Trouble:
    """What goes wrong. dry: share of the line on which the pen gives no ink, in stretches of dry_mm; slip_mm, slip_deg: the sheet
    slips once, so far, at a moment drawn from the first half of slip_within_s; vary: how much the line's width varies, a share."""

    dry: float = 0.0
    dry_mm: float = 12.0
    slip_mm: float = 0.0
    slip_deg: float = 0.0
    slip_within_s: float = 60.0
    vary: float = 0.0


class Pen:
    """width_mm of the line; what it leaves at each point of its way."""

    def __init__(self, width_mm: float, trouble: Trouble, rng: np.random.Generator) -> None:
        self.width_mm, self.trouble, self._rng = width_mm, trouble, rng
        self._left = self._span(False)
        self._dry = False
        self._way = 0.0
        self._waves = rng.uniform(0, 2 * np.pi, 3), rng.uniform(1 / 400, 1 / 60, 3)

    def _span(self, dry: bool) -> float:
        share, length = self.trouble.dry, self.trouble.dry_mm
        if share <= 0:
            return np.inf
        return float(self._rng.exponential(length if dry else length * (1 - share) / share))

    def moved(self, way_mm: float) -> float:
        """The line's width, mm, after another stretch of way on the paper; 0 where no ink comes."""
        self._way += way_mm
        self._left -= way_mm
        while self._left <= 0:
            self._dry = not self._dry
            self._left += self._span(self._dry)
        phase, rate = self._waves
        wave = float(np.sin(phase + 2 * np.pi * rate * self._way).sum() / 3)
        return 0.0 if self._dry else self.width_mm * (1 + self.trouble.vary * wave)


class Paper:
    """size: (width, height) mm. colours: #rrggbb of the pens. Ink is kept as stretches, laid on the array when somebody looks."""

    def __init__(self, size: tuple[float, float], colours: Sequence[str] = ("#000000",)) -> None:
        self.size, self.colours = size, colours
        self.stretches: list[tuple[float, float, float, float, float, float]] = []  # x y x y width, mm, and which pen
        light = np.array([[int(one[k : k + 2], 16) for k in (1, 3, 5)] for one in colours], np.uint8)
        self._taken = 255 - (light if np.ptp(light, 1).any() else light[:, :1])  # of the light, by each pen's ink
        self._laid = 0
        self._fine: NDArray[np.uint8] = np.zeros((0, 0, 1), np.uint8)
        self._coarse: dict[int, tuple[int, NDArray[np.float32]]] = {}

    def add(self, a: NDArray[np.floating], b: NDArray[np.floating], width_mm: float, pen: int = 0) -> None:
        self.stretches.append((float(a[0]), float(a[1]), float(b[0]), float(b[1]), width_mm, float(pen)))

    def ink(self, per_mm: int) -> NDArray[np.float32]:
        """(H, W, c) share of the light that the ink takes, 0 to 1; c is 1 where all inks are grey, else red, green, blue. per_mm
        divides FINE."""
        from PIL import Image, ImageDraw

        known = self._coarse.get(per_mm)
        if known is not None and known[0] == len(self.stretches):
            return known[1]
        channels = self._taken.shape[1]
        if not self._fine.size:
            self._fine = np.zeros((round(self.size[1] * FINE), round(self.size[0] * FINE), channels), np.uint8)
        if self._laid < len(self.stretches):
            image = Image.fromarray(self._fine[..., 0] if channels == 1 else self._fine)
            pen = ImageDraw.Draw(image)
            for x0, y0, x1, y1, width, which in self.stretches[self._laid :]:
                r, taken = width * FINE / 2, self._taken[int(which)].tolist()
                fill = taken[0] if channels == 1 else tuple(taken)
                pen.line([x0 * FINE, y0 * FINE, x1 * FINE, y1 * FINE], fill=fill, width=max(1, round(2 * r)))
                pen.ellipse([x1 * FINE - r, y1 * FINE - r, x1 * FINE + r, y1 * FINE + r], fill=fill)
            self._fine = np.asarray(image).reshape(*self._fine.shape).copy()
            self._laid = len(self.stretches)
        k = FINE // per_mm
        rows, cols = self._fine.shape[0] // k, self._fine.shape[1] // k
        whole = self._fine[: rows * k, : cols * k].reshape(rows, k, cols, k, channels)
        out = whole.mean((1, 3), dtype=np.float32) / 255
        self._coarse[per_mm] = len(self.stretches), out
        return out
