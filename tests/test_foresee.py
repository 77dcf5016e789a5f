"""The listing as it will be is the listing of the facts as they will be; what is hidden is not forgotten."""

from __future__ import annotations

import numpy as np
import pytest

from embodied import plan as grammar
from embodied import registry
from embodied.listing import Found
from embodied.model.tokens import LINE
from embodied.plan import HELD
from embodied.types import Point
from policies.expert import grounded
from policies.foresee import Listing, after, remembered
from policies.judge import want_of
from policies.symbolic import DIRECTIONS, Facts, holds, remaining
from sim import words
from sim.camera import front
from sim.scene import facts
from sim.snapshots import lies, marks
from sim.task import seed_of
from tests.test_told import written

A, B, C = Point(0.2, 0.3), Point(0.5, 0.5), Point(0.8, 0.6)


@pytest.mark.parametrize("task", sorted({*words.TASKS}))
def test_what_is_foreseen_is_what_the_rules_bring_about(task: str) -> None:
    camera, steps_taken = front(), 0
    for seed in range(8):
        rng = np.random.default_rng(seed_of("train", 7, seed))
        episode = registry.build("task", task).sample(rng, "train")
        table = facts(episode.items)
        for _ in range(seed % 3):
            table = words.heaped(table, rng, camera)
        listing = grammar.read_listing(written(table).replace(LINE, "\n"))
        for want in episode.wants:
            for step in grounded(remaining((want,), table), table, camera, (want,)):
                listing, table = after(listing, [step], camera), words.after(step, table, camera)
                assert table is not None, step.text
                steps_taken += 1
                moved, (point, where) = want_of(step), listing[step.args[0]]
                assert (point is None) == (where == HELD) == (table.held == moved.a)
                said, true = (
                    {n: how for n, how in one.items() if n == moved.a} for one in (told(listing), exact(table))
                )
                if not holds(moved, table):
                    continue  # what is put on a thing in a bowl is in the bowl
                assert said == true or moved.relation in DIRECTIONS, step.text  # beside a thing there may be a zone
                if moved.relation in ("on", "pushed"):  # elsewhere there are several places
                    there = marks(table, camera)[moved.a]
                    assert abs(point.u - there.u) < 0.03 and abs(point.v - there.v) < 0.04, step.text
    assert steps_taken


def told(listing: Listing) -> dict[str, str]:
    return {name: where for name, (_, where) in listing.items() if where}


def exact(table: Facts) -> dict[str, str]:
    return lies(table, table.things)


def test_foreseeing_leaves_the_listing_and_what_is_not_moved_as_it_is() -> None:
    listing = {"red block": (A, ""), "blue bowl": (B, "")}
    before = dict(listing)
    out = after(listing, [grammar.step("reach blue bowl"), grammar.step("pick red block")], front())
    assert listing == before and out == {"red block": (None, HELD), "blue bowl": (B, "")}
    assert after(out, [grammar.step("put red block in blue bowl")], front())["red block"][1] == "in blue bowl"
    placed = after(out, [grammar.step("put red block on table", (C,))], front())
    point, where = placed["red block"]
    assert where == "" and abs(point.u - C.u) < 0.03 and abs(point.v - C.v) < 0.1  # its top is what is seen of it
    assert set(after({}, [grammar.step("put red block on white block")], front())) == {"red block"}  # unlisted support


@pytest.mark.parametrize(
    ("relation", "axis", "sign"), [("left of", 0, -1), ("right of", 0, 1), ("behind", 1, -1), ("in front of", 1, 1)]
)
def test_sides_are_as_the_front_camera_sees_them(relation: str, axis: int, sign: int) -> None:
    listing = {"red block": (None, HELD), "blue block": (B, "")}
    point, where = after(listing, [grammar.step(f"put red block {relation} blue block")], front())["red block"]
    moved = point.u - B.u, point.v - B.v
    assert where == "" and sign * moved[axis] > 0.05 and abs(moved[1 - axis]) < 0.03


def seen(listing: Listing) -> list[Found]:
    """A listing as it is found, each thing with a point, and how it is carried but not by what."""
    return [Found(name, point or C, where if where == HELD else where.split(" ")[0], 0.9)
            for name, (point, where) in listing.items()]  # fmt: skip


def test_what_is_hidden_stays_known_and_what_is_gone_does_not() -> None:
    zone = {"pink zone": (B, "")}
    hidden = {"red block": (B, "on pink zone")}
    assert remembered(seen(zone), zone | hidden) == zone | hidden
    lone = {"red block": (A, "")}
    assert remembered(seen(zone), lone) == zone | lone
    assert remembered(seen({"red cylinder": (A, "")}), lone) == {"red cylinder": (A, "")}  # its place is taken
    assert remembered(seen({"red cylinder": (C, "")}), lone) == {"red cylinder": (C, "")} | lone


def test_what_is_found_may_lie_on_what_is_hidden() -> None:
    below, above = {"red block": (Point(0.5, 0.5), "")}, {"blue block": (Point(0.5, 0.44), "on red block")}
    assert remembered(seen(above), below) == above | below


def test_one_thing_is_held() -> None:
    held, other = {"red block": (None, HELD)}, {"blue brick": (None, HELD)}
    assert remembered([], held) == held
    assert remembered(seen(other), held) == other
