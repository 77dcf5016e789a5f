"""From a depth picture and a grounded point to the local geometry of what is there.

The point only says which thing is meant and may be off by 2.5 cm; the depth says where it is. A thing is found as a
patch of pixels at one height (its top face; the oblique camera also sees its side, where every picture row has another
height), a bowl by its rim, a place on the table by the point's ray and what stands around it. Frames: robot base, metres.

Without a depth picture the point's ray is met with the plane z = FALLBACK_TOP: good to a finger's width, no more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embodied import geometry
from embodied.errors import UserError
from embodied.spec import BodySpec, CameraSpec
from embodied.types import Observation, Point, Step
from policies import places
from policies.skills import Job, Target

CAMERA = "front"
FALLBACK_TOP = 0.04  # m
LOW = 0.012  # m, below this is table
LEVEL = 0.004  # m, within which the heights of one top face lie
FLAT = 0.0025  # m, neighbouring pixels of one top face differ less
SMALLEST = 6e-4  # m2, smaller level patches are ledges or rims
BOWL_RADIUS, BOWL_WALL, BOWL_RIM = 0.068, 0.006, 0.045  # m, of the middle of a bowl's wall; its thickness; its height
SNAP = 0.06  # m, farthest thing that a point may mean
REGION = ((0.33, 0.76), (-0.36, 0.36), (-0.05, 0.30))  # m, x y z; what is outside is robot or room
HEIGHTS = {"brick": 0.0375, "cylinder": 0.045}  # m, middle of the range; a block is as high as wide

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Patch:
    """A level patch: a thing's top face. pixels: (n, 3) points. area: m2."""

    pixels: Points
    height: float
    area: float

    @property
    def centre(self) -> NDArray[np.float64]:
        return self.pixels[:, :2].mean(axis=0)


