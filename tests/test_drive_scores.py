"""Paths, predictors, decisions, hazard figures and tallies: equalities, with numpy beside them where it can do the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embodied import plan
from embodied.data.drives import DECISIONS, REASONS
from embodied.drive import decisions, forecast, hazard, kinematics, paths
from embodied.drive.forecast import Forecast
from embodied.drive.scores import HORIZONS_S, METRICS, Tally, errors
from embodied.drive.state import Motion, motion, slope, trend
from embodied.errors import UserError
from embodied.model.tokens import GRAMMAR_WORDS
from embodied.spec import Channels
from embodied.types import Observation

small = st.floats(-0.4, 0.4)


def arc(speed: float, yaw_rate: float, accel: float = 0.0) -> np.ndarray:
    """(STEPS, 3) of a car that turns and gains steadily, in fine steps."""
    t = np.linspace(0, paths.HORIZON_S, 60001)
    v = np.maximum(speed + accel * t, 0.0)
    x, y = (
        np.concatenate([[0.0], np.cumsum((f[1:] + f[:-1]) / 2) * t[1]])
        for f in (v * np.cos(yaw_rate * t), v * np.sin(yaw_rate * t))
    )
    return np.column_stack([np.interp(paths.TIMES, t, x), np.interp(paths.TIMES, t, y), yaw_rate * paths.TIMES])


# --- paths


@given(st.floats(-50, 50), st.floats(-50, 50), st.floats(-4, 4), st.floats(1, 20), small)
def test_a_recorded_arc_is_an_arc_in_the_vehicle_frame(
    x: float, y: float, yaw: float, speed: float, rate: float
) -> None:
    made = np.vstack([[0.0, 0.0, 0.0], arc(speed, rate)])
    c, s = np.cos(yaw), np.sin(yaw)
    world = np.column_stack(
        [x + c * made[:, 0] - s * made[:, 1], y + s * made[:, 0] + c * made[:, 1], yaw + made[:, 2]]
    )
    back = paths.future(10 + np.arange(61) / 10, world, 10.0, world[0])
    assert np.allclose(back, made[1:], atol=1e-6)


def test_a_future_that_ends_is_shorter() -> None:
    poses = np.zeros((31, 3))
    assert len(paths.future(np.arange(31) / 10, poses, 1.0, poses[0])) == 20


@given(st.floats(-3, 3), small, small)
def test_along_and_across_make_the_gap(turn: float, dx: float, dy: float) -> None:
    truth = np.array([[1.0, 2.0, turn]])
    along, across = paths.split_error(truth[:, :2] + [dx, dy], truth)
    assert np.hypot(along, across) == pytest.approx(np.hypot(dx, dy))
    along, across = paths.split_error(truth[:, :2] + [np.cos(turn), np.sin(turn)], truth)
    assert (along[0], across[0]) == pytest.approx((1.0, 0.0), abs=1e-12)


# --- predictors


@given(st.floats(0.5, 30), small, st.floats(-2, 2))
def test_each_model_is_exact_for_the_motion_that_it_assumes(speed: float, rate: float, accel: float) -> None:
    now = Motion(speed, accel, rate)
    assert np.allclose(kinematics.constant_turn(now), arc(speed, rate)[:, :2], atol=2e-3)
    assert np.allclose(kinematics.constant_turn_and_acceleration(now), arc(speed, rate, accel)[:, :2], atol=0.02)
    assert np.allclose(kinematics.constant_velocity(now), arc(speed, 0.0)[:, :2], atol=1e-9)


@given(st.floats(1, 25), small, st.floats(-3, 3))
def test_a_bicycle_stays_on_its_circle(speed: float, rate: float, accel: float) -> None:
    path, bend = kinematics.bicycle(Motion(speed, accel, rate)), rate / speed
    assert np.allclose(
        bend * (path[:, 0] ** 2 + path[:, 1] ** 2), 2 * path[:, 1], atol=5e-3 * max(1.0, abs(path).max())
    )


@given(st.floats(0, 25), small, st.floats(-6, 3))
def test_without_fading_the_prior_is_ctra(speed: float, rate: float, accel: float) -> None:
    now = Motion(speed, accel, rate)
    same = kinematics.relaxing(now, 1e9, 1e9, 1.0, 1e9, 1.0)
    assert np.allclose(same, kinematics.constant_turn_and_acceleration(now), atol=1e-5)


def test_who_lets_go_of_the_brake_does_not_yet_accelerate() -> None:
    assert kinematics.fading(-4.0, 40.0, 3.0, 1.0, 0.3).max() == 0.0
    assert kinematics.fading(-0.1, 4.0, 3.0, 1.0, 0.3).max() > 0.5


# --- state, causal


@given(st.floats(-3, 3), st.floats(-3, 3))
def test_a_slope_is_that_of_a_line(level: float, rate: float) -> None:
    times = -np.array([0.9, 0.55, 0.3, 0.12, 0.0])
    assert slope(times, level + rate * times, 0.6) == pytest.approx(rate, abs=1e-9)


def test_motion_reads_what_there_is() -> None:
    clock = Channels(("before_now",), ("s",), (-9,), (0,), 10)
    times = np.linspace(-0.6, 0, 7, dtype=np.float32)
    ego = Channels(("speed", "steer"), ("m/s", "rad"), (-9, -1), (99, 1), 10)
    rows = np.column_stack([8 + 2 * times, np.full(7, 0.1)]).astype(np.float32)
    made = motion(Observation(3.0, {}, {"ego": rows, "clock": times[:, None]}), {"ego": ego, "clock": clock})
    assert (made.speed, made.accel) == pytest.approx((8.0, 2.0), abs=1e-4)
    assert made.yaw_rate == pytest.approx(8 * np.tan(0.1) / 2.7, abs=1e-5)
    assert not motion(Observation(3.0, {}, {"clock": times[:, None]}), {"clock": clock}).known


# --- decisions and strata


@pytest.mark.parametrize(
    "truth, speed, stratum, decision",
    [
        (arc(10, 0), 10, "straight", "keep"),
        (arc(10, 0.12), 10, "turning", "turn left"),
        (arc(10, -0.12), 10, "turning", "turn right"),
        (arc(10, 0, -1), 10, "braking", "brake"),
        (arc(4, 0, -2), 4, "braking", "stop"),
        (arc(5, 0, 1), 5, "straight", "accelerate"),
        (arc(0, 0), 0, "standing", "stop"),
    ],
)
def test_what_kind_of_moment(truth: np.ndarray, speed: float, stratum: str, decision: str) -> None:
    assert decisions.stratum(truth, speed) == stratum
    assert decisions.decision(truth, speed) == decision
    assert decisions.decision(truth[:, :2], speed) == decision  # read off a predicted path, without headings


def test_onsets_are_counted_from_where_the_truth_changes() -> None:
    times = np.arange(8) * 0.5
    truth = ["keep", "brake", "brake", "brake", "keep", "turn left", "turn left", "keep"]
    said = ["keep", "keep", "brake", "brake", "keep", "keep", "keep", "turn left"]
    assert decisions.onset_delays(times, truth, said) == ([0.5], 1)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=60))
def test_macro_f1_is_the_textbooks(pairs: list[tuple[int, int]]) -> None:
    confusion = np.zeros((3, 3))
    for true, said in pairs:
        confusion[true, said] += 1
    f1 = []
    for k in {true for true, _ in pairs}:
        tp = sum(p == (k, k) for p in pairs)
        f1.append(2 * tp / (sum(a == k for a, _ in pairs) + sum(b == k for _, b in pairs)))
    assert decisions.macro_f1(confusion) == pytest.approx(np.mean(f1))


# --- hazard


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.2, 0.5, 0.9]), st.booleans()), min_size=1, max_size=40))
def test_average_precision_by_hand(rows: list[tuple[float, bool]]) -> None:
    scores, labels = np.array([s for s, _ in rows]), np.array([b for _, b in rows])
    if not labels.any():
        assert np.isnan(hazard.average_precision(scores, labels))
        return
    want = before = 0.0
    for level in sorted(set(scores), reverse=True):
        shown = scores >= level
        recall = (shown & labels).sum() / labels.sum()
        want += (recall - before) * (shown & labels).sum() / shown.sum()
        before = recall
    assert hazard.average_precision(scores, labels) == pytest.approx(want)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.floats(0, 0.5))
def test_the_threshold_keeps_its_false_positive_rate_and_is_the_lowest(calm: list[float], fpr: float) -> None:
    scores, labels = np.array([*calm, 1.0]), np.array([False] * len(calm) + [True])
    at = hazard.threshold_at(scores, labels, fpr)
    assert (np.array(calm) >= at).mean() <= fpr
    lower = [s for s in calm if s < at]
    if lower:
        assert (np.array(calm) >= max(lower)).mean() > fpr


def test_a_signal_that_is_always_on_earns_no_time() -> None:
    times = np.arange(100) / 10
    labels = (times >= 5) & (times < 7)
    ttc = np.where(labels, 7 - times, 10.0)
    good = hazard.score(times, np.where(labels, 0.9, 0.1), labels, ttc)
    always = hazard.score(times, np.ones(100), labels, ttc)
    assert good.mtta_s == pytest.approx(2.0) and good.ap == 1.0 and good.false_alarms_per_h == 0
    assert always.mtta_s == 0.0
    assert always.false_alarms_per_h == pytest.approx(360.0)


# --- scores


@given(st.floats(2, 20), small, st.floats(-2, 2))
def test_the_recorded_path_has_no_error(speed: float, rate: float, accel: float) -> None:
    truth = arc(speed, rate, accel)
    made = dict(zip(METRICS, errors(Forecast(truth[:, :2]), truth, speed), strict=True))
    assert all(made[name] == pytest.approx(0, abs=1e-9) for name in METRICS if not name.endswith("cost"))
    ahead = dict(zip(METRICS, errors(Forecast(truth[:, :2] + [3.0, 0.0]), truth, speed), strict=True))
    for h in HORIZONS_S:
        assert ahead[f"fde@{h}"] == pytest.approx(3.0) and ahead[f"ade@{h}"] == pytest.approx(3.0)


@pytest.mark.parametrize("ahead", [1.0, -1.0])
@pytest.mark.parametrize("speed", [0.0, -0.0, 0.01, -0.01])
def test_which_way_a_car_starts_along_its_track_is_no_matter_of_the_speed_at_which_it_stands(
    ahead: float, speed: float
) -> None:
    way = ahead * paths.TIMES**2 / 2
    truth, bend = np.column_stack([way, 0 * way, 0 * way]), ahead * np.abs(way) / 30
    said = Forecast(ahead * 30 * np.column_stack([np.sin(np.abs(bend)), 1 - np.cos(bend)]))
    made = dict(zip(METRICS, errors(said, truth, speed, along_track=True), strict=True))
    assert made["fde@5"] == made["along@5"] == pytest.approx(0.0, abs=0.01)


def test_ade_is_the_mean_up_to_and_fde_the_error_at() -> None:
    truth = arc(10, 0)
    off = np.column_stack([truth[:, 0], 0.1 * np.arange(1, 61)])
    made = dict(zip(METRICS, errors(Forecast(off), truth[:40], 10), strict=True))
    assert made["fde@3"] == pytest.approx(3.0) and made["ade@3"] == pytest.approx(1.55)
    assert made["across@2"] == pytest.approx(2.0) and made["along@2"] == pytest.approx(0.0, abs=1e-9)
    assert np.isnan(made["fde@5"])  # only 4 s were recorded


def test_intervals_of_ap_and_f1_are_drawn_over_drives() -> None:
    rng = np.random.default_rng(0)
    drive = np.repeat(np.arange(12), 40)
    times, labels = 1e6 * drive + np.tile(np.arange(40) * 0.1, 12), rng.random(480) < 0.2
    blurred = labels + rng.normal(0, 0.6, 480)
    low, high = hazard.interval(times, blurred, labels)
    ap = hazard.average_precision(blurred, labels)
    assert low < ap < high and hazard.interval(times, blurred, labels) == (low, high)
    assert hazard.interval(times, labels * 1.0, labels) == (1.0, 1.0)
    assert np.isnan(hazard.interval(times[:40], blurred[:40], labels[:40])).all()  # one drive of 4 s is one block
    tally, truth = Tally(), arc(8, 0.0)
    for k in range(200):
        said = Forecast(truth[:, :2], "keep" if rng.random() < 0.8 else "brake")
        tally.add("a", f"drive {k % 10}", k * 0.1, said, truth, 8.0, "keep" if rng.random() < 0.5 else "brake")
    row = tally.summary("a", "all")
    assert row["decision_f1_low"] < row["decision_f1"] < row["decision_f1_high"] < row["decision_f1_low"] + 0.3


def test_a_tally_is_the_mean_over_moments_whatever_the_blocks() -> None:
    rng = np.random.default_rng(0)
    whole, parts = Tally(), [Tally(), Tally()]
    gaps = []
    for k in range(80):
        truth = arc(8, 0.0)
        said = Forecast(truth[:, :2] + [0.0, rng.uniform(0, 2)])
        made = whole.add("a", f"drive {k % 2}", k * 1.0, said, truth, 8.0)
        parts[k % 2].add("a", f"drive {k % 2}", k * 1.0, said, truth, 8.0)
        gaps.append(made[METRICS.index("ade@3")])
    parts[0].merge(parts[1])
    a, b = whole.summary("a", "all"), parts[0].summary("a", "all")
    assert a["ade@3"]["mean"] == pytest.approx(np.mean(gaps)) and a["block"] == "drive" and a["n"] == 80
    assert a["ade@3"] == pytest.approx(b["ade@3"]) and a["decision_f1"] == b["decision_f1"] == 1.0
    assert a["ade@3"]["low"] <= a["ade@3"]["mean"] <= a["ade@3"]["high"]
    single = Tally()
    single.add("a", "one", 0.0, said, truth, 8.0)
    assert np.isnan(single.summary("a", "all")["ade@3"]["low"])  # one block says nothing about spread
    nothing = single.summary("a", "standing")  # a drive need not have moments of every kind
    assert nothing["n"] == 0 and np.isnan(nothing["decision_f1"]) and np.isnan(nothing["decision_f1_low"])


# --- forecasts as commands


@given(st.sampled_from(DECISIONS), st.floats(0, 1), st.floats(0, 10))
def test_a_forecast_survives_being_a_command(decision: str, danger: float, ttc: float) -> None:
    said = Forecast(kinematics.constant_turn(Motion(9.0, 0.0, 0.1)), decision, danger, ttc)
    back = forecast.unpack(forecast.channels(20.0).clip(forecast.pack(said)))
    assert np.allclose(back.path, said.path, atol=1e-4) and back.decision == decision
    assert (back.hazard, back.ttc_s) == pytest.approx((danger, ttc), abs=1e-6)
    assert replace(back, path=said.path).others == ()


# --- decisions as steps of the plan grammar


@given(
    st.lists(
        st.tuples(
            st.sampled_from(DECISIONS), st.sampled_from(REASONS) | st.from_regex(r"[a-z]+( [a-z]+)*", fullmatch=True)
        )
    )
)
def test_a_cars_plan_is_printed_and_parsed(said: list[tuple[str, str]]) -> None:
    steps = tuple(plan.decided(*one) for one in said)
    assert plan.read(plan.write(steps)).steps == steps
    for (decision, why), one in zip(said, steps, strict=True):
        skill, *way = decision.split()
        assert (one.skill, one.args, one.points) == (skill, (*way, *filter(None, [why])), ())
        assert plan.points_needed(one.text) == 0


@pytest.mark.parametrize(
    "line", ["turn", "turn around", "brake hazard", "keep left", "hazard lead car brakes", "stop red block"]
)
def test_what_is_no_decision_is_no_step(line: str) -> None:
    with pytest.raises(UserError, match="is not in the grammar"):
        plan.step(line)


def test_a_cars_steps_are_no_words_of_the_arms_decoding() -> None:
    """Shipped weights have these words in this order."""
    assert plan.SKILLS == ("reach", "pick", "put", "push", "draw") == GRAMMAR_WORDS[:5]
    assert not {word for one in DECISIONS for word in one.split()} & set(GRAMMAR_WORDS) - {"left", "right"}


# --- the filter


@given(st.floats(-3, 3), st.floats(-3, 3))
def test_a_trend_follows_a_line_and_averages_noise(level: float, rate: float) -> None:
    times = np.linspace(-0.6, 0, 13)
    assert trend(times, level + rate * times, 0.6) == pytest.approx((level, rate), abs=1e-7)
    noise = np.array([1, -1] * 6 + [1]) * 0.1  # a slope of next to nothing in a channel that jumps
    assert trend(times, level + noise, 0.6) == pytest.approx((level + 0.1 / 13, 0.0), abs=1e-9)


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=12))
def test_a_trend_is_never_steeper_than_the_line(values: list[float]) -> None:
    times = np.linspace(-0.5, 0, len(values))
    assert abs(trend(times, np.array(values), 0.6)[1]) <= abs(slope(times, np.array(values), 0.6)) + 1e-12


def test_a_hazard_ends_where_its_drive_ends() -> None:
    """Two drives, the first ends in a hazard and the second begins in one: two hazards, two alarms, two onsets."""
    times = np.concatenate([np.arange(20) / 10, 1e6 + np.arange(20) / 10])
    labels = np.zeros(40, bool)
    labels[15:25] = True
    ttc = np.where(labels, 2.0, 10.0)
    made = hazard.score(times, labels.astype(float), labels, ttc)
    assert made.hazards == 2 and made.ap == 1.0 and made.mtta_s == pytest.approx(2.0)
    assert hazard.stretches(labels, times) == [(15, 20), (20, 25)] and hazard.stretches(labels) == [(15, 25)]
    told = ["keep"] * 20 + ["brake"] * 20
    assert decisions.onset_delays(times, told, told) == ([], 0)  # nobody saw it begin
