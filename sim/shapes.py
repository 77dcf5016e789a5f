"""What things look like and what of them collides: few faces, made by arithmetic. Metres; centred on the thing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SIDES = 16
BOWL_WALL_M = 0.006
BOWL_FLOOR_M = 0.004
Hull = tuple[str, tuple[float, ...], tuple[float, ...], float]


@dataclass(frozen=True)
class Mesh:
    """vertices (n, 3), normals (n, 3), uvs (n, 2), faces (m, 3) of vertex indices, anticlockwise from outside."""

    vertices: NDArray[np.float64]
    normals: NDArray[np.float64]
    uvs: NDArray[np.float64]
    faces: NDArray[np.int64]


def _quads(rows: list[NDArray[np.float64]]) -> Mesh:
    """Flat four-cornered patches (k, 4, 3), anticlockwise from outside; three-cornered where the last two corners agree."""
    patches = np.concatenate(rows)
    flat = np.cross(patches[:, 1] - patches[:, 0], patches[:, 2] - patches[:, 0])
    normals = flat / np.linalg.norm(flat, axis=1, keepdims=True)
    first = np.arange(len(patches))[:, None] * 4
    both = np.stack([first + [0, 1, 2], first + [0, 2, 3]], axis=1).reshape(-1, 3)
    corners = patches.reshape(-1, 3)
    thin = np.linalg.norm(corners[both[:, 1]] - corners[both[:, 2]], axis=1) < 1e-9
    uvs = np.tile([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]], (len(patches), 1))
    return Mesh(corners, np.repeat(normals, 4, axis=0), uvs, both[~thin])


def _ring(radius: float, z: float, sides: int = SIDES) -> NDArray[np.float64]:
    """sides + 1 points of a circle, the first again at the end."""
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), np.full(sides + 1, z)], axis=1)


def _band(low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.float64]:
    """Patches between two rings, seen from the right of the way low -> high (outside when low is below)."""
    return np.stack([low[:-1], low[1:], high[1:], high[:-1]], axis=1)


def box_mesh(size: Sequence[float]) -> Mesh:
    """12 faces; every side carries the whole texture."""
    x, y, z = np.asarray(size, float) / 2
    ground = np.array([[-x, -y], [x, -y], [x, y], [-x, y], [-x, -y]])
    low, high = (np.column_stack([ground, np.full(5, h)]) for h in (-z, z))
    return _quads([_band(low, high), high[None, :4], low[None, 3::-1]])


def cylinder_mesh(diameter: float, height: float) -> Mesh:
    low, high = _ring(diameter / 2, -height / 2), _ring(diameter / 2, height / 2)
    tip = _ring(0.0, height / 2)
    under = _ring(0.0, -height / 2)
    mesh = _quads([_band(low, high), _band(high, tip), _band(under, low)[:, [0, 1, 2, 3]][:, [2, 3, 0, 1]]])
    normals = mesh.normals.copy()
    sides = slice(0, 4 * SIDES)
    normals[sides] = mesh.vertices[sides] * [1, 1, 0] / (diameter / 2)  # round, not faceted
    return Mesh(mesh.vertices, normals, mesh.uvs, mesh.faces)


def bowl_mesh(diameter: float, height: float) -> Mesh:
    """diameter: inside. Outer wall, rim, inner wall, floor."""
    inside, outside = diameter / 2, diameter / 2 + BOWL_WALL_M
    floor, low, high = -height / 2 + BOWL_FLOOR_M, -height / 2, height / 2
    return _quads(
        [
            _band(_ring(outside, low), _ring(outside, high)),
            _band(_ring(outside, high), _ring(inside, high)),
            _band(_ring(inside, high), _ring(inside, floor)),
            _band(_ring(inside, floor), _ring(0.0, floor)),
        ]
    )


def disc_mesh(diameter: float, height: float) -> Mesh:
    """Only the upper side: it lies on the table."""
    return _quads([_band(_ring(diameter / 2, height / 2, 24), _ring(0.0, height / 2, 24))])


def ground_mesh(height: float) -> Mesh:
    """The table's top as one triangle that both cameras cannot look past: in TinyRenderer a face costs the pixels of the
    rectangle around it, so that one face is a third cheaper than two. height: of its plane over the body's centre."""
    vertices = np.array([[-2.5, -7.0, height], [1.4, 0.0, height], [-2.5, 7.0, height]])
    uvs = (vertices[:, :2] - vertices[0, :2]) / 1.5  # one texture is 1.5 m wide
    return Mesh(vertices, np.tile([0.0, 0.0, 1.0], (3, 1)), uvs, np.array([[0, 1, 2]]))


def mesh_of(shape: str, size: Sequence[float]) -> Mesh:
    """shape: one of embodied.plan.SHAPES and PLACES. size: full extents (3,)."""
    if shape == "cylinder":
        return cylinder_mesh(size[0], size[2])
    if shape == "bowl":
        return bowl_mesh(size[0], size[2])
    if shape == "zone":
        return disc_mesh(size[0], size[2])
    return box_mesh(size)


def hulls_of(shape: str, size: Sequence[float]) -> list[Hull]:
    """What collides. A bowl is a ring of boxes on a floor; a zone is only paint."""
    if shape == "zone":
        return []
    if shape == "cylinder":
        return [("cylinder", (size[0] / 2, size[2]), (0.0, 0.0, 0.0), 0.0)]
    if shape != "bowl":
        return [("box", tuple(s / 2 for s in size), (0.0, 0.0, 0.0), 0.0)]
    radius, sides = size[0] / 2 + BOWL_WALL_M / 2, 12
    floor = (radius, radius, BOWL_FLOOR_M / 2)
    hulls: list[Hull] = [("box", (floor[0] * 0.7, floor[1] * 0.7, floor[2]), (0.0, 0.0, (BOWL_FLOOR_M - size[2]) / 2), yaw)
                         for yaw in (0.0, np.pi / 4)]  # fmt: skip
    half = (BOWL_WALL_M / 2, radius * np.tan(np.pi / sides), size[2] / 2)
    for angle in np.arange(sides) * 2 * np.pi / sides:
        hulls.append(("box", half, (radius * np.cos(angle), radius * np.sin(angle), 0.0), float(angle)))
    return hulls
