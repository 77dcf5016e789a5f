"""The command line: settings, bad input, one episode from sentence to film, an evaluation that resumes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embodied import plan as grammar
from embodied import registry
from embodied.cli import compose, main, parts
from embodied.errors import UserError
from embodied.types import Observation, Plan, Step
from policies.expert import Expert, grounded
from policies.symbolic import Want

GOAL = "put the red block in the blue bowl, then pick up the green one"
SCRIPT = ("pick red block", "put red block in blue bowl", "pick green block")


class Scripted(Expert):
    """Stands in for the learned planner: fixed steps, carried out by exact facts, blind to nothing."""

    script: tuple[str, ...] = SCRIPT
    refusal = ""

    def __init__(self, body: Any, weights: str = "tabletop", mode: str = "skills", threads: int = 1) -> None:
        self.made_with = (weights, mode, threads)
        super().__init__(body)

    def plan(self, obs: Observation, goal: str, done: tuple[Step, ...] = ()) -> Plan:
        if self.refusal:
            return Plan(goal, done, len(done), self.refusal)
        steps = [grammar.step(text) for text in self.script[len(done) :]]
        return Plan(
            goal, done + tuple(grounded(steps, self.world.facts(), self.world.spec.cameras["front"])), len(done)
        )


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> type[Scripted]:
    registry.choices("policy")
    monkeypatch.setitem(registry._parts["policy"], "planner", Scripted)
    monkeypatch.setattr(Scripted, "script", SCRIPT)
    monkeypatch.setattr(Scripted, "refusal", "")
    return Scripted


# --- settings


@settings(max_examples=12)
@given(st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=60).filter(lambda t: "${" not in t))
def test_text_reaches_the_settings_as_typed(text: str) -> None:
    made, _ = compose.settings("run", ["policy=expert", f"goal={text}"])
    assert made.goal == text


def test_types_defaults_and_groups(scripted: type[Scripted]) -> None:
    made, chosen = compose.settings("run", ["seed=5", "gui=true", "policy.threads=2", "disturb=0.5"])
    assert (made.seed, made.gui, made.disturb, made.goal) == (5, True, 0.5, None)
    assert chosen == {"policy": "planner"}
    assert made.policy == {"threads": 2}
    made, chosen = compose.settings("evaluate", ["policy=expert"])
    assert len(made.suite["tasks"]) == 12
    assert chosen == {"policy": "expert", "suite": "tabletop"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "sed=1"], "did you mean 'seed'"),
        (["run", "seed=abc"], "a whole number"),
        (["run", "seed=1.5"], "a whole number"),
        (["run", "seed=1,2"], "a whole number"),
        (["run", "gui=maybe"], "true or false"),
        (["run", "seed"], "key=value"),
        (["run", "--seed=1"], "key=value"),
        (["run", "+seed=1"], "unknown key"),
        (["run", "seed=1", "seed=2"], "twice"),
        (["run", "policy=plannner"], "did you mean 'planner'"),
        (["run", "policy.thread=1"], "did you mean 'threads'"),
        (["run", "policy.threads=x"], "a whole number"),
        (["run", "goal=pick the purple elephant"], "names a 'elephant'"),
        (["run", "goal=put that teapot on the red block"], "names a 'teapot'"),
        (["run", "goal=please don't touch the red block"], "what not to do"),
        (["run", "goal=put the two blue blocks in the white bowl"], "several blue blocks"),
        (["run", "task=pick", f"seed={10**20}"], "out of range"),
        (["ask", "out=look.jpg"], "ends in .png"),
        (["run", "goal=${oc.env:HOME}"], "leave it out"),
        (["run", "task=stack"], "choose from"),
        (["run", "split=foo"], "choose from train"),
        (["run", "mode=foo"], "choose from skills"),
        (["run", "robot=ur5"], "choose from panda"),
        (["run", "disturb=2", "task=pick"], "probability"),
        (["run", "budget_s=0"], "positive"),
        (["run", "goal="], "goal is empty"),
        (["run", "goal=   "], "goal is empty"),
        (["run", "goal=" + "pick the red block " * 300], "characters"),
        (["run", "goal=pon el bloque rojo en el cuenco azul"], "not English"),
        (["run", "goal=把红色的方块放进蓝色的碗里"], "not English"),
        (["run", "goal=pick up the red block", "task=pick", "seed=0"], "none on this table"),
        (["evaluate", "suite=board", "weights=tamp"], "know no board"),
        (["evaluate", "suite=drive", "split=pairs"], "suite=drive does not read split=pairs"),
        (["evaluate", "suite=failures", "policy=expert"], "suite=failures does not read policy=expert"),
        (["evaluate", "suite=scenes", "policy.threads=2"], "does not read policy.threads=2"),
        (["evaluate", "count=8"], "suite=tabletop does not read count=8"),
        (["evaluate", "suite=board", "weights=tamp-picture"], "read pictures"),
        (["evaluate", "suite=tamp", "input=picture", "weights=tamp"], "read object vectors"),
        (["evaluate", "suite=tamp", "input=objects", "finder=tamp"], "are a reasoner's"),
        (["train", "tamp", "input=picture", "pictures=/nowhere"], "kind=cubes"),
        (["train", "tamp", "input=picture", "pictures=/nowhere", "kinds=q1"], "q1"),
        (["record", "kind=board", "seed=10000000", "out=runs/never"], "is not training's"),
        (["train", "board"], "demonstrations= is missing"),
        (["train", "board", "jobs=dance"], "choose from pair, group, sort"),
        (["evaluate", "suite=foo"], "choose from affordance, board, drive, failures, highway, scenes, tabletop, tamp"),
        (["evaluate", "task=foo"], "choose from"),
        (["evaluate", "split=train"], "choose from seen"),
        (["evaluate", "episodes=0"], "too small"),
        (["evaluate", "instructions=/nowhere.yaml"], "cannot read"),
        (["record", "task=pick"], "out= is missing"),
        (["weights", "weights=/nowhere"], "no weights at"),
        (["tasks", "foo=1"], "takes none"),
        (["rnu"], "did you mean 'run'"),
    ],
)
def test_bad_input_is_one_sentence(
    words: list[str], said: str, scripted: type[Scripted], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    printed = capsys.readouterr()
    assert said in printed.err
    assert printed.err.startswith("embodied: ")
    assert printed.err.count("\n") == 1
    assert "Traceback" not in printed.err


def test_refusal_is_bad_input_and_leaves_the_robot_still(
    scripted: type[Scripted], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sim.body import SimBody

    hands: list[Any] = []
    close = SimBody.close
    monkeypatch.setattr(scripted, "refusal", "no red block here")
    monkeypatch.setattr(SimBody, "close", lambda self: (hands.append(self.facts().hand), close(self)))
    assert main(["run", f"goal={GOAL}", f"out={tmp_path}"]) == 2
    assert "no red block here" in capsys.readouterr().err
    resting = SimBody("pick")
    resting.reset(0)
    assert abs(hands[0] - resting.facts().hand).max() < 1e-3
    resting.close()


def test_missing_camera(scripted: type[Scripted], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Scripted, "cameras", ("front", "ceiling"), raising=False)
    body = parts.body("pick")
    with pytest.raises(UserError, match="camera 'ceiling'"):
        parts.policy("planner", {}, body, "skills", "tabletop", 0)
    body.close()


def test_help_shows_every_key(scripted: type[Scripted], capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("run", "evaluate", "record", "train", "weights", "tasks"):
        assert main([command, "--help"]) == 0
        text = capsys.readouterr().out
        from embodied.cli.settings import COMMANDS

        for name, field in compose.keys(COMMANDS[command].schema()).items():
            assert f"\n  {name} " in text
            assert str(field.metadata["help"]) in text
    assert main(["--version"]) == 0
    assert main([]) == 2


# --- a whole episode


def test_a_sentence_becomes_a_film(
    scripted: type[Scripted], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", f"goal={GOAL}", "seed=1", f"out={tmp_path}", "policy.threads=3"]) == 0
    assert "success" in capsys.readouterr().out
    story = json.loads((tmp_path / "plan.json").read_text())
    assert [s["text"] for s in story["plans"][0]["steps"]] == list(SCRIPT)
    assert all(0 <= u <= 1 and 0 <= v <= 1 for s in story["plans"][0]["steps"] for u, v in s["points"])
    assert "first plan" in story["test"]
    assert all(c["holds"] for c in story["conditions"])
    said = [c["condition"] for c in story["conditions"]]
    assert said[-2:] == ["red block in blue bowl", "green block held"]
    assert "the goal asks for something at the blue bowl" in said and "the plan has to do with the green thing" in said
    assert [c["simulator"] for c in story["checks"]] == [True, True, True]
    from embodied.data.video import decode

    frames = decode(tmp_path / "episode.mp4", 0.0, round(10 * story["episode_s"]), 10)
    assert frames.shape[1:] == (384, 960, 3)


def test_a_failure_is_exit_code_1(scripted: type[Scripted], tmp_path: Path) -> None:
    """A plan that stops early is "finished" for the policy, and a failure by the task's own test."""
    scripted.script = ("reach red block",)
    for goal, code in (
        ("reach for the red block", 0),
        ("put the red block in the blue bowl", 1),  # the bowl is forgotten
    ):
        assert main(["run", f"goal={goal}", f"out={tmp_path / 'a'}", "replan=false"]) == code
    body = parts.body("place-in-bowl")
    body.reset(parts.seed_of("seen", 0))
    scripted.script = (f"reach {body.episode.wants[0].a}",)
    body.close()
    assert main(["run", "task=place-in-bowl", "seed=0", f"out={tmp_path / 'b'}"]) == 1
    assert json.loads((tmp_path / "b" / "plan.json").read_text())["test"] == "the task's own test"


