"""Tries at a pick: the simulator makes them fail for the cause that is asked for; what can be picked is read off a listing."""

from __future__ import annotations

import pytest

from embodied.plan import read_listing
from policies.afford import can_pick
from policies.symbolic import on_top_of

pytest.importorskip("pybullet")
from sim.trials import CAUSES, HINDRANCES, Trials


@pytest.fixture(scope="module")
def trials():
    made = Trials()
    yield made
    made.close()


@pytest.mark.parametrize(("k", "cause"), [(0, ""), (1, "slip"), (3, "knock"), (5, "block"), (7, "reach")])
def test_a_pick_succeeds_or_fails_for_its_cause(trials, k, cause):
    seen = []
    trial = trials.failure(k, lambda obs: seen.append(trials.body.facts()))
    name, before, after = trial.step.args[0], seen[-1], trials.body.facts()
    assert (trial.truth, trial.cause) == (not cause, cause) and cause in ("", *CAUSES)
    assert (after.held == name) == trial.truth and not before.held
    assert bool(on_top_of(before, name)) == (cause == "block")
    low = trials.body.spec.action.low
    assert (before.things[name].position[0] < low[0]) == (cause == "reach")


@pytest.mark.parametrize(("k", "cause"), [(0, ""), (1, "block"), (3, "reach"), (5, "full")])
def test_what_hinders_a_pick_is_there_before_it(trials, k, cause):
    seen = []
    trial = trials.affordance(k, lambda obs: seen.append(trials.body.facts()))
    assert (trial.truth, trial.cause) == (not cause, cause) and cause in ("", *HINDRANCES)
    assert bool(seen[-1].held) == (cause == "full")


TABLE = "red block <x064><y064>\nblue block <x020><y080>\ngreen cylinder <x020><y074> on blue block"


@pytest.mark.parametrize(
    ("listing", "name", "possible"),
    [
        (TABLE, "red block", True),
        (TABLE, "green cylinder", True),
        (TABLE, "blue block", False),  # something lies on it
        (TABLE, "white block", False),  # not seen
        ("pink brick in hand\n" + TABLE, "red block", False),  # the hand is full
        ("red block <x064><y003>", "red block", False),  # farther than the fingertips go
        ("red bowl <x064><y064>", "red bowl", False),
    ],
)
def test_what_can_be_picked_follows_from_the_listing(trials, listing, name, possible):
    assert can_pick(name, read_listing(listing), trials.body.spec) is possible