class Table:
    """What one depth picture shows of the table: H W 3 points, the level patches, and all that stands."""

    def __init__(self, camera: CameraSpec, depth: NDArray[np.floating]) -> None:
        if camera.parent != "base":
            raise UserError(f"perception needs a camera fixed to the base, not to {camera.parent!r}")
        self.camera = camera
        self.points = geometry.points_of_depth(camera, camera.parent_from_cam, np.asarray(depth, float))
        inside = np.isfinite(self.points).all(axis=-1)
        for axis, (low, high) in enumerate(REGION):
            inside &= (self.points[..., axis] > low) & (self.points[..., axis] < high)
        self.high = inside & (self.points[..., 2] > LOW)
        self.depth = np.asarray(depth, float)
        self.patches = self._level_patches()

    @property
    def standing(self) -> Points:
        """(n, 3) points on all that stands on the table."""
        return self.points[self.high & (self.points[..., 2] > 0.015)]

    def _level_patches(self) -> list[Patch]:
        labels = _connected(self.points[..., 2], self.high).ravel()
        where = np.flatnonzero(labels)
        where = where[np.argsort(labels[where], kind="stable")]
        points, depth, camera = self.points.reshape(-1, 3), self.depth.ravel(), self.camera
        out: list[Patch] = []
        for group in np.split(where, np.flatnonzero(np.diff(labels[where])) + 1):
            group = group[np.argsort(points[group, 2], kind="stable")]
            # A corner may join a top face to the sides below it: the face is where most pixels are of one height.
            while len(group) >= 6:
                heights = points[group, 2]
                ends = np.searchsorted(heights, heights + LEVEL, "right")
                first = int(np.argmax(ends - np.arange(len(group))))
                face = group[first : ends[first]]
                # A pixel's area on a level plane: at this depth across the optical axis, tilted onto the plane.
                rays = points[face] - camera.parent_from_cam[:3, 3]
                slant = (rays @ camera.parent_from_cam[:3, 2]) / np.maximum(1e-6, -rays[:, 2])
                area = float((depth[face] ** 2 * slant).sum() / (camera.fx * camera.fy))
                if area < SMALLEST:
                    break
                out.append(Patch(points[face], float(np.median(points[face, 2])), area))
                group = np.delete(group, slice(first, ends[first]))
        return out

    def ray(self, point: Point, height: float = 0.0) -> NDArray[np.float64]:
        """Where the ray through the point meets the level plane, (2,)."""
        return geometry.on_plane(self.camera, self.camera.parent_from_cam, point, height)[:2]

    def patch_at(self, point: Point) -> Patch | None:
        """The top face whose centre is nearest to the point's ray, taken at the face's own height; None: none near."""
        best, least = None, SNAP
        for patch in self.patches:
            far = float(np.linalg.norm(self.ray(point, patch.height) - patch.centre))
            if far < least:
                best, least = patch, far
        return best

    def thing_at(self, point: Point, shape: str = "block") -> Target:
        """The thing that the point means. shape: what the words call it (block, cylinder, brick)."""
        patch = self.patch_at(point)
        if patch is None:
            x, y = self.ray(point, FALLBACK_TOP)
            return Target(float(x), float(y), FALLBACK_TOP, round=shape == "cylinder")
        x, y = map(float, patch.centre)
        flat = patch.pixels[:, :2] - (x, y)
        if shape == "cylinder":
            wide = float(np.clip(np.sqrt(4 * patch.area / np.pi), 0.038, 0.056))
            return Target(x, y, patch.height, 0.0, (wide, wide), True)
        if shape == "brick":
            return Target(x, y, patch.height, _long_axis(flat), (0.070, 0.035))
        side = float(np.clip(np.sqrt(patch.area), 0.038, 0.056))
        return Target(x, y, patch.height, _square_axis(flat), (side, side))

    def bowl_at(self, point: Point) -> NDArray[np.float64]:
        """Centre (2,) of the bowl that the point means: the circle of a bowl's radius with most wall points on it."""
        guess = self.ray(point, BOWL_RIM / 2)
        standing = self.standing
        near = standing[np.linalg.norm(standing[:, :2] - guess, axis=1) < 0.14]
        near = near[near[:, 2] < BOWL_RIM + 0.006]
        if len(near) < 12:
            return guess
        steps = np.arange(-0.045, 0.0451, 0.003)
        centres = guess + np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2)
        off = np.abs(np.linalg.norm(near[None, :, :2] - centres[:, None], axis=-1) - BOWL_RADIUS)
        votes = np.clip(1.0 - off / 0.006, 0.0, None) @ (1.0 + 2.0 * (np.abs(near[:, 2] - BOWL_RIM) < 0.004))
        votes = votes * (1.0 - 2.0 * np.linalg.norm(centres - guess, axis=1))
        centre = centres[int(np.argmax(votes))]
        for _ in range(5):  # least squares on the points that agree
            arm = near[:, :2] - centre
            far = np.linalg.norm(arm, axis=1)
            # below the rim the camera sees the outer wall on its own side and the inner wall beyond the middle
            outer = np.where(arm @ (self.camera.parent_from_cam[:2, 3] - centre) > 0, 1.0, -1.0)
            radius = BOWL_RADIUS + BOWL_WALL / 2 * outer * (near[:, 2] < BOWL_RIM - 0.002)
            on = np.abs(far - radius) < 0.006
            if on.sum() < 8:
                break
            unit = arm[on] / far[on, None]
            centre = centre + np.linalg.lstsq(unit, far[on] - radius[on], rcond=None)[0]
        return centre


def geometry_of_step(step: Step, obs: Observation, spec: BodySpec) -> Job:
    """The Job (policies/skills.py) of a grounded step, from the front camera's depth alone.

    step: with its points (embodied/plan.py).  obs, spec: the hand should be at its look pose, so that nothing is hidden.
    The thing's shape is taken from the step's words. Raises UserError when the step lacks a point or the camera is missing.
    """
    if CAMERA not in spec.cameras:
        raise UserError(f"skills need the camera {CAMERA!r}; this body has {', '.join(spec.cameras) or 'none'}")
    needed = 2 if step.skill == "push" or "between" in step.args else 1
    if len(step.points) < needed:
        raise UserError(f"step {step.text!r} has {len(step.points)} points, but needs {needed}; ground it first")
    camera = spec.cameras[CAMERA]
    depth = obs.depth.get(CAMERA)
    table = Table(camera, np.full((camera.height, camera.width), np.nan) if depth is None else depth)
    first = step.points[0]
    if step.skill != "put":
        thing = table.thing_at(first, _shape(step.args[0]))
        around = _without(table.standing, thing)
        if step.skill == "push":
            x, y = table.ray(step.points[1])
            return Job("push", thing, Target(float(x), float(y), 0.0), around=around)
        tall = HEIGHTS.get(_shape(step.args[0]), max(thing.size) or 0.045)
        bottom = 0.0 if thing.top < 0.058 else max(0.0, thing.top - tall)
        return Job(step.skill, thing, bottom=bottom, around=around)
    return _put(step, table)


