"""A scene as a camera shows it: a finder's detections in the colour picture become object vectors. No fact of the simulator
goes in.

A detection tells a colour, a point of the picture and whether the thing lies on another. The lowest cube of a tower stands on the
table, so its point gives its place; those above it stand over it. Edges are taken to be those of a middling cube.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embodied import geometry
from embodied.listing import Found, lies
from embodied.plan import SHAPES
from embodied.spec import CameraSpec
from sim.randomise import RGB
from sim.tamp.physics import Arm
from sim.tamp.scene import EDGE, LABELS, Scene

MIDDLING = sum(EDGE) / 2  # m
NEAR_M = (
    0.03  # a detection and a cube are the same when they stand no farther apart, flat, and have one colour or are alone
)


def vectors_of(found: Sequence[Found], camera: CameraSpec) -> list[tuple[str, NDArray[np.float32]]]:
    """(colour, vector as sim.tamp.scene.Cube.vector) of each cube that is seen. Of one colour the surest counts."""
    blocks: dict[str, Found] = {}
    for one in found:  # the surest first
        if one.name.split()[1] in SHAPES and not any(_one_cube(one, other, camera) for other in blocks.values()):
            blocks.setdefault(one.name.split()[0], one)
    below = {name: where.split(" ", 1)[1] for name, where in lies(blocks.values()).items() if where.startswith("on ")}
    named = {one.name: one for one in blocks.values()}
    placed: dict[str, NDArray[np.float64]] = {}

    def place(name: str, met: tuple[str, ...] = ()) -> NDArray[np.float64]:
        if name not in placed:
            under = below.get(name, "")
            if under in named and under not in met:
                placed[name] = place(under, (*met, name)) + [0, 0, MIDDLING]
            else:
                at = geometry.on_plane(camera, camera.parent_from_cam, named[name].point, MIDDLING)
                placed[name] = np.array([*np.asarray(at)[:2], MIDDLING / 2])
        return placed[name]

    out = []
    for colour, one in blocks.items():
        at = place(one.name)
        vector = [*at, 0.0, 1.0, MIDDLING, MIDDLING, MIDDLING, *RGB[colour]]
        out.append((colour, np.array(vector, np.float32)))
    return out


def _one_cube(one: Found, other: Found, camera: CameraSpec) -> bool:
    """Whether two tops are seen nearer to each other than the smallest cube is high: then they are one cube's top and side."""
    foot = np.asarray(geometry.on_plane(camera, camera.parent_from_cam, other.point, MIDDLING))
    ends = np.stack([foot, foot + [0, 0, EDGE[0]]])
    u, v, _ = geometry.project(camera, camera.parent_from_cam, ends).T
    shape = np.array([camera.width, camera.height])
    apart = np.linalg.norm((np.array([one.point.u - other.point.u, one.point.v - other.point.v])) * shape)
    return bool(apart < 0.7 * np.hypot((u[1] - u[0]) * shape[0], (v[1] - v[0]) * shape[1]))


class Eye:
    """Looks at scenes through the front camera. weights: whose finder."""

    def __init__(self, weights: str = "cubes") -> None:
        import torch

        from embodied.model.finders import finder

        self.arm = Arm(("front",))
        self._torch = torch
        self.finder: Any = finder(weights)

    def look(self, scene: Scene, seed: int) -> list[tuple[str, NDArray[np.float32]]]:
        """Lay the table in the simulator, in the seed's light and colours, and find what is there."""
        self.arm.lay(scene, seed)
        obs = self.arm.body.observe()
        image = self._torch.from_numpy(np.ascontiguousarray(obs.images["front"]))[None]
        return vectors_of(self.finder.find("front", image, None), self.arm.body.spec.cameras["front"])


def entities(seen: Sequence[tuple[str, NDArray[np.float32]]], scene: Scene) -> list[int]:
    """Labels of the detections, so that <obj_j> means the same to who asks and to who answers: each takes that of the nearest
    cube, and what is no cube takes a label that is free. A cube that is not found has no entity, and questions about it fail."""
    costs = sorted(
        (float(np.linalg.norm(np.subtract(vector[:3], cube.position)) + 0.02 * (colour != cube.colour)), k, cube.label)
        for k, (colour, vector) in enumerate(seen)
        for cube in scene
    )
    out, used = dict[int, int](), set[int]()
    for far, k, label in costs:
        if far < 2 * NEAR_M and k not in out and label not in used:
            out[k] = label
            used.add(label)
    free = [
        label for label in range(1, LABELS + 1) if label not in used and label not in {cube.label for cube in scene}
    ]
    for k in range(len(seen)):
        if k not in out:
            out[k] = free.pop(0) if free else 0
    return [out[k] for k in range(len(seen))]