def test_broken_folder_for_results(
    scripted: type[Scripted], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["run", f"goal={GOAL}", f"out={tmp_path / 'file' / 'x'}"]) == 2
    assert "cannot make the folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["ask", f"question={'what ' * 1000}"], "5,000|4,999"),
        (["record", "out=/proc/none/x", "episodes=1"], "cannot make the folder"),
        (["record", "kind=words", "task=pick", "out=x"], "leave it out"),
        (["train", "snapshots=/nowhere"], "is missing"),
        (["train", "snapshots=/nowhere", "text_share=0.9", "sight_share=0.4"], "add up to 1"),
    ],
)
def test_tired_input_is_one_sentence(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert re.search(says, said := capsys.readouterr().err) and len(said.strip().splitlines()) == 1


# --- goals of a user's own


def test_final_wants_keep_each_things_last_condition() -> None:
    from policies.judge import final_wants, want_of

    texts = (
        "pick red block",
        "put red block on table",
        "pick blue block",
        "put blue block on green block",
        "pick red block",
    )
    texts += ("put red block between blue bowl and pink zone", "push black brick to pink zone", "reach white block")
    steps = [grammar.step(text) for text in texts]
    assert final_wants(steps) == (
        Want("on", "blue block", ("green block",)),
        Want("between", "red block", ("blue bowl", "pink zone")),
        Want("pushed", "black brick", ("pink zone",)),
        Want("reached", "white block"),
    )
    assert want_of(steps[1]) == Want("on", "red block")


@pytest.mark.parametrize(
    ("goal", "step", "unmet"),
    [
        ("take the red block out of the blue bowl", "put red block in blue bowl", "at the blue bowl"),
        ("put the red block on teh blu bowl", "put red block behind white brick", "at the white brick"),
        ("put the red block in the blue bowl", "put red block in blue bowl", ""),
        ("swap the red block and the white brick", "put red block on pink zone", ""),
        ("put every red block where it belongs", "put red block in blue bowl", ""),
        ("free the red block from the blue bowl's lid", "put blue block on table", "the red block"),
    ],
)
def test_a_plan_must_have_to_do_with_what_the_goal_names_and_with_nothing_else(
    goal: str, step: str, unmet: str
) -> None:
    from embodied.cli.run import _said

    said = _said(goal, [Plan(goal, (grammar.step(step),))])
    failed = [text for text, held in said if not held and (unmet or "goal asks" in text)]
    assert any(unmet in text for text in failed) if unmet else not failed, said


def test_a_table_has_what_the_goal_names_and_one_seed_one_table() -> None:
    from sim.request import mentioned, table_for

    assert mentioned("Stack the scarlet cube on the can which is green, then the red one") == [
        ("red", "block"),
        ("green", "cylinder"),
        ("red", ""),
    ]
    one, two = table_for(GOAL, 4), table_for(GOAL, 4)
    assert one.items == two.items != table_for(GOAL, 5).items
    names = [item.name for item in one.items]
    assert {"red block", "blue bowl", "green block"} <= set(names)
    assert len(names) == len(set(names))


# --- evaluation


def test_an_evaluation_resumes_and_adds_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["evaluate", "policy=expert", "task=reach,pick", "processes=1", f"out={tmp_path}"]
    assert main([*words, "episodes=1"]) == 0
    log = tmp_path / "episodes.jsonl"
    first = log.read_text()
    log.write_text(first + '{"task": "reach", "epi')  # killed while writing
    assert main([*words, "episodes=2"]) == 0
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert log.read_text().startswith(first)
    assert sorted((e["task"], e["episode"]) for e in lines) == [("pick", 0), ("pick", 1), ("reach", 0), ("reach", 1)]
    assert all(e["seed"] >= 10_000_000 for e in lines)
    told = json.loads((tmp_path / "report.json").read_text())
    assert {"suite", "mode", "split", "seed", "mean", "worst", "tasks"} <= told.keys()
    assert set(told["tasks"]) == {"reach", "pick"}
    assert told["tasks"]["reach"]["n"] == 2
    assert told["tasks"]["reach"]["success"] == 1.0
    assert told["tasks"]["reach"]["plan_accuracy"] == 1.0
    assert "base64" in (tmp_path / "report.html").read_text()
    capsys.readouterr()
    assert main([*words, "episodes=2", "seed=3"]) == 2
    assert "holds an evaluation with seed=0" in capsys.readouterr().err


def test_a_group_of_one_command_is_a_plain_key_of_another(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "policy=nobody"]) == 2
    assert main(["run", "policy=expert", "task=nothing"]) == 2  # stores the group
    capsys.readouterr()
    assert main(["replay", "sample", "policy=ctrw"]) == 2
    assert "unknown driver 'ctrw'" in capsys.readouterr().err
