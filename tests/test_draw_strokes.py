"""Curves, order, retracing, SVG, time: what must be equal stays equal."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embodied.draw import svg
from embodied.draw.bezier import begun, curves, flattened, lines
from embodied.draw.drawing import Drawing, Layer, placed
from embodied.draw.link import grafted
from embodied.draw.order import hilbert, ordered, tour, travel, visits
from embodied.draw.retrace import matching, retraced
from embodied.draw.timing import Pace, estimate, hop, moments
from embodied.draw.touches import net, without_covered
from embodied.errors import UserError

numbers = st.floats(0, 200).map(lambda v: round(v, 2))
points = st.tuples(numbers, numbers)
strokes_ = st.lists(
    st.lists(points, min_size=2, max_size=6, unique=True).map(lambda some: np.array(some, float)),
    min_size=1,
    max_size=12,
)


def length(strokes: list[np.ndarray]) -> float:
    return float(sum(np.hypot(*np.diff(stroke, axis=0).T).sum() for stroke in strokes))


# --- curves


def test_a_circle_is_few_curves_all_within_tolerance() -> None:
    a = np.linspace(0, 2 * np.pi, 200)
    ring = np.stack([50 + 30 * np.cos(a), 50 + 30 * np.sin(a)], 1)
    (curve,) = curves([ring], 0.1)
    off = np.abs(np.hypot(*(flattened(curve, 0.2) - 50).T) - 30)
    assert len(curve) <= 8 and off.max() < 0.15


def test_corners_stay_and_straight_parts_are_straight() -> None:
    square = np.array([[10, 10], [60, 10], [60, 60], [10, 60], [10, 10]], float)
    dense = np.concatenate([np.linspace(a, b, 40)[:-1] for a, b in itertools.pairwise(square)] + [square[-1:]])
    (curve,) = curves([dense], 0.1)
    assert len(curve) == 4
    np.testing.assert_allclose(curve[:, 0], square[:4], atol=1e-6)
    assert all(svg.straight(cubic) for cubic in curve)


def test_a_noisy_line_becomes_the_line_that_it_was() -> None:
    rng = np.random.default_rng(0)
    x = np.linspace(0, 100, 120)
    noisy = np.stack([x, 20 + 0.3 * x], 1) + rng.normal(0, 0.05, (120, 2))
    (curve,) = curves([noisy], 0.4)
    ends = curve[[0, -1], [0, 3]]
    assert len(curve) <= 3 and np.abs(ends[:, 1] - 20 - 0.3 * ends[:, 0]).max() < 0.03


@given(st.integers(0, 60))
def test_a_closed_curve_begun_elsewhere_is_the_same_curve(at: int) -> None:
    a = np.linspace(0, 2 * np.pi, 80)
    (curve,) = curves([np.stack([20 * np.cos(a), 10 * np.sin(a)], 1)], 0.05)
    step = 1.0
    moved = begun(curve, at, step)
    whole = flattened(curve, step)
    np.testing.assert_allclose(moved[0, 0], whole[at] if at < len(whole) - 1 else curve[0, 0], atol=1e-9)
    np.testing.assert_allclose(moved[0, 0], moved[-1, 3], atol=1e-9)
    assert abs(length([flattened(moved, 0.1)]) - length([flattened(curve, 0.1)])) < 0.05


# --- order


@settings(max_examples=25, deadline=None)
@given(strokes_)
def test_an_order_draws_every_stroke_once_and_never_travels_more_than_greedy(strokes: list[np.ndarray]) -> None:
    quick, better = visits(strokes, budget_s=0), visits(strokes, budget_s=0.02)
    assert sorted(v.stroke for v in quick) == sorted(v.stroke for v in better) == list(range(len(strokes)))
    best = ordered(strokes, budget_s=0.02)
    assert abs(length(best) - length(strokes)) < 1e-6
    assert travel(best) <= travel(ordered(strokes, budget_s=0)) + 1e-6


def test_a_closed_stroke_is_begun_where_the_pen_is() -> None:
    a = np.linspace(0, 2 * np.pi, 40)
    ring = np.stack([50 + 20 * np.cos(a), 50 + 20 * np.sin(a)], 1)
    ring[-1] = ring[0]
    (found,) = ordered([ring, np.array([[58.0, 24.0], [90.0, 24.0]])], home=(42.0, 20.0), budget_s=0.05)[:1]
    assert np.hypot(*(found[0] - [50, 30])) < 5 and (found[0] == found[-1]).all()


def test_a_tour_passes_every_point_and_is_shorter_than_the_curve_it_began_on() -> None:
    spots = np.random.default_rng(1).random((300, 2)) * 100
    path = tour(spots, 0.5)
    assert sorted(map(tuple, path)) == sorted(map(tuple, spots))
    assert length([path]) < 0.95 * length([spots[hilbert(spots)]])


@settings(deadline=None)
@given(st.integers(1, 5), st.integers(0, 10_000))
def test_a_matching_uses_everyone_and_is_not_worse_than_pairing_as_they_come(half: int, seed: int) -> None:
    at = np.random.default_rng(seed).random((2 * half, 2))
    cost = np.hypot(*(at[:, None] - at[None]).T)
    pairs = matching(cost)
    assert sorted(k for pair in pairs for k in pair) == list(range(2 * half))


def test_retracing_draws_all_of_a_grid_in_one_stroke_and_without_a_price_in_the_fewest() -> None:
    grid = [np.array([[0.0, 10 * k], [40.0, 10 * k]]) for k in range(5)] + [
        np.array([[10 * k, 0.0], [10 * k, 40.0]]) for k in range(5)
    ]
    dense = [np.linspace(stroke[0], stroke[1], 81) for stroke in grid]
    free, paid = retraced(dense, 0.3, 0.0), retraced(dense, 0.3, 100.0)
    assert len(paid) == 1 and len(free) < len(grid)
    assert abs(length(free) - length(dense)) < 1.0
    covered = {tuple(np.round(p, 1)) for stroke in paid for p in stroke}
    assert {tuple(np.round(p, 1)) for stroke in dense for p in stroke} <= covered


def test_a_line_that_crosses_itself_is_cut_there_and_doubled_ink_is_drawn_once() -> None:
    t = np.linspace(-0.5, np.pi + 0.5, 400)
    loop = np.stack([20 * np.sin(t), 20 * np.sin(t) * np.cos(t)], 1)  # half an eight and two tails
    graph = net([loop], 0.5)
    assert sorted(graph.degrees().tolist()) == [1, 1, 4] and len(graph.edges) == 3
    again = loop[100:140] + [0.0, 0.1]  # a fifth of a pen beside
    both = net([loop, again], 0.5)
    assert length(both.edges) > length([loop]) + 0.8 * length([again])
    lean = without_covered(both, 0.5)
    assert length(lean.edges) < 1.02 * length([loop]) and (lean.degrees() > 0).sum() >= 3


def test_a_twig_at_an_open_end_lengthens_it_and_elsewhere_is_a_detour() -> None:
    line = np.linspace([0.0, 0.0], [20.0, 0.0], 21)
    ends = [np.array([[20.5, 0.0], [22.0, 0.0]]), np.array([[10.0, 0.5], [10.0, 2.0]])]
    (drawn,), left = grafted([line], ends, 3.0)
    assert not left and tuple(drawn[-1]) == (22.0, 0.0) and length([drawn]) == pytest.approx(22 + 2 * 2.0)


# --- SVG


@settings(deadline=None, max_examples=30)
@given(strokes_)
def test_what_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, strokes: list[np.ndarray]) -> None:
    at = tmp_path_factory.mktemp("svg") / "drawing.svg"
    made = Drawing(210, 297, [Layer("#c02020", 0.4, [lines(stroke) for stroke in strokes])])
    at.write_text(svg.written(made))
    back = svg.read(at)
    assert (back.width, back.height) == (pytest.approx(210), pytest.approx(297))
    assert back.layers[0].colour == "#c02020" and back.layers[0].pen_mm == pytest.approx(0.4, abs=1e-3)
    for a, b in zip(made.layers[0].curves, back.layers[0].curves, strict=True):
        np.testing.assert_allclose(a[:, [0, 3]], b[:, [0, 3]], atol=1e-3)


def test_the_svg_is_the_golden_one() -> None:
    a = np.linspace(0, np.pi, 30)
    arc = np.stack([60 + 20 * np.cos(a), 40 + 20 * np.sin(a)], 1)
    made = Drawing(
        100,
        80,
        [Layer("#000000", 0.5, [*curves([arc], 0.05), lines(np.array([[5.0, 5.0], [95.0, 5.0], [95.0, 30.0]]))])],
    )
    golden = Path(__file__).parent / "golden" / "drawing.svg"
    assert svg.written(made).splitlines() == golden.read_text().splitlines()


@pytest.mark.parametrize(
    ("inside", "said"),
    [
        ("<script>x()</script>", "a script"),
        ('<image href="http://example.org/a.png"/>', "a reference to another file"),
        ('<rect onclick="x()" width="3" height="3"/>', "an event handler"),
        ('<rect style="fill:url(file:///etc/passwd)" width="3" height="3"/>', "a reference to another file"),
        ("", "no lines"),
    ],
)
def test_an_svg_that_would_run_or_fetch_something_is_refused(tmp_path: Path, inside: str, said: str) -> None:
    at = tmp_path / "in.svg"
    at.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="10mm" height="10mm" viewBox="0 0 10 10">{inside}</svg>'
    )
    with pytest.raises(UserError, match=said):
        svg.read(at)


def test_units_and_transforms_of_other_tools_are_understood(tmp_path: Path) -> None:
    at = tmp_path / "in.svg"
    at.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" width="100mm" height="50mm" viewBox="0 0 200 100">'
        '<g transform="translate(20 10) scale(2)"><path d="M0 0 Q 10 0 10 10" stroke="#ff0000" fill="none"/></g></svg>'
    )
    (curve,) = svg.read(at).layers[0].curves
    np.testing.assert_allclose(curve[0, [0, 3]], [[10, 5], [20, 15]], atol=1e-3)


# --- page and time


def test_a_picture_is_laid_in_the_middle_and_turned_when_that_is_larger() -> None:
    where = placed((400, 100), "A4", "fit", 10)
    corners = where.on_page(np.array([[0.0, 0.0], [400.0, 100.0]]))
    assert where.turned and np.ptp(corners, axis=0) == pytest.approx([277 / 4, 277])
    assert corners.mean(0) == pytest.approx([105, 148.5])
    exact = placed((1024, 512), "image", "6")
    assert (exact.width, exact.height) == (pytest.approx(1024 / 6), pytest.approx(512 / 6))


@pytest.mark.parametrize(
    ("page", "margin", "said"),
    [("A9", 10, "unknown page"), ("15x15", 10, "smaller than its margins"), ("A4", -1, "negative")],
)
def test_a_page_that_cannot_be_is_one_sentence(page: str, margin: float, said: str) -> None:
    with pytest.raises(UserError, match=said):
        placed((100, 100), page, "fit", margin)


def test_a_straight_stroke_takes_the_trapezoid_s_time() -> None:
    pace = Pace(ink=100, acceleration=1000)
    t = moments(np.linspace([0, 0], [200, 0], 400), 100, pace)
    assert t[-1] == pytest.approx(200 / 100 + 100 / 1000, rel=1e-3)  # length over speed, and one ramp
    assert (np.diff(t) > 0).all()
    assert hop(200, Pace(travel=100, acceleration=1000)) == pytest.approx(t[-1], rel=1e-3)


def test_a_corner_costs_time_and_a_gentle_curve_hardly_any() -> None:
    pace = Pace()
    straight = np.linspace([0, 0], [100, 0], 500)
    bent = np.concatenate([np.linspace([0, 0], [50, 0], 250), np.linspace([50, 0.2], [50, 50], 249)])
    a = np.linspace(0, 1, 500)
    curved = np.stack([100 * np.sin(a), 100 - 100 * np.cos(a)], 1)
    times = [moments(line, 100, pace)[-1] for line in (straight, bent, curved)]
    assert times[1] > times[0] + 0.05 and abs(times[2] - times[0]) < 0.02


def test_the_estimate_adds_ink_travel_and_lifts() -> None:
    found = estimate([np.array([[10.0, 0.0], [20.0, 0.0]])] * 2, pace=Pace())
    assert found.lifts == 2 and found.ink_mm == pytest.approx(20) and found.travel_mm == pytest.approx(10 + 10 + 20)
    assert found.total_s == pytest.approx(found.ink_s + found.travel_s + 0.8)
