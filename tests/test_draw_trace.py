"""A traced line lies where it was drawn: on lines made here, whose truth is known."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image, ImageDraw

from embodied.draw import picture, trace
from embodied.draw.bezier import flattened
from embodied.errors import UserError


def inked(size: int, strokes: list[list[tuple[float, float]]], width: float = 3.0) -> np.ndarray:
    """(H, W) 0..1 with round-ended lines along these points, px: by the distance of every pixel's middle from them."""
    y, x = np.mgrid[0:size, 0:size] + 0.5
    away = np.full((size, size), np.inf)
    for stroke in strokes:
        for (ax, ay), (bx, by) in pairwise(stroke):
            u = np.clip(((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / ((bx - ax) ** 2 + (by - ay) ** 2), 0, 1)
            away = np.minimum(away, np.hypot(x - ax - u * (bx - ax), y - ay - u * (by - ay)))
    return np.clip(width / 2 + 0.5 - away, 0, 1).astype(np.float32)


def off(found: list[np.ndarray], truth: list[list[tuple[float, float]]]) -> float:
    """The farthest that a traced point is from the truth, or the other way round, px."""
    from scipy.spatial import KDTree

    from embodied.draw.residue import along

    a, b = (along([np.array(stroke, float) for stroke in some], 0.05) for some in (found, truth))
    return float(max(KDTree(a).query(b)[0].max(), KDTree(b).query(a)[0].max()))


def ring(x: float, y: float, r: float) -> list[tuple[float, float]]:
    return [(x + r * np.cos(a), y + r * np.sin(a)) for a in np.linspace(0, 2 * np.pi, 90)]


CASES = {
    "a crossing": ([[(20.3, 20.7), (100.2, 90.1)], [(20.9, 95.4), (98.7, 15.2)]], 2, 0.4),
    "a shallow crossing": ([[(10.0, 50.0), (110.0, 70.0)], [(10.0, 70.0), (110.0, 50.0)]], 2, 0.5),
    "a corner": ([[(20.0, 90.0), (60.3, 20.4), (100.0, 90.0)]], 1, 0.5),
    "a fork": ([[(15.0, 40.0), (105.0, 40.0)], [(60.0, 40.0), (75.0, 100.0)]], 2, 0.6),
    "a ring": ([ring(60.2, 58.7, 32.0)], 1, 0.3),
    "a dash": ([[(40.0, 60.0), (52.5, 60.5)]], 1, 0.3),
    "neighbours": ([[(20.0, 40.0), (100.0, 42.0)], [(20.0, 45.2), (100.0, 47.0)]], 2, 0.3),
}


@pytest.mark.parametrize("name", CASES)
def test_lines_come_back_as_the_strokes_they_were(name: str) -> None:
    truth, count, most = CASES[name]
    found = trace.lines(inked(120, truth))
    assert len(found) == count
    assert off(found, truth) < most


def test_the_comparison_would_notice_a_line_half_a_pen_aside() -> None:
    truth = CASES["a dash"][0]
    found = [stroke + [0, 1.5] for stroke in trace.lines(inked(120, truth))]
    assert off(found, truth) > 1.2


def test_a_hairpin_narrower_than_two_pens_is_one_stroke_with_a_turn() -> None:
    truth = [[(20.0, 30.0), (100.0, 58.5), (20.0, 62.0)]]
    found = trace.lines(inked(120, truth, 4.0))
    assert len(found) == 1 and off(found, truth) < 2.0


def test_a_turned_picture_gives_turned_strokes() -> None:
    ink = inked(120, [*CASES["a crossing"][0], ring(60.0, 60.0, 20.0)])
    a, b = trace.lines(ink), trace.lines(np.ascontiguousarray(np.rot90(ink)))
    turned = [np.stack([stroke[:, 1], 120 - stroke[:, 0]], 1) for stroke in a]
    assert len(a) == len(b) and off(turned, [list(map(tuple, stroke)) for stroke in b]) < 0.35


def test_shade_and_noise_of_a_photograph_move_a_line_little() -> None:
    ink = inked(256, [[(30.0, 50.0), (220.0, 60.0)], [(40.0, 200.0), (200.0, 100.0)]])
    rng = np.random.default_rng(0)
    light = 0.55 + 0.4 * np.linspace(0, 1, 256)[:, None] * np.ones(256)
    photo = np.clip(light * (1 - 0.7 * ink) + rng.normal(0, 0.02, ink.shape), 0, 1)
    seen = picture.of(Image.fromarray((photo * 255).astype(np.uint8)))
    curves, mode = trace.trace(seen, 3.0)
    assert mode == "line" and len(curves) == 2
    assert (
        off([flattened(c, 0.5) for c in curves], [[(30.0, 50.0), (220.0, 60.0)], [(40.0, 200.0), (200.0, 100.0)]]) < 0.8
    )


def test_the_kind_of_a_picture_is_told_by_its_ink() -> None:
    from scipy.ndimage import gaussian_filter

    def told(ink: np.ndarray) -> str:
        return picture.kind(picture.of(Image.fromarray((255 * (1 - ink)).astype(np.uint8))))

    disc = np.hypot(*(np.mgrid[0:200, 0:200] - 100)) < 60
    assert told(inked(200, CASES["a crossing"][0])) == "line"
    assert told(disc.astype(float)) == "fill"
    rng = np.random.default_rng(0)
    clouds = np.kron(rng.random((12, 12)), np.ones((20, 20)))
    assert told(gaussian_filter(clouds, 6)) == "tone"


def test_transparency_is_paper_and_the_camera_s_turn_is_kept() -> None:
    clear = Image.new("RGBA", (60, 40), (0, 0, 0, 0))
    ImageDraw.Draw(clear).line([(5, 5), (50, 5)], fill=(0, 0, 0, 255), width=3)
    assert picture.of(clear).ink.mean() < 0.1


def test_areas_are_covered_and_little_else_is() -> None:
    from embodied.draw.residue import covered

    y, x = np.mgrid[0:160, 0:160] + 0.5
    ring_ = (np.hypot(x - 80, y - 80) < 60) & (np.hypot(x - 80, y - 80) > 25)
    seen = picture.of(Image.fromarray(np.where(ring_, 0, 255).astype(np.uint8)))
    for style in ("hatch", "concentric"):
        curves, _mode = trace.trace(seen, 3.0, trace.Style("fill", style))
        strokes = [flattened(c, 0.5) for c in curves]
        drawn = covered(strokes, 3.0, ring_.shape, 0.0)
        length = sum(np.hypot(*np.diff(s, axis=0).T).sum() for s in strokes)
        assert (drawn & ring_).sum() > 0.985 * ring_.sum() and (drawn & ~ring_).sum() < 0.03 * ring_.sum()
        assert length * 3 < 1.2 * ring_.sum()


def test_shades_come_out_as_dark_as_they_were() -> None:
    from scipy.ndimage import gaussian_filter

    from embodied.draw.tone import drawn, stippled

    dark = np.linspace(0.05, 0.8, 160)[None] * np.ones((160, 160))
    path = stippled(dark, 3.0, budget_s=2.0)
    assert len(path) == 1
    page = gaussian_filter(drawn(path, 3.0, dark.shape), 12)
    assert np.abs(page - gaussian_filter(dark, 12))[16:-16, 16:-16].mean() < 0.06


@pytest.mark.parametrize(("value", "said"), [(255, "all paper"), (0, "all ink")])
def test_an_empty_page_is_one_sentence(value: int, said: str) -> None:
    seen = picture.of(Image.new("L", (64, 64), value))
    with pytest.raises(UserError, match=said):
        trace.trace(seen, 3.0)
