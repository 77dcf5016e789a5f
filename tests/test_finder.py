"""What the finder is taught is what it finds, and what it finds makes the listing that the simulator's facts make."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from embodied import registry
from embodied.listing import CARRIED, Found, lies
from embodied.model.decode import Look
from embodied.model.finder import GROUPS, Finder
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
ROWS, COLS = 8, 12  # cells of 8 pixels


def marks_of(names: list[str], at: np.ndarray, carried: list[str]) -> torch.Tensor:
    """(1, k, 6) as the losses take them."""
    rows = []
    for name, (u, v), how in zip(names, at, carried, strict=True):
        colour, shape = name.split()
        group = int(shape in PLACES)
        rows.append([group, u, v, COLOURS.index(colour), GROUPS[group].index(shape), CARRIED.index(how)])
    return torch.tensor(rows, dtype=torch.float32)[None]


NAMES = ["red block", "red brick", "blue cylinder", "green bowl", "pink zone"]
AT = np.array([[0.15, 0.2], [0.5, 0.5], [0.82, 0.35], [0.81, 0.75], [0.3, 0.85]])
HOW = ["", "on", "in", "", ""]
PAINTS = {"red": (220, 30, 30), "blue": (30, 40, 220), "green": (30, 180, 40), "pink": (250, 150, 200)}


def picture() -> tuple[torch.Tensor, torch.Tensor]:
    """A grey table with a coloured square at every place, each of another size and height, and its depth."""
    image, depth = np.full((1, ROWS * 8, COLS * 8, 3), 128, np.uint8), np.full((1, ROWS * 8, COLS * 8), 1.0, np.float32)
    image += np.random.default_rng(0).integers(0, 20, image.shape, dtype=np.uint8)
    for k, (name, (u, v)) in enumerate(zip(NAMES, AT, strict=True)):
        x, y, side = int(u * COLS * 8), int(v * ROWS * 8), 4 + k
        image[0, y - side : y + side, x - side : x + side] = PAINTS[name.split()[0]]
        depth[0, y - side : y + side, x - side : x + side] -= 0.02 * k
    return torch.from_numpy(image), torch.from_numpy(depth)


def test_what_is_taught_is_found_with_depth_and_without() -> None:
    torch.manual_seed(0)
    finder, (image, depth) = Finder({"front": 1}, 32), picture()
    marks = torch.cat([marks_of(NAMES, AT, HOW), torch.full((1, 2, 6), -1.0)], 1)  # padding is no thing
    both = image.repeat(2, 1, 1, 1), torch.cat([depth, torch.zeros_like(depth)]), marks.repeat(2, 1, 1)
    finder.eval()  # by heart, that is without exchanged colours
    optimizer = torch.optim.Adam(finder.parameters(), 0.005)
    first = None
    for _ in range(100):
        loss = torch.stack(list(finder.losses("front", *both).values())).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        first = first or loss.item()
    assert loss.item() < 0.05 * first
    for known in (depth, None):
        found = {one.name: one for one in finder.find("front", image, known)}
        assert sorted(found) == sorted(NAMES)
        for name, (u, v), how in zip(NAMES, AT, HOW, strict=True):
            one = found[name]
            assert one.carried == how and one.p > 0.7
            assert abs(one.point.u - u) < 0.3 / COLS and abs(one.point.v - v) < 0.3 / ROWS
    # A shape that is plain to see outweighs the names met before, and a second red thing is red, though only one was met.
    met = {"red cylinder", "red brick", "green brick"}
    assert {one.name for one in finder.find("front", image, depth, met)} == set(NAMES)
    with torch.no_grad():
        last = finder.last["front"]
        last.weight[3 : 3 + len(SHAPES)], last.bias[3 : 3 + len(SHAPES)] = 0.0, 0.0  # now no shape can be told
    unsure = {one.name for one in finder.find("front", image, depth, {"red cylinder", "red brick", "blue brick"})}
    assert unsure == {"red cylinder", "red brick", "blue brick", "green bowl", "pink zone"}


def test_shapes_know_no_paint_and_colours_no_shape() -> None:
    torch.manual_seed(0)
    finder, (image, depth) = Finder({"front": 1}, 32), picture()
    parts = finder.losses("front", image, depth, marks_of(NAMES, AT, HOW))

    def reached(name: str) -> set[str]:
        finder.zero_grad()
        parts[name].backward(retain_graph=True)
        return {".".join(n.split(".")[:2]) for n, p in finder.named_parameters() if p.grad is not None}

    assert not {n for n in reached("found kind") if n.startswith(("colour", "eye.paint", "own"))}
    assert {n for n in reached("found kind") if n.startswith("eye")} >= {"eye.fine", "eye.middle", "eye.coarse"}
    assert reached("found colour") >= {"eye.paint", "colour.0", "own.front"}
    assert not {n for n in reached("found colour") if n.startswith("last")}
    with torch.no_grad():
        finder.eval()
        hidden, maps, paint = finder("front", image, depth)
        for parameter in finder.eye.paint.parameters():
            parameter.add_(1)
        again = finder("front", image, depth)
    torch.testing.assert_close(again[0], hidden, rtol=0, atol=0)
    torch.testing.assert_close(again[1], maps, rtol=0, atol=0)
    assert (again[2] - paint).abs().max() > 0.1


def test_a_camera_of_twice_the_pixels_is_read_the_same() -> None:
    finder, (image, depth) = Finder({"front": 1, "wrist": 2}, 32).eval(), picture()
    for heads in (finder.read, finder.last, finder.own):
        heads["wrist"].load_state_dict(heads["front"].state_dict())
    large = image.repeat_interleave(2, 1).repeat_interleave(2, 2), depth.repeat_interleave(2, 1).repeat_interleave(2, 2)
    with torch.no_grad():
        (_, one, paint), (_, other, painted) = finder("front", image, depth), finder("wrist", *large)
    torch.testing.assert_close(other, one, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(painted, paint, atol=1e-4, rtol=1e-4)


def test_an_empty_picture_teaches_that_nothing_is_there() -> None:
    finder, (image, _) = Finder({"front": 1}, 32), picture()
    parts = finder.losses("front", image.repeat(2, 1, 1, 1), None, torch.full((2, 1, 6), -1.0))
    assert set(parts) == {"centre"} and parts["centre"].item() > 0
    assert finder.eval().find("front", image, None) == []


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
    there = {"front": table, "wrist": hand}
    monkeypatch.setattr(model.finder, "find", lambda camera, image, depth, met: there[camera])
    found = look.find()
    said = listing({one.name: one.point for one in found}, lies(found)).split(LINE)
    assert said == ["red block in hand", "green block <x025><y038>", "blue bowl <x076><y076>"]
    there["wrist"] = []
    assert look.find() == table


def test_the_finder_is_shown_the_depth_of_the_cameras_that_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    model, given = made(), {}
    images, states = seen(model)
    depth = {"front": torch.ones(images["front"].shape[:3])}
    monkeypatch.setattr(model.finder, "find", lambda camera, image, far, met: given.update({camera: (far, met)}) or [])
    Look(model, images, states, depth).find({"red block"})
    assert given == {"front": (depth["front"], {"red block"}), "wrist": (None, {"red block"})}
