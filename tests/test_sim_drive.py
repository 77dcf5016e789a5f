"""Embodied/Drive-v0: kinematics by formula, roads, traffic, the gymnasium side, and the scripted driver."""

from __future__ import annotations

import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

import sim  # noqa: F401  registers the ids
from embodied.control.chunks import Blend
from embodied.control.loop import run
from embodied.control.safety import Safety
from embodied.data import drives
from embodied.data.drives import DECISIONS, TTC_MAX_S
from embodied.errors import UserError
from embodied.types import Command
from policies.drive_expert import DriveExpert, idm
from sim import car as cars
from sim import road as roads
from sim import traffic as others
from sim.drive import KINDS, DriveBody
from sim.recorded_drives import drive as recorded
from sim.recorded_drives import drives as record


@pytest.fixture(scope="module")
def body():
    made = DriveBody(look=False)
    yield made
    made.close()


def finish(body: DriveBody, seed: int, late_s: float = np.inf) -> str:
    body.reset(seed)
    expert = DriveExpert(body, late_s)
    while not body.ended:
        body.apply(Command(body.now_s, expert.command().astype(np.float32)))
    return body.ended


# --- car


def test_a_turned_wheel_drives_a_circle() -> None:
    car = cars.Car(speed=5.0, steer=0.3)
    for _ in range(200):
        car.drive(0.0, 0.3)
    radius = cars.WHEELBASE_M / np.tan(0.3)
    assert np.hypot(car.x, car.y - radius) == pytest.approx(radius, rel=1e-4)
    assert car.yaw == pytest.approx(5.0 * 10.0 / radius, rel=1e-6)


@given(st.floats(0, 15), st.floats(-20, 20), st.floats(-2, 2))
def test_actuators_lag_and_have_limits(speed: float, accel: float, steer: float) -> None:
    car = cars.Car(speed=speed)
    before = car.steer
    for _ in range(60):
        car.drive(accel, steer)
        assert -cars.BRAKE_MPS2 - 1e-9 <= car.accel <= cars.GAS_MPS2 + 1e-9 and car.speed >= 0
        assert abs(car.steer - before) <= cars.STEER_RATE_RADPS * cars.TICK_S + 1e-9
        before = car.steer
    assert car.steer == pytest.approx(np.clip(steer, -cars.STEER_RAD, cars.STEER_RAD), abs=1e-2)


# --- road


@given(st.integers(0, 10_000), st.sampled_from(["left", "right", "straight", ""]))
@examples(max_examples=25)
def test_a_route_stays_on_its_road_and_does_its_turn(seed: int, turn: str) -> None:
    road = roads.draw(np.random.default_rng(seed), turn)
    route = road.route
    assert not any(road.off_road(point) for point in route.points[::4])
    assert np.allclose(np.hypot(*np.diff(route.points, axis=0).T), roads.STEP_M, atol=1e-6)
    if road.junction is not None:
        a, b = (route.at(s)[2] for s in road.junction[:2])
        assert b - a == pytest.approx({"left": np.pi / 2, "right": -np.pi / 2, "straight": 0.0}[turn], abs=0.06)
    s = route.length / 2
    assert route.locate(route.at(s, 0.7)[:2]) == pytest.approx((s, 0.7), abs=0.05)


# --- traffic


def test_time_to_collision_with_a_car_that_stands(body: DriveBody) -> None:
    body.reset(12)
    body.traffic = others.Traffic(standing=(40.0, "red"))
    body.car.speed, gap = 10.0, 40.0 - cars.REAR_M - (cars.LENGTH_M - cars.REAR_M)
    ttc, reason = others.danger(body.car, 0.0, body.traffic, body.road)
    assert ttc == pytest.approx(gap / 10.0, abs=0.15) and reason == 4
    body.car.speed = 0.0
    assert others.danger(body.car, 0.0, body.traffic, body.road) == (TTC_MAX_S, 0)


def test_bullet_finds_the_collision(body: DriveBody) -> None:
    """Straight on at the car that stands in the lane; the route is followed, the brake is not used."""
    seed = next(s for s in range(50) if body.reset(s) and body.told == "stop")
    body.reset(seed)
    body.traffic.people.clear()
    expert = DriveExpert(body)
    while not body.ended:
        body.apply(Command(0.0, np.array([1.0, expert.command()[1]], np.float32)))
    assert (body.ended, body.collided) == ("collision", "standing")


def test_leaving_the_road_ends_it(body: DriveBody) -> None:
    body.reset(4)
    while not body.ended:
        body.apply(Command(0.0, np.array([1.0, 0.5], np.float32)))
    assert body.ended == "off the road" and not body.success()


# --- gymnasium


def test_check_env() -> None:
    env = gymnasium.make("Embodied/Drive-v0").unwrapped
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*symmetric and normalized.*")
        check_env(env, skip_render_check=True)
    env.close()


