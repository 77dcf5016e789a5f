"""A Bullet world: bodies, joints, contacts, pictures. The only file that imports pybullet; every call carries its client id.

Metres, kilograms, radians, quaternions x y z w. Pictures always come from TinyRenderer without shadow: on a CPU it is the
fastest, and its picture is a pure function of the bodies' poses. What costs time there is the number of faces.
"""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embodied.errors import UserError
from embodied.geometry import Matrix, inverse
from embodied.spec import CameraSpec
from sim.png import png
from sim.shapes import Mesh

PHYSICS_HZ = 240
NEAR_M, FAR_M = 0.02, 4.0
FAR_AWAY = (0.0, 0.0, 50.0)


@dataclass(frozen=True)
class Light:
    """direction: towards the light (3,). colour: RGB in [0, 1]. ambient, diffuse, specular: coefficients."""

    direction: tuple[float, float, float] = (0.4, 0.3, 1.0)
    colour: tuple[float, float, float] = (1.0, 1.0, 1.0)
    ambient: float = 0.6
    diffuse: float = 0.4
    specular: float = 0.05


@dataclass(frozen=True)
class Frame:
    """One look of a camera: uint8 H W 3, float32 H W metres along the optical axis, int32 H W body ids (-1: none)."""

    image: NDArray[np.uint8]
    depth: NDArray[np.float32]
    bodies: NDArray[np.int32]


@dataclass(frozen=True)
class Contact:
    """A touch of a body's link by another body. normal: (3,) from the other onto the first; force in newtons."""

    link: int
    other: int
    normal: tuple[float, float, float]
    force: float


