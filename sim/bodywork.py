"""Shapes of what stands and drives on the road: cars with their lamps, people, the field around."""

from __future__ import annotations

import numpy as np

from sim import car as cars
from sim import road as roads
from sim.shapes import Mesh, box_mesh, cylinder_mesh


def hull() -> tuple[str, tuple[float, ...], tuple[float, ...], float]:
    half = (cars.LENGTH_M / 2, cars.WIDTH_M / 2, cars.HEIGHT_M / 2)
    return ("box", half, (cars.LENGTH_M / 2 - cars.REAR_M, 0.0, cars.HEIGHT_M / 2 + 0.1), 0.0)


def _moved(mesh: Mesh, by: tuple[float, float, float]) -> Mesh:
    return Mesh(mesh.vertices + np.array(by), mesh.normals, mesh.uvs, mesh.faces)


def saloon() -> Mesh:
    """A body and a cabin."""
    ahead = cars.LENGTH_M / 2 - cars.REAR_M
    low = _moved(box_mesh((cars.LENGTH_M, cars.WIDTH_M, 0.75)), (ahead, 0.0, 0.60))
    high = _moved(box_mesh((2.3, 1.5, 0.55)), (ahead - 0.25, 0.0, 1.25))
    return roads.joined([low, high])


def lamps() -> Mesh:
    """The brake lights: a pair at the bumper and one below the rear window."""
    wide = cars.WIDTH_M / 2 - 0.25
    spots = ((0.44, 0.20, wide, 0.80), (0.44, 0.20, -wide, 0.80), (0.60, 0.10, 0.0, 0.95))  # width, height, left, up
    return roads.joined([_moved(box_mesh((0.04, w, h)), (-0.01 - cars.REAR_M, y, z)) for w, h, y, z in spots])


def walker() -> Mesh:
    legs = _moved(box_mesh((0.30, 0.36, 0.85)), (0.0, 0.0, 0.43))
    trunk = _moved(box_mesh((0.34, 0.50, 0.62)), (0.0, 0.0, 1.16))
    return roads.joined([legs, trunk, _moved(cylinder_mesh(0.24, 0.26), (0.0, 0.0, 1.60))])


def field() -> Mesh:
    """The ground in front of the car, two faces that follow it: TinyRenderer pays for what lies behind the camera too."""
    corners = np.array([[-6.0, -8.0], [175.0, -190.0], [175.0, 190.0], [-6.0, 8.0]])
    return roads.flat(corners, np.array([[0, 1, 2], [0, 2, 3]]), 0.0)
