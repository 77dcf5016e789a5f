"""Rates, intervals, F1 and the three files of a report."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embodied import report


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_solves_its_equation(pair: tuple[int, int]) -> None:
    """The bounds are the rates p at which the observed one lies z standard errors (of p itself) away."""
    won, n = pair
    low, high = report.wilson(won, n)
    assert 0 <= low <= won / n <= high <= 1
    for p in (low, high):
        if 0 < p < 1:
            assert abs(won / n - p) == pytest.approx(report.Z95 * math.sqrt(p * (1 - p) / n), abs=1e-9)


def test_wilson_known_value() -> None:
    low, high = report.wilson(95, 100)
    assert (round(low, 4), round(high, 4)) == (0.8882, 0.9785)
    assert report.wilson(0, 0) == (0.0, 1.0)


def test_f1() -> None:
    told = report.f1([(0.9, True), (0.8, True), (0.7, False), (0.2, True), (0.1, False)])
    assert (told["tp"], told["fp"], told["fn"]) == (2, 1, 1)
    assert told["f1"] == pytest.approx(2 / 3)
    # hit rate 2/3, false alarms 1/2
    assert told["f1_balanced"] == pytest.approx(2 * (2 / 3) / (2 / 3 + 1 / 2 + 1))
    assert math.isnan(report.f1([])["f1"])


def _episodes() -> list[dict[str, object]]:
    one = {
        "plan_right": True,
        "replans": 1,
        "verdicts": [[0.9, True]],
        "time_s": 2.0,
        "plan_s": [0.1],
        "end": "finished",
    }
    return [
        {**one, "task": "pick", "episode": 0, "success": True},
        {
            **one,
            "task": "pick",
            "episode": 1,
            "success": False,
            "video": "failures/a.mp4",
            "goal": "<b>pick</b>",
            "end": "budget",
        },
        {**one, "task": "reach", "episode": 0, "success": True, "plan_right": False},
    ]


def test_summary_adds_up() -> None:
    told = report.summary(_episodes(), suite="tabletop", mode="skills", split="seen", seed=0)
    assert (told["mean"], told["worst"], told["worst_task"]) == (0.75, 0.5, "pick")
    assert told["tasks"]["pick"]["n"] == 2
    assert told["plan_accuracy"] == pytest.approx(2 / 3)
    assert told["ends"] == {"budget": 1, "finished": 2}
    assert (told["low"], told["high"]) == report.wilson(2, 3)


def test_files(tmp_path: Path) -> None:
    told = report.summary(_episodes(), suite="tabletop", mode="skills", split="seen", seed=0)
    report.write(tmp_path, told, _episodes())
    assert json.loads((tmp_path / "report.json").read_text())["tasks"]["pick"]["success"] == 0.5
    assert "| pick | 2 | 50.0 %" in (tmp_path / "report.md").read_text()
    page = (tmp_path / "report.html").read_text()
    assert "failures/a.mp4" in page
    assert "<b>pick</b>" not in page  # a goal is text, not markup
    assert "http" not in page


def test_numbers_that_are_none_become_null(tmp_path: Path) -> None:
    told = report.summary([{"task": "pick", "episode": 0, "success": True}])
    report.write(tmp_path, told, [])
    row = json.loads((tmp_path / "report.json").read_text(), parse_constant=pytest.fail)["tasks"]["pick"]
    assert row["plan_accuracy"] is None