def _put(step: Step, table: Table) -> Job:
    around, first = table.standing, step.points[0]
    relation, reference = step.args[1], step.args[2]
    shape = _shape(reference)
    if reference == "table":
        spot, height = places.free_spot(table.ray(first), around), 0.0
    elif shape == "bowl" and relation in ("in", "on"):
        centre = table.bowl_at(first)
        inner = np.linalg.norm(around[:, :2] - centre, axis=1) < 0.055
        spot, height = places.in_bowl(centre, 0.0, around[inner])
        return Job("put", place=_place(spot, height), around=around, bowl=True)
    elif shape == "zone" and relation in ("in", "on"):
        spot, height = table.ray(first), 0.0
    elif relation in ("on", "in"):
        return Job("put", place=table.thing_at(first, shape), around=around)
    elif relation == "between":
        ends = [_centre(table, p, _shape(name)) for p, name in zip(step.points, step.args[2:], strict=False)]
        spot, height = places.amid(ends[0], ends[1], around), 0.0
    else:
        spot, height = places.beside(_centre(table, first, shape), relation, around), 0.0
    return Job("put", place=_place(spot, height), around=around)


def _place(spot: NDArray[np.float64], height: float) -> Target:
    return Target(float(spot[0]), float(spot[1]), height)


def _centre(table: Table, point: Point, shape: str) -> NDArray[np.float64]:
    if shape == "zone":
        return table.ray(point)
    if shape == "bowl":
        return table.bowl_at(point)
    thing = table.thing_at(point, shape)
    return np.array([thing.x, thing.y])


def _shape(name: str) -> str:
    return name.split()[-1]


def _without(points: Points, thing: Target) -> Points:
    """Points that are not on the thing itself."""
    reach = 0.5 * float(np.hypot(*thing.size)) + 0.004 if thing.size[0] > 0 else 0.035
    return points[np.hypot(points[:, 0] - thing.x, points[:, 1] - thing.y) > reach]


def _connected(height: NDArray[np.floating], mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Labels (H, W) of pixels joined through neighbours of nearly equal height; 0 outside the mask.

    Works on a grid twice as fine, where the odd cells are the links between neighbouring pixels.
    """
    rows, cols = height.shape
    fine = np.zeros((2 * rows - 1, 2 * cols - 1), bool)
    fine[::2, ::2] = mask
    fine[::2, 1::2] = mask[:, 1:] & mask[:, :-1] & (np.abs(np.diff(height, axis=1)) < FLAT)
    fine[1::2, ::2] = mask[1:] & mask[:-1] & (np.abs(np.diff(height, axis=0)) < FLAT)
    labels = np.zeros(fine.shape, np.int32)
    from scipy import ndimage  # who only drives has none

    ndimage.label(fine, output=labels)
    return labels[::2, ::2]


def _long_axis(flat: NDArray[np.float64]) -> float:
    """Direction (rad) of the greatest spread of points (n, 2) about their mean."""
    covariance = flat.T @ flat
    return 0.5 * float(np.arctan2(2 * covariance[0, 1], covariance[0, 0] - covariance[1, 1]))


def _square_axis(flat: NDArray[np.float64]) -> float:
    """Direction (rad, mod pi/2) of a square's sides from its fourth moment, which is -s^4/60 e^(4i yaw)."""
    moment = np.mean((flat[:, 0] + 1j * flat[:, 1]) ** 4)
    return float(np.angle(-moment)) / 4
