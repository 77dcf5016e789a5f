"""Questions outside plans: their answers are what is so, sentences of a listing say what it holds, and texts are scored."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from embodied.cli import evaluate_scenes, main
from embodied.plan import read_listing
from policies.describe import caption, change
from policies.symbolic import support

pytest.importorskip("pybullet")
from sim.asked import CHANGES, Tables

BEFORE = read_listing("red block <x040><y060>\nblue bowl <x080><y060>\ngreen block <x040><y055> on red block")


def test_a_listing_is_told_thing_by_thing() -> None:
    assert caption(BEFORE) == (
        "the blue bowl is on the table . the green block is on red block . the red block is on the table"
    )
    assert change(BEFORE, BEFORE) == "nothing has changed"
    after = read_listing("blue bowl <x100><y060>\ngreen block <x100><y060> in blue bowl\npink brick <x010><y010>")
    assert change(BEFORE, after) == (
        "the blue bowl has moved . the green block is now in blue bowl . the pink brick is new . the red block is gone"
    )


@pytest.fixture(scope="module")
def tables():
    made = Tables()
    yield made
    made.close()


@pytest.mark.parametrize("k", range(3))
def test_answers_are_what_the_simulator_holds(tables: Tables, k: int) -> None:
    facts, asked = [], []

    def answer(obs: object, some: list) -> None:
        facts.append(tables.body.facts())
        asked.append({one.test: one for one in some})

    tables.table(k, answer)
    before, after = facts
    first = asked[0]
    assert int(first["count"].answer) == len(before.things)
    below = first["on"].text.removeprefix("what is on the ")
    on_it = sorted(name for name in before.things if name != below and support(before, name) == below)
    assert first["on"].answer == (" and ".join(on_it) or "nothing")
    if "where" in first:
        thing = first["where"].text.removeprefix("where is the ")
        assert first["where"].answer == f"on {support(before, thing)}"
    told = asked[1]["change"].answer
    moved = [n for n in before.things if abs(before.things[n].position - after.things[n].position).max() > 0.05]
    assert (told == "nothing has changed") == (not moved)
    if CHANGES[k] == "nothing":
        assert not moved
    again = []
    tables.table(k, lambda obs, some: again.append({one.test: one for one in some}))
    assert again == asked


def test_the_suite_writes_its_report_and_says_when_it_cannot_score_texts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate_scenes, "texts", lambda answers: {})
    assert main(["evaluate", "suite=scenes", "scenes=1", "processes=1", f"out={tmp_path}"]) == 0
    assert set(json.loads((tmp_path / "report.json").read_text())["tests"]) >= {"count", "on", "caption", "change"}
    assert "embodied-planner[metrics]" in capsys.readouterr().out


def test_texts_are_scored_by_the_libraries() -> None:
    pytest.importorskip("sacrebleu")
    pytest.importorskip("pycocoevalcap")
    true = ["the red block is on the table", "the blue bowl is on the table", "nothing has changed"]
    answers = [{"said": one, "answer": one} for one in true]
    exact, wrong = (
        evaluate_scenes.texts(some) for some in (answers, [*answers[:2], {**answers[2], "said": "it rains"}])
    )
    assert exact["bleu"] == pytest.approx(100) and 0 < wrong["bleu"] < 100
    assert exact["cider"] > wrong["cider"] > 0