def test_same_seed_same_rollout() -> None:
    def roll(env: gymnasium.Env, seed: int) -> list[bytes]:
        obs, info = env.reset(seed=seed)
        rng, seen = np.random.default_rng(0), [info["task"].encode()]
        for _ in range(25):
            seen += [obs[name].tobytes() for name in sorted(obs)]
            obs, *_ = env.step(rng.uniform([-2, -0.1], [3, 0.1]).astype(np.float32))
        return seen

    first = gymnasium.make("Embodied/Drive-v0").unwrapped
    expected = roll(first, 5)
    roll(first, 6)  # what was there before must not matter
    assert roll(first, 5) == expected
    second = gymnasium.make("Embodied/Drive-v0").unwrapped
    assert roll(second, 5) == expected
    first.close()
    second.close()


def test_every_kind_says_what_it_wants_and_pictures_differ_with_the_sky() -> None:
    told = {}
    for kind in KINDS:
        one = DriveBody(kind, look=False)
        one.reset(3)
        told[kind] = one.goal
        assert (one.traffic.standing is not None) == (kind == "stop")
        assert one.road.turn == (kind if kind in roads.TURNS else "")
        one.close()
    assert len(set(told.values())) == len(KINDS)
    looks = []
    for sky in ("day", "dusk", "fog"):
        one = DriveBody("follow", sky)
        looks.append(one.reset(3).images["front"].astype(int))
        one.close()
    assert all(np.abs(a - b).mean() > 8 for a, b in ((looks[0], looks[1]), (looks[1], looks[2]), (looks[0], looks[2])))
    with pytest.raises(UserError, match="unknown kind 'park'"):
        DriveBody("park")


def test_a_car_that_brakes_shows_it_and_nothing_else_changes() -> None:
    """Red where the lamps are, and the same picture without them, or when the car does not brake."""
    shown = {}
    for lamps in (True, False):
        one = DriveBody("follow", "day", lamps=lamps)
        for braking in (True, False):
            one.reset(3)
            one.traffic = others.Traffic(lead=others.Lead(18.0, 6.0, 6.0, "blue", [(0.0, 3.0, 0.0, 9.0)] * braking))
            one._build()
            for _ in range(3):
                one.apply(Command(one.now_s, np.zeros(2, np.float32)))
            shown[lamps, braking] = one.look_out()
        kinds = [kind for kind, *_ in one.shown().values()]
        assert kinds.count("car") == 1 + lamps
        one.close()
    lit, dark = shown[True, True].image.astype(int), shown[False, True].image.astype(int)
    changed = np.abs(lit - dark).sum(-1) > 0
    assert 6 <= changed.sum() <= 60 and (lit[changed, 0] > 2 * lit[changed, 1]).all()
    assert np.array_equal(shown[True, False].image, shown[False, False].image)


# --- the scripted driver


@given(st.floats(0, 20), st.floats(1, 20), st.floats(0.5, 80), st.floats(0, 20))
def test_idm_is_monotone(speed: float, wanted: float, gap: float, theirs: float) -> None:
    assert idm(speed, wanted, gap, theirs) <= idm(speed, wanted, gap + 5, theirs) + 1e-9
    assert idm(speed, wanted, gap, theirs) <= idm(speed, wanted) + 1e-9
    assert idm(wanted, wanted) == pytest.approx(0.0, abs=1e-9)


def test_the_expert_drives_through_the_loop(body: DriveBody) -> None:
    obs = body.reset(0)
    guard = Safety(body.spec, speeds={"accel": np.inf, "steer": np.inf}, stale_s=np.inf)
    result = run(
        body, DriveExpert(body), body.goal, obs=obs, safety=guard, seam=Blend(rows=0), max_ticks=2000, confirm=False
    )
    assert result.reason == "finished" and body.success()


def test_expert_on_a_few_seeds(body: DriveBody) -> None:
    assert [finish(body, seed) for seed in range(10_000_000, 10_000_012)] == ["arrived"] * 12


@pytest.mark.slow
def test_expert_on_200_seeds(body: DriveBody) -> None:
    ends = [finish(body, seed) for seed in range(10_000_000, 10_000_200)]
    assert ends.count("arrived") >= 196


# --- recordings


def test_recordings_are_labelled_and_read_back(tmp_path) -> None:
    assert record(1, tmp_path, first_seed=3102, cameras=(), progress=False) == 1
    (drive,) = drives.read(tmp_path)
    seen = list(drive.stream())
    frames = list(recorded(3102, look=False))
    assert len(seen) == len(frames) > 200
    for a, b in zip(seen[::50], frames[::50], strict=True):
        for state in ("ego", "pose", "truth"):
            assert np.array_equal(a.states[state], b.observation.states[state][-1:])
    labels = np.array([f.observation.states["truth"][-1] for f in frames])
    assert {DECISIONS[int(k)] for k in labels[:, 0]} == {f.plan for f in frames}
    dangers = labels[:, 1] > 0
    assert dangers.any() and np.all((labels[:, 2] <= 3.0) == dangers)
    assert all(("pedestrian" in f.step) == (f.observation.states["truth"][-1, 3] in (2, 3)) for f in frames if f.step)
