"""Pictures: where things are projected is where they are drawn; nothing hides the workspace; few faces; one look a tick."""

from __future__ import annotations

import numpy as np
import pytest

from embodied.control.arm import down
from embodied.errors import UserError
from embodied.geometry import on_plane, points_of_depth, project
from embodied.types import Command, Point
from sim.body import SimBody
from sim.scene import X, Y
from sim.shapes import box_mesh, cylinder_mesh, mesh_of
from tests.test_sim_body import item, table


@pytest.fixture(scope="module")
def body():
    made = SimBody("pick", lazy=True)
    yield made
    made.close()


def test_faces_are_few(body):
    body.load(table(item("red block", 0.5, 0.0), item("blue bowl", 0.5, 0.2), item("pink cylinder", 0.6, 0.0)))
    assert 3000 < body.world.faces() < 4000  # the Panda's collision hulls have 3472, its meshes 103,000


@pytest.mark.parametrize("shape", ["block", "cylinder", "brick", "bowl", "zone"])
def test_meshes_face_outwards(shape):
    mesh = mesh_of(shape, (0.1, 0.1, 0.05))
    a, b, c = mesh.vertices[mesh.faces].transpose(1, 0, 2)
    flat = np.cross(b - a, c - a)
    assert np.all(np.einsum("ij,ij->i", flat, mesh.normals[mesh.faces[:, 0]]) > 0)
    if shape in ("block", "cylinder", "brick"):  # closed: divergence theorem gives the volume
        volume = np.einsum("ij,ij->i", np.cross(a, b), c).sum() / 6
        whole = {"cylinder": np.pi / 4 * 0.1 * 0.1 * 0.05}.get(shape, 0.1 * 0.1 * 0.05)
        assert volume == pytest.approx(whole, rel=0.03)
    assert len(box_mesh((1, 1, 1)).faces) == 12 and len(cylinder_mesh(1, 1).faces) == 64


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_projection_segmentation_and_depth_agree(body, seed):
    places = ((0.40, -0.2), (0.40, 0.2), (0.52, 0.0), (0.66, -0.15), (0.66, 0.2))
    names = ["red block", "blue cylinder", "green brick", "pink block", "cyan zone"]
    obs = body.load(table(*(item(n, *p, yaw=0.3) for n, p in zip(names, places, strict=True))), seed)
    camera = body.spec.cameras["front"]
    seen, points = body.segmentation("front"), points_of_depth(camera, camera.parent_from_cam, obs.depth["front"])
    for k, thing in enumerate(body.facts().things.values()):
        rows, cols = np.nonzero(seen == k)
        u, v, depth = project(camera, camera.parent_from_cam, thing.position)
        off = np.array([np.mean(cols + 0.5) / camera.width - u, np.mean(rows + 0.5) / camera.height - v])
        assert np.abs(off * (camera.width, camera.height)).max() < camera.width / 160
        top = points[seen == k][:, 2].max()
        assert top == pytest.approx(thing.top, abs=2e-3)
        assert 0.5 < depth < 1.5
    flat = points[(seen == -1) & (np.abs(points[..., 1]) < 0.3)]
    assert np.abs(flat[:, 2]).max() < 3e-3  # the table


def test_the_wrist_camera_hangs_on_the_hand_of_the_state_arm(body):
    body.load(table(item("red block", 0.5, 0.1)), 3)
    for _ in range(30):
        body.apply(Command(0.0, np.array([0.47, 0.08, 0.25, 0.6, 0.08], np.float32)))
    obs = body.observe()
    camera = body.spec.cameras["wrist"]
    base_from_cam = down(*obs.states["arm"][-1][:4]) @ camera.parent_from_cam
    assert camera.parent == "hand"
    points, mask = points_of_depth(camera, base_from_cam, obs.depth["wrist"]), body.segmentation("wrist") == 0
    top = points[mask & (points[..., 2] > 0.04)]
    assert len(top) > 30 and np.abs(np.median(top, axis=0) - [0.5, 0.1, 0.045]).max() < 5e-3


@pytest.mark.parametrize("seed", range(4))
def test_nothing_hides_the_workspace_from_the_front_camera(body, seed):
    names = ["red block", "blue block", "green block", "pink block"]
    tower = [item(n, X[1], Y[1], 0.0225 + 0.045 * k) for k, n in enumerate(names)]
    body.load(table(*tower, item("cyan brick", 0.4, 0.0)), seed)
    body.grip("cyan brick")
    camera = body.spec.cameras["front"]
    seen = body.segmentation("front")
    for row, col in np.argwhere((seen == -2) | (seen == 4)):
        point = Point((col + 0.5) / camera.width, (row + 0.5) / camera.height)
        assert on_plane(camera, camera.parent_from_cam, point, 0.0)[0] < X[0] - 0.05
    corners = np.array([[x, y, z] for x in (X[0] - 0.06, X[1]) for y in Y for z in (0.0, 0.17)])
    corners = corners[(corners[:, 0] > X[0]) | (corners[:, 2] == 0)]
    uv = project(camera, camera.parent_from_cam, corners)
    assert np.all(uv[:, :2] > 0) and np.all(uv[:, :2] < 1)


def test_a_tick_is_looked_at_once_and_shared(body):
    obs = body.load(table(item("red block", 0.5, 0.1)))
    assert obs.images["front"] is body.frame("front") and body.frame("front") is body.frame("front")
    body.apply(Command(0.0, np.array([0.4, 0.0, 0.3, 0.0, 0.08], np.float32)))
    assert body.frame("front") is not obs.images["front"]
    with pytest.raises(UserError, match="moved on"):
        _ = obs.images["wrist"]
    with pytest.raises(UserError, match="camera"):
        body.segmentation("left")


def test_a_large_picture_has_the_same_view(body):
    body.load(table(item("red block", 0.5, 0.1)))
    (height, width, _), times = body.frame("front").shape, 3
    large = body.picture(times * width, times * height)
    assert large.shape == (times * height, times * width, 3)
    small = large.reshape(height, times, width, times, 3).mean(axis=(1, 3))
    assert np.mean(np.abs(small - body.frame("front"))) < 2.0