class World:
    """One physics client. near_m, far_m: what cameras see between. Raises UserError when pybullet is not installed."""

    def __init__(self, gui: bool = False, near_m: float = NEAR_M, far_m: float = FAR_M) -> None:
        self.near_m, self.far_m = near_m, far_m
        try:
            self._b: Any = _quiet_import("pybullet")
            data = importlib.import_module("pybullet_data")
        except ImportError:
            raise UserError("the simulator needs pybullet; run: pip install 'embodied-planner[sim]'") from None
        self.data = Path(data.getDataPath())
        if gui and sys.platform == "linux" and not os.environ.get("DISPLAY"):
            raise UserError("gui=true needs a screen, and DISPLAY is not set; leave it out: the video shows the same")
        self._id: int = self._b.connect(self._b.GUI if gui else self._b.DIRECT)
        self._c = {"physicsClientId": self._id}
        self._faces: dict[int, int] = {}
        b = self._b
        b.setGravity(0, 0, -9.81, **self._c)
        b.setPhysicsEngineParameter(
            fixedTimeStep=1 / PHYSICS_HZ,
            numSolverIterations=20,
            solverResidualThreshold=0.0,
            deterministicOverlappingPairs=1,
            **self._c,
        )
        if gui:
            b.configureDebugVisualizer(b.COV_ENABLE_GUI, 0, **self._c)

    def close(self) -> None:
        if self._id >= 0:
            self._b.disconnect(**self._c)
            self._id = -1

    def step(self, substeps: int = 1) -> None:
        for _ in range(substeps):
            self._b.stepSimulation(**self._c)

    # --- bodies

    def load_urdf(self, path: Path) -> int:
        """A robot fixed at the origin, drawn by its collision hulls (3.5k faces instead of 100k)."""
        b = self._b
        body = b.loadURDF(str(path), useFixedBase=1, flags=b.URDF_IGNORE_VISUAL_SHAPES, **self._c)
        names = {s[4].decode() for s in b.getVisualShapeData(body, **self._c)}
        self._faces[body] = sum(_faces_of(Path(s[4].decode())) for s in b.getVisualShapeData(body, **self._c))
        assert names
        return body

    def add(
        self,
        look: Mesh,
        hulls: Sequence[tuple[str, tuple[float, ...], tuple[float, ...], float]],
        rgba: tuple[float, float, float, float],
        mass: float = 0.0,
        friction: float = 0.8,
    ) -> int:
        """A body, far away at first. look: what is drawn. hulls: what collides, each ("box", half extents) or
        ("cylinder", (radius, height)), its centre and its yaw; none: a picture that nothing touches. mass 0: static."""
        b = self._b
        shape = -1
        if hulls:
            kinds, half, radii, lengths, centres, turns = [], [], [], [], [], []
            for kind, size, centre, yaw in hulls:
                box = kind == "box"
                kinds.append(b.GEOM_BOX if box else b.GEOM_CYLINDER)
                half.append(list(size) if box else [1, 1, 1])
                radii.append(0.0 if box else size[0])
                lengths.append(0.0 if box else size[1])
                centres.append(list(centre))
                turns.append([0, 0, np.sin(yaw / 2), np.cos(yaw / 2)])
            if len(hulls) == 1:
                extra = {"halfExtents": half[0]} if hulls[0][0] == "box" else {"radius": radii[0], "height": lengths[0]}
                shape = b.createCollisionShape(kinds[0], collisionFramePosition=centres[0], **extra, **self._c)
            else:
                shape = b.createCollisionShapeArray(
                    shapeTypes=kinds,
                    halfExtents=half,
                    radii=radii,
                    lengths=lengths,
                    collisionFramePositions=centres,
                    collisionFrameOrientations=turns,
                    **self._c,
                )
        drawn = b.createVisualShape(
            b.GEOM_MESH,
            vertices=look.vertices.tolist(),
            indices=look.faces.ravel().tolist(),
            normals=look.normals.tolist(),
            uvs=look.uvs.tolist(),
            rgbaColor=rgba,
            specularColor=[0.05, 0.05, 0.05],
            **self._c,
        )
        body = b.createMultiBody(mass, shape, drawn, FAR_AWAY, useMaximalCoordinates=1, **self._c)  # twice as fast
        if hulls:
            # No rolling friction: in Bullet things that stand still would creep by it, 1 cm in 10 s.
            b.changeDynamics(
                body, -1, lateralFriction=friction, spinningFriction=0.002, rollingFriction=0.0,
                linearDamping=0.04, angularDamping=0.1, activationState=b.ACTIVATION_STATE_DISABLE_SLEEPING, **self._c,
            )  # fmt: skip
        self._faces[body] = len(look.faces)
        return body

    def remove(self, body: int) -> None:
        self._b.removeBody(body, **self._c)
        del self._faces[body]

    def faces(self) -> int:
        """Triangles that a picture of everything costs."""
        return sum(self._faces.values())

    def place(self, body: int, position: Sequence[float], quaternion: Sequence[float] = (0, 0, 0, 1)) -> None:
        """Teleport, at rest."""
        self._b.resetBasePositionAndOrientation(body, position, quaternion, **self._c)
        self._b.resetBaseVelocity(body, [0, 0, 0], [0, 0, 0], **self._c)

    def shift(self, body: int, by: Sequence[float]) -> None:
        """Teleport by (3,) metres, as it is turned, at rest."""
        position, quaternion = self._b.getBasePositionAndOrientation(body, **self._c)
        self.place(body, [a + b for a, b in zip(position, by, strict=True)], quaternion)

    def where(self, body: int) -> Matrix:
        """base_from_body, 4 4."""
        position, quaternion = self._b.getBasePositionAndOrientation(body, **self._c)
        return _pose(position, quaternion)

    def up(self, body: int) -> float:
        """The z component of the body's own z axis: 1 upright, 0 on its side."""
        x, y, _, _ = self._b.getBasePositionAndOrientation(body, **self._c)[1]
        return 1.0 - 2.0 * (x * x + y * y)

    def friction(self, body: int, value: float, link: int = -1, spinning: float = 0.002) -> None:
        self._b.changeDynamics(body, link, lateralFriction=value, spinningFriction=spinning, **self._c)

    def roll_friction(self, body: int, value: float) -> None:
        self._b.changeDynamics(body, -1, rollingFriction=value, **self._c)

    def paint(self, body: int, rgba: Sequence[float], texture: int | None = None, link: int = -1) -> None:
        extra = {} if texture is None else {"textureUniqueId": texture}
        self._b.changeVisualShape(body, link, rgbaColor=rgba, **extra, **self._c)

    def texture(self, image: NDArray[np.uint8]) -> int:
        """uint8 H W 3 -> texture id. Bullet reads textures from files only; this one lives until it has been read."""
        handle, name = tempfile.mkstemp(suffix=".png")
        with os.fdopen(handle, "wb") as out:
            out.write(png(image))
        try:
            return int(self._b.loadTexture(name, **self._c))
        finally:
            os.unlink(name)

    # --- joints

    def joints(self, body: int) -> dict[str, int]:
        """Joint name -> index."""
        b = self._b
        return {b.getJointInfo(body, k, **self._c)[1].decode(): k for k in range(b.getNumJoints(body, **self._c))}

    def links(self, body: int) -> dict[str, int]:
        """Link name -> index."""
        b = self._b
        return {b.getJointInfo(body, k, **self._c)[12].decode(): k for k in range(b.getNumJoints(body, **self._c))}

    def set_joint(self, body: int, joint: int, value: float) -> None:
        """Teleport one joint, at rest, its motor off."""
        b = self._b
        b.resetJointState(body, joint, value, 0.0, **self._c)
        b.setJointMotorControl2(body, joint, b.VELOCITY_CONTROL, targetVelocity=0, force=0, **self._c)

    def limit_speed(self, body: int, speed: float) -> None:
        """No joint of the body moves faster, whatever pushes it (Bullet keeps one limit per body)."""
        self._b.changeDynamics(body, 0, maxJointVelocity=speed, **self._c)

    def drive(
        self, body: int, joints: Sequence[int], targets: Sequence[float], forces: Sequence[float], gain: float,
        speeds: Sequence[float] | None = None,
    ) -> None:  # fmt: skip
        """Position motors of several joints; gain: part of the error that one substep removes; speeds: rad/s that the targets
        move with."""
        b = self._b
        extra = {} if speeds is None else {"targetVelocities": speeds}
        b.setJointMotorControlArray(
            body, joints, b.POSITION_CONTROL, targetPositions=targets, forces=forces,
            positionGains=[gain] * len(joints), velocityGains=[1.0] * len(joints), **extra, **self._c,
        )  # fmt: skip

    def mirror(self, body: int, left: int, right: int, force: float) -> None:
        """Make two sliding fingers keep equal openings."""
        b = self._b
        gear = b.createConstraint(
            body, left, body, right, jointType=b.JOINT_GEAR, jointAxis=[1, 0, 0],
            parentFramePosition=[0, 0, 0], childFramePosition=[0, 0, 0], **self._c,
        )  # fmt: skip
        b.changeConstraint(gear, gearRatio=-1, erp=0.1, maxForce=force, **self._c)

    def joint_states(self, body: int, joints: Sequence[int]) -> tuple[list[float], list[float]]:
        """positions and motor forces."""
        rows = self._b.getJointStates(body, joints, **self._c)
        return [row[0] for row in rows], [row[3] for row in rows]

    def link_pose(self, body: int, link: int) -> Matrix:
        """base_from_link, 4 4."""
        state = self._b.getLinkState(body, link, computeForwardKinematics=1, **self._c)
        return _pose(state[4], state[5])

    def contacts(self, body: int, other: int | None = None) -> list[Contact]:
        extra = {} if other is None else {"bodyB": other}
        rows = self._b.getContactPoints(bodyA=body, **extra, **self._c)
        return [Contact(int(r[3]), int(r[2]), r[7], float(r[9])) for r in rows or ()]

    def distance(self, body: int, other: int, reach_m: float) -> float:
        """Between the hulls of two bodies, m, negative when they overlap; reach_m when they are farther apart. Also for
        bodies that physics does not move, which have no contacts."""
        rows = self._b.getClosestPoints(body, other, reach_m, **self._c)
        return min((float(r[8]) for r in rows or ()), default=reach_m)

    # --- pictures

    def rays(self, start: NDArray[np.float64], ends: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,) free share of the way from start (3,) to each of ends (n, 3), at most 16,384; 1 where no hull is hit."""
        hits = self._b.rayTestBatch([start.tolist()] * len(ends), ends.tolist(), **self._c)
        return np.array([hit[2] for hit in hits])

    def look(self, camera: CameraSpec, base_from_cam: Matrix, light: Light) -> Frame:
        """What the camera sees now."""
        b = self._b
        w, h = camera.width, camera.height
        view = np.diag([1.0, -1.0, -1.0, 1.0]) @ inverse(base_from_cam)  # optical frame -> OpenGL's
        # TinyRenderer samples a pixel at its lower left corner; half a pixel makes it the middle (measured: depth of the
        # table then deprojects to z = 0 exactly).
        projection = np.zeros((4, 4))
        projection[0, 0], projection[0, 2] = 2 * camera.fx / w, 1 - 2 * (camera.cx - 0.5) / w
        projection[1, 1], projection[1, 2] = 2 * camera.fy / h, 2 * (camera.cy + 0.5) / h - 1
        near, far = self.near_m, self.far_m
        projection[2, 2:] = (far + near) / (near - far), 2 * far * near / (near - far)
        projection[3, 2] = -1
        _, _, rgba, buffer, mask = b.getCameraImage(
            w, h, view.T.ravel().tolist(), projection.T.ravel().tolist(),
            lightDirection=light.direction, lightColor=light.colour, lightDistance=2.0, shadow=0,
            lightAmbientCoeff=light.ambient, lightDiffuseCoeff=light.diffuse, lightSpecularCoeff=light.specular,
            renderer=b.ER_TINY_RENDERER, **self._c,
        )  # fmt: skip
        image = np.ascontiguousarray(np.reshape(rgba, (h, w, 4))[..., :3], dtype=np.uint8)
        buffer = np.reshape(buffer, (h, w)).astype(np.float32)
        depth = (far * near / (far - (far - near) * buffer)).astype(np.float32)
        return Frame(image, depth, np.reshape(mask, (h, w)).astype(np.int32))


def _pose(position: Sequence[float], quaternion: Sequence[float]) -> Matrix:
    """embodied.geometry.pose for a quaternion that is known to be unit, in a quarter of the time."""
    x, y, z, w = quaternion
    px, py, pz = position
    return np.array(
        (
            (1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w), px),
            (2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w), py),
            (2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y), pz),
            (0.0, 0.0, 0.0, 1.0),
        )
    )


def _quiet_import(name: str) -> Any:
    """import, without the line that pybullet's binary writes to stderr."""
    if name in sys.modules:
        return sys.modules[name]
    sys.stderr.flush()
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        return importlib.import_module(name)
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


def _faces_of(path: Path) -> int:
    """Triangles of a Wavefront file."""
    if path.suffix.lower() != ".obj":
        return 0
    return sum(len(line.split()) - 3 for line in path.read_text().splitlines() if line.startswith("f "))
