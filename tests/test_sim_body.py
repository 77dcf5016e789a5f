"""The simulated table: what is commanded happens, inside the limits; what is held stays held."""

from __future__ import annotations

import numpy as np
import pytest

from embodied.control.arm import down
from embodied.errors import UserError
from embodied.protocols import Body
from embodied.types import Command
from policies.symbolic import Want
from sim.body import ROWS, SimBody
from sim.scene import Item
from sim.task import Episode


def item(name: str, x: float, y: float, z: float | None = None, yaw: float = 0.0) -> Item:
    colour, shape = name.split()
    size = {"brick": (0.07, 0.035, 0.035), "bowl": (0.13, 0.13, 0.045), "zone": (0.13, 0.13, 0.001)}.get(
        shape, (0.045, 0.045, 0.045)
    )
    return Item(name, shape, colour, size, (x, y, size[2] / 2 if z is None else z), yaw)


def table(*items: Item, wants: tuple[Want, ...] = ()) -> Episode:
    return Episode("pick", items, wants, "pick it", {}, "")


@pytest.fixture(scope="module")
def body():
    made = SimBody("pick", lazy=True)
    yield made
    made.close()


def drive(body: SimBody, ticks: int, *values: float) -> None:
    for _ in range(ticks):
        body.apply(Command(body.now_s, np.array(values, np.float32)))


def test_body_is_a_body_and_observes_what_its_spec_says(body):
    assert isinstance(body, Body)
    obs = body.reset(0)
    for name, camera in body.spec.cameras.items():
        assert obs.images[name].shape == (camera.height, camera.width, 3) and obs.images[name].dtype == np.uint8
        assert obs.depth[name].shape == (camera.height, camera.width) and obs.depth[name].dtype == np.float32
    for name, channels in body.spec.states.items():
        rows = obs.states[name]
        assert rows.shape == (ROWS, len(channels)) and rows.dtype == np.float32
        assert np.array_equal(rows, np.repeat(rows[:1], ROWS, axis=0))
    assert obs.t_s == 0.0
    drive(body, 3, 0.4, 0.0, 0.3, 0.0, 0.04)
    now = body.observe()
    assert now.t_s == pytest.approx(0.15)
    assert np.array_equal(now.states["arm"][: ROWS - 3], obs.states["arm"][3:])  # the window slides


@pytest.mark.parametrize("x", [0.36, 0.68])
@pytest.mark.parametrize("y", [-0.28, 0.28])
def test_hand_reaches_the_workspace_within_a_millimetre(body, x, y):
    body.load(table())
    for z, yaw in ((0.02, 1.5), (0.30, -1.5)):
        drive(body, 60, x, y, z, yaw, 0.05)
        assert np.linalg.norm(body.robot.hand()[:3, 3] - [x, y, z]) < 1e-3
        assert np.abs(body.robot.hand()[:3, :3] - down(x, y, z, yaw)[:3, :3]).max() < 0.01
        assert np.allclose(body.observe().states["arm"][-1][:5], [x, y, z, yaw, 0.05], atol=2e-3)


@pytest.mark.parametrize("control", ["ee", "joint"])
def test_limits_hold_under_wild_commands(control):
    body = SimBody("pick", control=control, lazy=True)
    body.load(table())
    rng, action, speed = np.random.default_rng(0), body.spec.action, body.robot.arm.speed
    before, hand = body.observe().states["joints"][-1], body.robot.hand()[:3, 3]
    for _ in range(40):
        sent = body.apply(Command(0.0, rng.uniform(-5, 5, len(action)).astype(np.float32)))
        assert np.all(sent.values >= np.float32(action.low) - 1e-6) and np.all(
            sent.values <= np.float32(action.high) + 1e-6
        )
        now, there = body.observe().states["joints"][-1], body.robot.hand()[:3, 3]
        if control == "ee":
            assert np.all(np.abs(now - before) <= speed * 0.05 * 1.1 + 1e-3)
        assert np.all(np.abs(now - before) <= speed.max() * 0.05 * 1.01)  # also when the arm is pushed off the table
        assert np.all(now >= body.robot.arm.low - 0.02) and np.all(now <= body.robot.arm.high + 0.02)
        if control == "ee":
            assert np.linalg.norm(there - hand) <= 0.6 * 0.05 * 1.25 + 1e-3
        before, hand = now, there
    body.close()


