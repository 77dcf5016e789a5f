"""A drawing: strokes on a page, in millimetres, one layer a pen; and how a picture is laid on a page."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from embodied.draw.bezier import flattened
from embodied.errors import UserError

PAGES = {
    "A3": (297.0, 420.0),
    "A4": (210.0, 297.0),
    "A5": (148.0, 210.0),
    "A6": (105.0, 148.0),
    "letter": (215.9, 279.4),
}
LARGEST_MM = 2000.0
STEP_MM = 0.2  # between points of a curve made a line


@dataclass
class Layer:
    """What one pen draws: colour #rrggbb, its width mm, and curves (m, 4, 2) mm in drawing order; x right, y down, from the page's
    top left corner."""

    colour: str
    pen_mm: float
    curves: list[np.ndarray] = field(default_factory=list)

    def strokes(self, step: float = STEP_MM) -> list[np.ndarray]:
        """The curves as lines (n, 2) mm."""
        return [flattened(curve, step) for curve in self.curves]


@dataclass
class Drawing:
    """width and height of the page, mm, and its layers in drawing order."""

    width: float
    height: float
    layers: list[Layer]

    @property
    def count(self) -> int:
        return sum(len(layer.curves) for layer in self.layers)


@dataclass(frozen=True)
class Placement:
    """Where a picture lies on its page: page size mm; scale, px a mm; rotated by 90 degrees or not; top left corner, mm."""

    width: float
    height: float
    scale: float
    turned: bool
    left: float
    top: float
    picture: tuple[float, float]  # its width and height, px

    def on_page(self, curve: np.ndarray) -> np.ndarray:
        """Points (..., 2) px -> mm."""
        if self.turned:
            curve = np.stack([self.picture[1] - curve[..., 1], curve[..., 0]], -1)
        return curve / self.scale + [self.left, self.top]


def placed(
    size: tuple[float, float], page: str = "A4", scale: Any = "fit", margin_mm: float = 10.0, rotate: str = "auto"
) -> Placement:
    """size: of the picture, px. page: a name of PAGES, WxH in mm, or image, which is as large as the picture. scale: fit, or px a
    mm. rotate: 0, 90, or auto, which turns a picture that then comes out larger."""
    width, height = size
    wanted = _scale(scale)
    if str(rotate) not in ("auto", "0", "90"):
        raise UserError(f"unknown rotate {rotate!r}; choose from auto, 0, 90")
    if page == "image":
        per_mm = wanted or 6.0
        return Placement(width / per_mm, height / per_mm, per_mm, False, 0.0, 0.0, size)
    across, down = _page(page)
    if margin_mm < 0:
        raise UserError(f"margin_mm {margin_mm:g} is negative; give 0 or more")
    inner = across - 2 * margin_mm, down - 2 * margin_mm
    if min(inner) <= 0:
        raise UserError(
            f"the page {page} is smaller than its margins of {margin_mm:g} mm; lower margin_mm or take a larger page"
        )
    fits = [max(width / inner[0], height / inner[1]), max(height / inner[0], width / inner[1])]
    turned = str(rotate) == "90" or (str(rotate) == "auto" and not wanted and fits[1] < fits[0] * 0.999)
    per_mm = wanted or fits[turned]
    if wanted and wanted < fits[turned] * 0.999:
        raise UserError(
            f"at {wanted:g} px a mm the picture is {width / wanted:.0f}x{height / wanted:.0f} mm, which does not fit page {page} "
            f"inside its margins; give scale=fit or at least {fits[turned]:.3g}"
        )
    w, h = (height, width) if turned else (width, height)
    return Placement(across, down, per_mm, turned, (across - w / per_mm) / 2, (down - h / per_mm) / 2, size)


def _scale(scale: Any) -> float:
    """px a mm, or 0 for fit."""
    if str(scale) == "fit":
        return 0.0
    try:
        value = float(scale)
    except ValueError:
        value = -1.0
    if not 0 < value < 1e4:
        raise UserError(
            f"scale {scale!r} is neither fit nor a number of px a mm; give scale=fit or, for example, scale=6"
        )
    return value


def _page(page: str) -> tuple[float, float]:
    for name, size in PAGES.items():
        if page.lower() == name.lower():
            return size
        if page.lower() == f"{name.lower()}-landscape":
            return size[1], size[0]
    found = re.fullmatch(r"(\d+(?:\.\d+)?)x(\d+(?:\.\d+)?)", page)
    size = tuple(map(float, found.groups())) if found else (0.0, 0.0)
    if not 0 < min(size) <= max(size) <= LARGEST_MM:
        names = ", ".join(PAGES)
        raise UserError(f"unknown page {page!r}; choose from {names}, image, or give WxH in mm up to {LARGEST_MM:g}")
    return size[0], size[1]
