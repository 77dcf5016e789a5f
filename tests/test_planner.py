"""The learned policy with the weights that ship: what a user meets first."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from embodied.cli import main
from embodied.errors import UserError
from embodied.model.weights import find
from embodied.types import Observation

GOAL = "put the red block in the blue bowl, then stack the green block on the yellow block"
PLAN = ["pick red block", "put red block in blue bowl", "pick green block", "put green block on yellow block"]


@pytest.fixture(scope="module")
def table():
    from policies.planner import Planner
    from sim import request
    from sim.body import SimBody

    body = SimBody("compound", split="seen")
    obs = body.load(request.table_for(GOAL, 7), 7)
    yield body, Planner(body), obs
    body.close()


def test_weights_are_small_and_hold_no_pickle() -> None:
    folder = find("tabletop")
    assert sum(path.stat().st_size for path in folder.iterdir()) < 25e6
    assert {path.suffix for path in folder.iterdir()} <= {".json", ".safetensors", ".md"}


def test_the_main_job_from_sentence_to_film(tmp_path, capsys) -> None:
    assert main(["run", f"goal={GOAL}", "seed=3", f"out={tmp_path}"]) == 0
    told = json.loads((tmp_path / "plan.json").read_text())
    assert [step["text"] for step in told["plans"][0]["steps"]] == PLAN
    assert (tmp_path / "episode.mp4").stat().st_size > 10_000


def test_same_observation_same_plan_and_a_new_one_is_looked_at(table) -> None:
    _, planner, obs = table
    first = planner.plan(obs, GOAL)
    planner.reset()
    assert planner.plan(obs, GOAL) == first
    blind = Observation(obs.t_s, {name: np.full_like(image, 128) for name, image in obs.images.items()}, obs.states)
    assert planner.look(blind) is not planner.look(obs)


@pytest.mark.parametrize(
    ("goal", "words"), [("", "empty"), ("   ", "empty"), ("pick the red block " * 300, "characters")]
)
def test_unusable_goals_are_told(table, goal: str, words: str) -> None:
    _, planner, obs = table
    with pytest.raises(UserError, match=words):
        planner.plan(obs, goal)


@pytest.mark.parametrize("goal", ["nimm den roten klotz und lege ihn in die schale", "xqzt wvbn plkj"])
def test_foreign_goals_are_refused(table, goal: str) -> None:
    _, planner, obs = table
    plan = planner.plan(obs, goal)
    assert plan.finished and "understand" in plan.refusal


def test_a_missing_camera_is_told(table) -> None:
    _, planner, obs = table
    with pytest.raises(UserError, match="wrist"):
        planner.look(replace(obs, images={"front": obs.images["front"]}))


@pytest.mark.parametrize("setting", ["threads=0", "flow_steps=0", "execute=0", "inpaint=-1"])
def test_settings_that_could_not_work_are_refused(setting: str, capsys) -> None:
    assert main(["run", f"goal={GOAL}", f"policy.{setting}"]) == 2
    assert "too small" in capsys.readouterr().err
