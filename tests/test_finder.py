"""What the finder is taught is what it finds, and what it finds makes the listing that the simulator's facts make."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from embodied import registry
from embodied.model.decode import Look
from embodied.model.finder import CARRIED, GROUPS, Finder, Found, lies
from embodied.model.lessons import listing
from embodied.model.tokens import LINE
from embodied.plan import COLOURS, PLACES, SHAPES
from embodied.types import Point
from sim import snapshots
from sim.camera import front
from sim.scene import facts
from sim.task import seed_of
from tests.test_model import made, seen

TASKS = [*registry.choices("task"), "compound"]
ROWS, COLS = 24, 40


def marks_of(names: list[str], at: np.ndarray, carried: list[str]) -> torch.Tensor:
    """(1, k, 6) as the losses take them."""
    rows = []
    for name, (u, v), how in zip(names, at, carried, strict=True):
        colour, shape = name.split()
        group = int(shape in PLACES)
        rows.append([group, u, v, COLOURS.index(colour), GROUPS[group].index(shape), CARRIED.index(how)])
    return torch.tensor(rows, dtype=torch.float32)[None]


def test_what_is_taught_is_found() -> None:
    torch.manual_seed(0)
    names = ["red block", "red brick", "blue cylinder", "green bowl", "blue block", "pink zone"]
    at = np.array([[0.1, 0.2], [0.5, 0.5], [0.51, 0.42], [0.81, 0.6], [0.8, 0.57], [0.3, 0.9]])
    carried = ["", "", "on", "", "in", ""]
    finder, cells = Finder(32), torch.randn(1, 32, ROWS, COLS)
    marks = torch.cat([marks_of(names, at, carried), torch.full((1, 2, 6), -1.0)], 1)  # padding is no thing
    optimizer = torch.optim.Adam(finder.parameters(), 0.01)
    first = None
    for _ in range(150):
        loss = torch.stack(list(finder.losses(cells, marks).values())).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        first = first or loss.item()
    assert loss.item() < 0.02 * first
    found = {one.name: one for one in finder.find(cells)}
    assert sorted(found) == sorted(names)
    for name, (u, v), how in zip(names, at, carried, strict=True):
        one = found[name]
        assert one.carried == how and one.p > 0.8
        assert abs(one.point.u - u) < 0.2 / COLS and abs(one.point.v - v) < 0.2 / ROWS
    # A shape that is plain to see outweighs the names met before, and a second red thing is red, though only one was met.
    assert {one.name for one in finder.find(cells, met={"red cylinder", "red brick", "green brick"})} == set(names)
    with torch.no_grad():
        last = finder.read[-1]
        kinds = slice(3 + len(COLOURS), 3 + len(COLOURS) + len(SHAPES))
        last.weight[kinds], last.bias[kinds] = 0.0, 0.0  # now no shape can be told
    unsure = {one.name for one in finder.find(cells, met={"red cylinder", "red brick", "blue cylinder", "blue block"})}
    assert unsure == {"red cylinder", "red brick", "blue cylinder", "blue block", "green bowl", "pink zone"}


def test_an_empty_picture_teaches_that_nothing_is_there() -> None:
    finder, cells = Finder(32), torch.randn(2, 32, ROWS, COLS)
    parts = finder.losses(cells, torch.full((2, 1, 6), -1.0))
    assert set(parts) == {"centre"} and parts["centre"].item() > 0
    assert finder.find(cells[:1]) == []


@pytest.mark.parametrize("task", TASKS)
def test_a_faultless_finder_lists_what_the_simulator_says(task: str) -> None:
    part, camera, piles = registry.build("task", task), front(), 0
    for seed in range(20):
        episode = part.sample(np.random.default_rng(seed_of("train", 5, seed)), "train")
        held = next((i.name for i in episode.items if i.movable), "") if seed % 4 == 0 else ""
        table = facts(episode.items, held)
        true = {name: how for name, how in snapshots.lies(table, table.things).items() if how.split(" ", 1)[1] != held}
        found = [
            Found(name, point, true.get(name, "").split(" ")[0], 0.9)
            for name, point in snapshots.marks(table, camera).items()
        ]
        if held:
            found.append(Found(held, Point(0.5, 0.7), true[held], 0.9))
        assert lies(found) == true
        piles += len(true)
    assert piles or task not in ("unstack-then-pick", "swap-two")


def test_one_thing_is_in_the_hand() -> None:
    two = [Found("red block", Point(0.5, 0.7), "in hand", 0.9), Found("blue brick", Point(0.5, 0.7), "in hand", 0.8)]
    assert lies(two) == {"red block": "in hand"}


def test_what_hangs_before_the_wrist_camera_does_not_lie_on_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    model = made()
    look = Look(model, *seen(model))
    table = [Found("green block", Point(0.2, 0.3), "", 0.9), Found("blue bowl", Point(0.6, 0.6), "", 0.9)]
    hand = [
        Found("green block", Point(0.8, 0.9), "in hand", 0.5), Found("red block", Point(0.8, 0.9), "in hand", 0.9),
        Found("pink brick", Point(0.8, 0.9), "", 0.9),
    ]  # fmt: skip
    for camera, found in (("front", table), ("wrist", hand)):
        monkeypatch.setattr(model.finders[camera], "find", lambda cells, met, found=found: found)
    found = look.find()
    said = listing({one.name: one.point for one in found}, lies(found)).split(LINE)
    assert said == ["red block in hand", "green block <x025><y038>", "blue bowl <x076><y076>"]
    monkeypatch.setattr(model.finders["wrist"], "find", lambda cells, met: [])
    assert look.find() == table