@pytest.mark.parametrize("values", [[0.4, 0, 0.3, 0, np.nan], [0.4, 0, 0.3], [np.inf] * 5])
def test_a_broken_command_is_refused_and_moves_nothing(body, values):
    body.load(table())
    with pytest.raises(UserError, match="5 finite numbers"):
        body.apply(Command(0.0, np.array(values, np.float32)))
    assert body.tick == 0


@pytest.mark.parametrize("name", ["red block", "pink cylinder", "blue brick"])
def test_a_gripped_thing_does_not_slip_on_a_fast_ride(body, name):
    body.load(table(item(name, 0.5, 0.0), wants=(Want("held", name),)))
    assert not body.success()
    body.grip(name)
    width = body.episode.items[0].size[1]
    before = body.facts().things[name].position - body.facts().hand
    for x, y, z in ((0.65, 0.25, 0.40), (0.40, -0.28, 0.15), (0.55, 0.2, 0.35), (0.3, 0.0, 0.4)):
        drive(body, 24, x, y, z, 0.0, width - 0.01)
        facts = body.facts()
        assert facts.held == name and body.success()
        assert np.linalg.norm(facts.things[name].position - facts.hand - before) < 2e-3
    assert body.observe().states["arm"][-1][5] == pytest.approx(20.0, abs=2.0)
    drive(body, 12, 0.3, 0.0, 0.4, 0.0, 0.08)
    assert body.facts().held == "" and not body.success()


def test_pick_from_the_table_by_plain_commands(body):
    body.load(table(item("green brick", 0.5, 0.1, yaw=0.5), wants=(Want("held", "green brick"),)))
    drive(body, 25, 0.5, 0.1, 0.20, 0.5, 0.07)
    drive(body, 12, 0.5, 0.1, 0.015, 0.5, 0.07)
    drive(body, 8, 0.5, 0.1, 0.015, 0.5, 0.025)
    assert body.facts().held == "green brick" and not body.success()  # it still stands on the table
    drive(body, 12, 0.5, 0.1, 0.20, 0.5, 0.025)
    assert body.success()


def test_a_tower_of_four_stands_still(body):
    names = ["red block", "blue cylinder", "green block", "pink cylinder"]
    body.load(table(*(item(n, 0.5, 0.0, 0.0225 + 0.045 * k) for k, n in enumerate(names))))
    before = {n: t.position for n, t in body.facts().things.items()}
    drive(body, 200, 0.3, 0.0, 0.4, 0.0, 0.08)
    for name, thing in body.facts().things.items():
        assert np.linalg.norm(thing.position - before[name]) < 3e-3


def test_a_tipped_brick_has_the_size_of_its_side(body):
    body.load(table(item("red brick", 0.5, 0.0)))
    s = np.sqrt(0.5)
    body.world.place(body.things.bodies["red brick"], (0.5, 0.0, 0.035), (0.0, s, 0.0, s))  # stands on its short end
    thing = body.facts().things["red brick"]
    assert thing.size == (0.035, 0.035, 0.07) and thing.bottom == pytest.approx(0.0, abs=1e-6)


def test_things_fall_into_a_bowl_and_lie_on_a_zone(body):
    body.load(
        table(
            item("blue bowl", 0.5, 0.15), item("red block", 0.5, 0.15, 0.1), item("cyan zone", 0.5, -0.15),
            item("pink brick", 0.5, -0.15),
            wants=(Want("in", "red block", ("blue bowl",)), Want("on", "pink brick", ("cyan zone",))),
        )
    )  # fmt: skip
    body.settle(120)
    things = body.facts().things
    assert body.success()
    assert things["red block"].bottom == pytest.approx(0.004, abs=1e-3)
    assert things["pink brick"].bottom == pytest.approx(0.0, abs=1e-3)  # a zone has no thickness to touch


def test_user_mistakes_are_sentences():
    for settings in ({"task": "pik"}, {"robot": "ur5"}, {"control": "eee"}, {"disturb": 2.0}, {"eyes": ("left",)}):
        with pytest.raises(UserError):
            SimBody(**settings)  # type: ignore[arg-type]
    fresh = SimBody("pick")
    with pytest.raises(UserError, match="reset"):
        fresh.facts()
    fresh.instructions = {"pick": ["would you lift {a}"]}
    fresh.reset(0)
    assert "lift" in fresh.goal and fresh.episode.template == "would you lift {a}"
    fresh.close()
