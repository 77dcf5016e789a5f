"""A pen in a simulated hand: it follows its path, the camera finds the sheet and what is missing, a killed run goes on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from embodied.draw import sheet
from embodied.draw.inspect import likeness, missing
from embodied.draw.residue import along, covered
from embodied.errors import UserError

pytest.importorskip("pybullet")
from embodied.draw.timing import Pace
from embodied.types import Command
from policies.draw import PenPolicy
from policies.sketch import Sketch
from sim.draw import RATE_HZ, DrawBody, overhead
from sim.paper import Trouble

PAGE = (100.0, 80.0)
A = np.linspace(0, 2 * np.pi, 120)
STROKES = [
    np.linspace([15.0, 15.0], [85.0, 20.0], 200),
    np.stack([50 + 18 * np.cos(A), 48 + 18 * np.sin(A)], 1),
    np.concatenate([np.linspace([15.0, 30.0], [15.0, 70.0], 150), np.linspace([15.2, 70.0], [85.0, 70.0], 250)]),
]


def sketched(
    out: Path, trouble: Trouble | None = None, seed: int = 0, **more: object
) -> tuple[DrawBody, Sketch, dict[str, float]]:
    body = DrawBody(PAGE, 0.5, trouble)
    body.reset(seed)
    out.mkdir(exist_ok=True)
    sketch = Sketch(body, PenPolicy(body.arm, RATE_HZ), STROKES, 0.5, out, **more)  # pyright: ignore[reportArgumentType]
    return body, sketch, sketch.run()


def test_the_tip_stays_on_its_path_and_the_sheet_shows_it_in_the_time_foretold(tmp_path: Path) -> None:
    from scipy.spatial import KDTree

    from embodied.draw.timing import estimate
    from sim.draw import home

    body, sketch, result = sketched(tmp_path, look_s=0.0)
    way = np.array(body.way)
    off = KDTree(along(STROKES, 0.02)).query(way[way[:, 2] < 0][:, :2])[0]
    assert off.mean() < 0.06 and np.quantile(off, 0.95) < 0.1 and off.max() < 0.25
    assert result["iou"] > 0.99 and result["chamfer_mm"] < 0.25 and result["missing"] == 0
    assert body.now_s == pytest.approx(estimate(STROKES, home(body), Pace()).total_s, rel=0.03)
    assert len(sketch.state.looks) == 1
    body.close()


def test_the_same_seed_gives_the_same_ink(tmp_path: Path) -> None:
    trouble = Trouble(dry=0.1, vary=0.2)
    inks = []
    for name in ("a", "b"):
        body, _, _ = sketched(tmp_path / name, trouble, seed=4, passes=0)
        inks.append(np.array(body.paper.stretches))
        body.close()
    np.testing.assert_array_equal(inks[0], inks[1])


def test_what_a_dry_pen_left_out_is_drawn_again_and_a_slipped_sheet_is_followed(tmp_path: Path) -> None:
    trouble = Trouble(dry=0.15, slip_mm=2.0, slip_deg=1.0, slip_within_s=8.0)
    body, _, open_loop = sketched(tmp_path / "open", trouble, seed=1, passes=0, look_s=0.0)
    body.close()
    body, sketch, closed = sketched(tmp_path / "closed", trouble, seed=1, passes=2, look_s=1.0)
    error = sheet.on_base(sketch.page, np.array([[0, 0], PAGE])) - sheet.on_base(
        body.base_from_page, np.array([[0, 0], PAGE])
    )
    assert np.abs(error).max() < 0.2e-3  # m: the camera knows where the sheet lies
    assert closed["missing"] < 0.02 < open_loop["missing"] and closed["iou"] > open_loop["iou"]
    body.close()


def test_a_killed_run_goes_on_and_draws_one_stroke_twice_at_most(tmp_path: Path) -> None:
    class Killed(Exception):
        pass

    body = DrawBody(PAGE)
    body.reset(0)
    count = 0

    def tick() -> None:
        nonlocal count
        count += 1
        if count == 330:  # within the second stroke
            raise Killed

    policy = PenPolicy(body.arm, RATE_HZ)
    sketch = Sketch(body, policy, STROKES, 0.5, tmp_path, 0.0, 0, moved=tick, kept=body.keep)
    with pytest.raises(Killed):
        sketch.run()
    body.close()
    again = DrawBody(PAGE)
    again.reset(0)
    sketch = Sketch(again, PenPolicy(again.arm, RATE_HZ), STROKES, 0.5, tmp_path, 0.0, 0, kept=again.keep)
    assert 0 < sketch.state.next < len(STROKES)
    again.resume(tmp_path)
    drawn = len(again.paper.stretches)
    assert drawn > 0 and sketch.run()["iou"] > 0.99
    again.close()


def test_another_drawing_does_not_go_on_with_this_one_s_progress(tmp_path: Path) -> None:
    (tmp_path / "progress.json").write_text(
        '{"drawing": "other", "passes": 1, "next": 2, "gaps": [], "page": [], "looks": []}'
    )
    body = DrawBody(PAGE)
    assert Sketch(body, PenPolicy(body.arm, RATE_HZ), STROKES, 0.5, tmp_path).state.next == 0
    body.close()


def test_a_stroke_out_of_reach_is_said_before_anything_moves() -> None:
    body = DrawBody(PAGE)
    policy = PenPolicy(body.arm, RATE_HZ)
    with pytest.raises(UserError, match="out of the arm's reach"):
        policy.lay(STROKES, sheet.laid(*PAGE, middle=(0.95, 0.0)))
    with pytest.raises(UserError, match="finite joint angles"):
        body.apply(Command(0.0, np.full(7, np.nan, np.float32)))
    body.close()


@pytest.mark.parametrize(("by", "turn"), [((0.0, 0.0), 0.0), ((2.0, -1.5), 0.02), ((-6.0, 5.0), -0.04)])
def test_a_sheet_is_found_where_it_lies(by: tuple[float, float], turn: float) -> None:
    camera = overhead(PAGE)
    truth = sheet.moved(sheet.laid(*PAGE), PAGE, by, turn)
    rows, cols = np.mgrid[0 : camera.height, 0 : camera.width] + 0.5
    at = np.stack([cols.ravel(), rows.ravel()], 1)
    where = sheet.on_page(truth, sheet.on_plane(camera, camera.parent_from_cam, at, 0.0))
    inside = np.minimum(np.minimum(where[:, 0], PAGE[0] - where[:, 0]), np.minimum(where[:, 1], PAGE[1] - where[:, 1]))
    grey = (0.3 + 0.65 * np.clip(inside * 4 + 0.5, 0, 1)).reshape(camera.height, camera.width)
    grey[200:230, 150:330] = 0.1  # something lies on it
    found = sheet.found(grey, camera, camera.parent_from_cam, sheet.laid(*PAGE), PAGE)
    corners = np.array([[0, 0], [PAGE[0], 0], [0, PAGE[1]], PAGE])
    assert np.abs(sheet.on_base(found, corners) - sheet.on_base(truth, corners)).max() < 0.1e-3
    np.testing.assert_allclose(
        sheet.on_page(truth, sheet.on_base(truth, corners, 3.0)), np.column_stack([corners, [3.0] * 4]), atol=1e-6
    )


def test_a_picture_of_no_sheet_is_one_sentence() -> None:
    camera = overhead(PAGE)
    with pytest.raises(UserError, match="does not see the sheet"):
        sheet.found(
            np.full((camera.height, camera.width), 0.5), camera, camera.parent_from_cam, sheet.laid(*PAGE), PAGE
        )


def test_a_gap_is_found_where_it_is_and_nowhere_else() -> None:
    ink = covered([stroke * 4 for stroke in STROKES], 2.0, (320, 400), 0.0).astype(np.float32)
    assert missing(STROKES, ink, 4) == [] and likeness(STROKES, ink, 4, 0.5)["iou"] > 0.999
    ink[:, 160:200] = 0  # 40 to 50 mm across
    gaps = missing(STROKES, ink, 4)
    assert gaps and all(39 < x < 51 for gap in gaps for x in gap[:, 0])
    assert likeness(STROKES, ink, 4, 0.5)["iou"] < 0.97


def test_the_sheet_s_record_grows_by_what_is_new_and_a_damaged_one_is_a_sentence(tmp_path: Path) -> None:
    body = DrawBody(PAGE)
    lines = [(float(k), 0.0, k + 1.0, 0.0, 0.5, 0.0) for k in range(6)]
    for count in (2, 5, 6):
        body.paper.stretches = lines[:count]
        body.keep(tmp_path)
        assert (tmp_path / "sheet.ink").stat().st_size == 48 * count
    (tmp_path / "sheet.ink").open("ab").write(b"cut")  # killed while more was being added
    body.reset(0)
    body.resume(tmp_path)
    assert body.paper.stretches == lines
    (tmp_path / "sheet.ink").write_bytes(b"PK")
    with pytest.raises(UserError, match="damaged"):
        body.resume(tmp_path)
    body.close()


def test_every_stroke_is_drawn_and_drawn_again_with_its_own_pen(tmp_path: Path) -> None:
    from scipy.spatial import KDTree

    body = DrawBody(PAGE, 0.8, Trouble(dry=0.15), ("#000000", "#f0c000"))
    body.reset(2)
    tmp_path.mkdir(exist_ok=True)
    sketch = Sketch(body, PenPolicy(body.arm, RATE_HZ), STROKES[:2], 0.8, tmp_path, look_s=0.0, pens=[0, 1])
    result = sketch.run()
    assert result["iou"] > 0.95 and len(sketch.state.looks) > 1
    inked = np.array(body.paper.stretches)
    for pen, stroke in enumerate(STROKES[:2]):
        off = KDTree(along([stroke], 0.02)).query(inked[inked[:, 5] == pen][:, :2])[0]
        assert len(off) and off.max() < 0.25
    light = 1 - body.paper.ink(4)
    assert light[:90].max(2).min() < 0.05  # black above
    yellow = light[150:300].reshape(-1, 3)
    np.testing.assert_allclose(yellow[yellow[:, 2] < 0.05][0], [0xF0 / 255, 0xC0 / 255, 0], atol=0.05)
    body.close()


def test_the_environment_is_clean_repeats_and_rewards_ink_where_it_is_wanted() -> None:
    import gymnasium
    from gymnasium.utils.env_checker import check_env

    import sim  # noqa: F401

    env = gymnasium.make("Embodied/Draw-v0", strokes=1, cameras=()).unwrapped
    check_env(env, skip_render_check=True)
    shows = []
    for _ in range(2):
        obs, info = env.reset(seed=5)
        stroke = env.goal[0]  # pyright: ignore[reportAttributeAccessIssue]
        total, done = 0.0, False
        for place in ([*stroke[0], 3.0], *([*point, -0.3] for point in stroke), [*stroke[-1], 3.0]):
            for _ in range(40):
                obs, reward, done, _, info = env.step(np.array(place, np.float32))
                total += reward
                if done or np.abs(obs["observation.state"] - place).max() < 0.2:
                    break
        assert done and info["success"] and total == pytest.approx(info["likeness"])
        shows.append(env.body.photograph("over"))  # pyright: ignore[reportAttributeAccessIssue]
    np.testing.assert_array_equal(*shows)
    picture, goal = (np.asarray(one)[60:-60, 60:-60].min(2) < 120 for one in (shows[0], obs["observation.images.goal"]))
    assert (picture & goal).sum() > 0.6 * goal.sum()  # where the goal picture has it, the arm aside
    with pytest.raises(UserError, match="strokes=0"):
        gymnasium.make("Embodied/Draw-v0", strokes=0)
    env.close()
