"""Areas wider than the pen: their outline half a pen inside, then hatching, or outline after outline to the middle.

What is too thin for an outline on each side is a line (embodied/draw/trace.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

STYLES = ("hatch", "concentric")
SPACING = 0.97  # of a pen between neighbouring lines: a hair of overlap hides a pen's wobble
SMOOTH = 0.12  # px that an outline may be simplified by


def thick(ink: np.ndarray, pen: float) -> np.ndarray:
    """(H, W) bool: ink where a disc somewhat wider than a pen fits in."""
    from scipy.ndimage import distance_transform_edt

    dark = ink > 0.5
    radius = 0.8 * pen
    core = np.asarray(distance_transform_edt(np.pad(dark, 1)))[1:-1, 1:-1] > radius + 0.5
    if not core.any():
        return core
    return dark & (np.asarray(distance_transform_edt(~core)) < radius + 0.5)


def areas(ink: np.ndarray, inside: np.ndarray) -> list[Any]:
    """Polygons (shapely) of the ink (H, W) inside a mask, finer than a pixel."""
    from scipy.ndimage import binary_dilation
    from shapely.geometry import Polygon
    from shapely.ops import unary_union
    from skimage.measure import find_contours

    held = np.where(binary_dilation(inside, np.ones((3, 3))), ink, 0)
    rings = [ring[:, ::-1] - 0.5 for ring in find_contours(np.pad(held, 1), 0.5)]
    shapes = [Polygon(ring).buffer(0) for ring in rings if len(ring) > 3]
    shapes.sort(key=lambda shape: -shape.area)
    out: Any = Polygon()
    for shape in shapes:  # a ring inside another is a hole, one inside that is an island
        out = out.symmetric_difference(shape)
    return list(_polygons(unary_union(out)))


def filled(
    area: Any, pen: float, style: str = "hatch", angle: float = 45.0, spacing: float = SPACING
) -> list[np.ndarray]:
    """Strokes that cover a polygon with a round pen: style hatch or concentric; angle of hatching in degrees."""
    inset = area.buffer(-pen / 2, join_style="mitre", mitre_limit=2.0)
    out = [stroke for shape in _polygons(inset) for stroke in _outline(shape)]
    step = pen * spacing
    if style == "concentric":
        inner = inset
        while not inner.is_empty:
            smaller = inner.buffer(-step, join_style="mitre", mitre_limit=2.0)
            out += [stroke for shape in _polygons(smaller) for stroke in _outline(shape)]
            missed = inner.buffer(-step / 2).difference(smaller.buffer(step / 2))
            out += [line for shape in _polygons(missed) if (line := _middle(shape, pen)) is not None]
            inner = smaller
        return out
    return out + hatched(inset.buffer(-step / 2, join_style="mitre", mitre_limit=2.0), step, angle)


def hatched(area: Any, step: float, angle: float) -> list[np.ndarray]:
    """Parallel lines step apart inside a (multi)polygon, each joined to its neighbour where the way along stays inside."""
    from shapely import affinity, prepared
    from shapely.geometry import LineString, MultiLineString

    if area.is_empty:
        return []
    turned = affinity.rotate(area, -angle, origin=(0, 0))
    low_x, low_y, high_x, high_y = turned.bounds
    count = max(1, round((high_y - low_y) / step))
    ys = low_y + (np.arange(count) + 0.5) * (high_y - low_y) / count
    rows = MultiLineString([[(low_x - 1, y), (high_x + 1, y)] for y in ys]).intersection(turned)
    by_row: dict[float, list[tuple[float, float]]] = {}
    for line in getattr(rows, "geoms", [rows]):
        if line.geom_type == "LineString" and len(line.coords) > 1:
            (x0, y), (x1, _) = line.coords[0], line.coords[-1]
            by_row.setdefault(round(y, 6), []).append((min(x0, x1), max(x0, x1)))
    near = prepared.prep(turned.buffer(0.6 * step))
    open_: list[list[tuple[float, float]]] = []
    done: list[list[tuple[float, float]]] = []
    for y in sorted(by_row):
        fresh = []
        for x0, x1 in sorted(by_row[y]):
            best = None
            for path in open_:
                x, before = path[-1]
                end = x0 if abs(x - x0) < abs(x - x1) else x1
                if abs(end - x) < 4 * step and near.contains(LineString([(x, before), (end, y)])):
                    best = (path, end)
                    break
            if best is None:
                fresh.append([(x0, y), (x1, y)])
                continue
            path, end = best
            open_.remove(path)
            path += [(end, y), (x1 if end == x0 else x0, y)]
            fresh.append(path)
        done += open_
        open_ = fresh
    a = np.radians(angle)
    back = np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]])
    return [np.array(path) @ back for path in done + open_]


def _outline(shape: Any) -> Iterator[np.ndarray]:
    for ring in (shape.exterior, *shape.interiors):
        points = np.array(ring.simplify(SMOOTH).coords)
        if len(points) > 3:
            yield points


def _middle(shape: Any, pen: float) -> np.ndarray | None:
    """One line along what lies bare between two outlines, if it is worth a line."""
    if shape.area < 0.15 * pen * pen:
        return None
    box = np.array(shape.minimum_rotated_rectangle.exterior.coords)[:4]
    a, b = box[1] - box[0], box[2] - box[1]
    if np.hypot(*a) < np.hypot(*b):
        a, b = b, a
        box = np.roll(box, -1, 0)
    return np.stack([box[0] + b / 2 + a * 0.02, box[1] + b / 2 - a * 0.02])


def _polygons(shape: Any) -> Iterator[Any]:
    if shape.geom_type == "Polygon":
        if not shape.is_empty:
            yield shape
    else:
        for part in getattr(shape, "geoms", ()):
            yield from _polygons(part)
