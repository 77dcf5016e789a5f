"""Plans weighed against each other: the beam is an exhaustive search, the largest product is chosen, one stays as it was."""

from __future__ import annotations

from functools import partial

import pytest

from embodied.cli import main
from embodied.cli.run import History
from embodied.model.decode import Look
from embodied.model.grammar import Grammar
from embodied.model.lessons import ALL, ask_job
from embodied.plan import read_listing, step
from embodied.types import Candidate, Choice, Plan, Point, Step
from policies import candidates
from policies.candidates import UNABLE, UNKNOWN, affordance
from policies.planner import Planner
from sim import request
from sim.body import SimBody
from tests.published import embodied, language

TABLE = "put the red block in the blue bowl, then stack the green block on the yellow block"
AMBIGUOUS = "put the block in the bowl"


@pytest.fixture(scope="module")
def body():
    made = SimBody("compound", split="seen")
    yield made, made.load(request.table_for(TABLE, 7), 7)
    made.close()


def test_the_beam_finds_what_an_exhaustive_search_does(tmp_path) -> None:
    model = embodied(backbone="hf", backbone_from=language(tmp_path, "gpt2"))
    grammar, look = Grammar(model.words), Look(model, {}, {})
    look.note(ALL, "red block <x010><y020> <line> green cylinder <x050><y020>")
    allowed = partial(grammar.job, known=grammar.placed(look.noted))
    ends: list[tuple[list[int], float]] = []
    open_ = [[]]
    while open_:
        said = open_.pop()
        for token in allowed(said):
            if token == grammar.eos:
                ends.append((said, look.chance(ask_job("take it"), [*said, grammar.eos], allowed)))
            else:
                open_.append([*said, token])
    best = sorted(ends, key=lambda one: -one[1])
    assert sum(p for _, p in ends) == pytest.approx(1, abs=1e-3) and len(ends) > 20
    found = look.several(ask_job("take it"), allowed, len(ends))
    assert [said for said, _ in found[:5]] == [said for said, _ in best[:5]]
    assert [p for _, p in found[:5]] == pytest.approx([p for _, p in best[:5]], rel=1e-2)
    assert look.reader.length == look.known


def test_an_ambiguous_sentence_has_several_plans_and_the_largest_product_is_chosen(body) -> None:
    made, obs = body
    planner = Planner(made, candidates=3)
    plan = planner.plan(obs, AMBIGUOUS)
    assert plan.choice is not None
    weighed = plan.choice.candidates
    assert len(weighed) == 3 and plan.steps == weighed[plan.choice.chosen].steps
    assert weighed[plan.choice.chosen].total == max(one.total for one in weighed)
    assert [one.language for one in weighed] == sorted((one.language for one in weighed), reverse=True)
    assert sum(one.language for one in weighed) <= 1 + 1e-6
    ends = [one.steps[-1].text for one in weighed]
    assert len(set(ends)) == 3 and all(end.endswith("in blue bowl") for end in ends)
    assert ends[plan.choice.chosen] in plan.choice.why
    # The same words, but the first thing is hardly there: another is as good an answer, and can be done.
    likeliest = weighed[0].steps[0].args[0]
    look, hand = planner._thought(obs), obs.states["arm"][-1, :3]
    sure = planner._sure | {likeliest: 0.05}
    jobs, choice = candidates.choose(look, planner.grammar, AMBIGUOUS, 3, made.spec, hand, sure)
    assert likeliest not in jobs[0] and choice.chosen == 1
    assert choice.candidates[0].language == pytest.approx(weighed[0].language, rel=1e-3)


def test_one_candidate_is_the_plan_as_ever_and_more_agree_where_the_sentence_is_clear(body) -> None:
    made, obs = body
    one, three = (Planner(made, candidates=n).plan(obs, TABLE) for n in (1, 3))
    assert one.choice is None and one.steps == three.steps and len(one.steps) == 4
    assert three.choice is not None and three.choice.chosen == 0


def test_what_cannot_be_picked_up_when_its_turn_comes_makes_a_plan_unlikely(body) -> None:
    spec = body[0].spec
    table = dict(read_listing("red block <x064><y070>\ngreen block <x064><y066> on red block\nblue bowl <x030><y070>"))
    sure = dict.fromkeys(table, 1.0)
    into = [step("pick red block"), step("put red block in blue bowl")]
    clear = [step("pick green block"), step("put green block on table", [Point(0.7, 0.6)])]

    def chance(*steps: Step, of: dict = table) -> float:
        return affordance(steps, sure, of, spec)

    assert chance(*clear, *into) == 1.0  # the hand is empty again and nothing lies on it any more
    assert chance(*into) == UNABLE  # blocked
    assert chance(clear[0], *into) == UNABLE  # the hand is full
    away = table | {"red block": (Point(0.5, 0.02), "")}
    assert chance(*clear, *into, of=away) == UNABLE  # out of reach
    assert chance(step("draw picture"), of={}) == 1.0


def test_affordance_is_of_each_thing_once_and_a_plan_file_tells_the_choice(body) -> None:
    made, obs = body
    planner = Planner(made)
    steps, table = planner.plan(obs, TABLE).steps, planner._table
    sure = {"red block": 0.5, "blue bowl": 0.8, "green block": 0.9}
    assert affordance(steps, sure, table, made.spec) == pytest.approx(0.5 * 0.8 * 0.9 * UNKNOWN)
    assert affordance((), sure, table, made.spec) == 1
    history = History(20.0)
    history.planned(Plan(TABLE, steps, choice=Choice((Candidate(steps, 0.5, 0.25),), 0, "for a reason")), obs, 0.1)
    told = history.plans[0]["choice"]
    assert told["candidates"] == [
        {"plan": [s.text for s in steps], "language": 0.5, "affordance": 0.25, "total": 0.125}
    ]
    assert told["chosen"] == 0 and told["why"] == "for a reason"
    history.planned(Plan(TABLE, steps), obs, 0.1)
    assert "choice" not in history.plans[1]


def test_no_candidates_are_refused(capsys) -> None:
    assert main(["run", f"goal={TABLE}", "policy.candidates=0"]) == 2
    assert "candidates=0 is too small" in capsys.readouterr().err
