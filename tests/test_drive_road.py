"""The driver's seat: path to wheel and pedals, closed-loop episodes and their report, highway-env as a body."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embodied import report_road
from embodied.cli import main
from embodied.control.chunks import Blend
from embodied.control.loop import run
from embodied.control.safety import Safety
from embodied.drive.forecast import Forecast
from embodied.drive.paths import MIDDLES, TIMES, unroll
from embodied.model.driving import WORDS
from embodied.model.driving_weights import shared
from embodied.plan import COLOURS
from embodied.types import Command
from policies.drive_expert import WHEELBASE_M, pursue
from policies.lane import LaneKeeper
from policies.road import aim, pedals
from policies.route_words import unread
from sim.drive import TELLINGS


def going(speed: float, accel: float = 0.0, turn: float = 0.0) -> np.ndarray:
    return unroll(np.maximum(speed + accel * MIDDLES, 0.0), turn + 0 * MIDDLES)


@given(st.floats(5, 60), st.booleans())
def test_pursuit_drives_the_circle_through_the_point(radius: float, left: bool) -> None:
    turn = (1 if left else -1) / radius
    way = going(8.0, 0.0, 8.0 * turn)
    assert pursue(aim(way, 5.0)) == pytest.approx(math.atan(WHEELBASE_M * turn), rel=0.03)


@pytest.mark.parametrize("weights", ["road", "road-ego"])
def test_a_command_is_read_as_far_as_it_was_taught(weights: str) -> None:
    words = shared(weights).words
    for telling in (one for tellings in TELLINGS.values() for one in tellings):
        for colour in COLOURS:
            assert unread(telling.format(colour=colour), words, WORDS) == ()
    for command, strange in {
        "Fly to the moon": ("fly", "moon"),
        "turn left, then pick the pedestrian up": (
            "then",
            "pick",
            "pedestrian",
        ),  # words of the arm, and of its own answers
        "links abbiegen, dann 左转": ("links", "abbiegen", "dann", "左转"),
        f"{'drive on ' * 6}until the end": ("until", "the", "end"),  # the places are over
        "": (),
    }.items():
        assert unread(command, words, WORDS) == strange


@given(st.floats(0.0, 14.0), st.floats(-3.0, 2.0))
def test_the_pedals_follow_the_paths_speed(speed: float, accel: float) -> None:
    said = Forecast(going(speed, accel))
    if speed + accel * 1.2 > 0.5:
        assert pedals(said, speed) == pytest.approx(accel, abs=0.05)
    elif speed + 1.1 * accel < 0:
        assert pedals(said, speed) <= -0.5
    brakes = -pedals(Forecast(going(speed), hazard=0.9, ttc_s=2.0), speed)
    if speed > 4:  # it stands before the 2 s are over
        assert speed**2 / 2 / brakes < 2.0 * speed
    assert pedals(Forecast(going(speed), hazard=0.4, ttc_s=2.0), speed) == pytest.approx(0.0, abs=1.2)


def test_where_a_path_ends_the_wheel_is_kept_straight_on() -> None:
    short = going(2.0, -2.0, 0.0)  # stands after a metre
    assert np.allclose(aim(short, 6.0), [6.0, 0.0])
    assert np.allclose(aim(np.zeros((len(TIMES), 2)), 6.0), [6.0, 0.0])


def test_the_report_counts_what_happened(tmp_path) -> None:
    episodes = [
        {"task": "left", "episode": k, "goal": "g", "success": k < 3, "end": ("arrived", "collision")[k == 3],
         "progress": 1.0 if k < 3 else 0.5, "collision": "", "way_m": 250.0, "off_s": 0.0, "out_s": 1.0, "drive_s": 25.0}
        for k in range(4)
    ]  # fmt: skip
    made = report_road.summary(episodes, suite="drive", policy="network")
    assert made["all"]["success"] == 0.75 and made["all"]["collisions_per_km"] == pytest.approx(1.0)
    assert made["all"]["progress"] == pytest.approx(0.875) and made["all"]["beside"] == pytest.approx(0.04)
    assert made["safe"]["n"] == 3 and made["safe"]["interval"][0] == pytest.approx(0.3006, abs=1e-4)
    report_road.write(tmp_path, made, episodes)
    assert "| left | 4 | 75.0 % |" in (tmp_path / "report.md").read_text()


def test_the_expert_is_evaluated_over_processes_and_resumed(tmp_path, capsys) -> None:
    words = [
        "evaluate",
        "suite=drive",
        "policy=road-expert",
        "task=follow",
        "processes=1",
        "videos=0",
        f"out={tmp_path}",
    ]
    assert main([*words, "episodes=1"]) == 0
    first = (tmp_path / "episodes.jsonl").read_text()
    assert main([*words, "episodes=1"]) == 0 and (tmp_path / "episodes.jsonl").read_text() == first
    assert "1 of 1 routes without collision or leaving the road" in capsys.readouterr().out
    assert '"seed": 10000000' in first
    assert main(["evaluate", "suite=drive", "policy=expert", f"out={tmp_path / 'x'}"]) == 2
    assert "needs a simulated body with facts, not DriveBody" in capsys.readouterr().err


@pytest.mark.slow
def test_the_shipped_network_drives_and_a_seed_is_a_rollout() -> None:
    from policies.drive_network import Network
    from policies.road import RoadPolicy
    from sim.drive import DriveBody

    body, ends = DriveBody("straight"), []
    policy = RoadPolicy(Network("road", follows=False), body)
    for _ in range(2):
        obs = body.reset(950_002)  # a training seed: nothing is measured here
        policy.reset()
        guard = Safety(body.spec, speeds=dict.fromkeys(body.spec.action.names, np.inf), stale_s=np.inf)
        run(body, policy, body.goal, obs=obs, safety=guard, seam=Blend(rows=0), max_ticks=10**4, confirm=False)
        ends.append((body.ended, body.tick, body.car.x, body.car.y))
    assert ends[0] == ends[1] and ends[0][0] == "arrived"
    body.close()


# --- highway-env


@pytest.fixture(scope="module")
def track():
    pytest.importorskip("highway_env")
    from sim.highway import HighwayBody

    body = HighwayBody("racetrack")
    yield body
    body.close()


def test_left_is_left_and_a_seed_is_a_rollout(track) -> None:
    def roll(steer: float) -> list[np.ndarray]:
        track.reset(10_000_001)
        seen = []
        for _ in range(12):
            track.apply(Command(track.now_s, np.array([0.0, steer], np.float32)))
            obs = track.observe()
            seen.append(np.concatenate([obs.states[name][-1] for name in ("ego", "lane", "around")]))
        return seen

    left, right, again = roll(0.15), roll(-0.15), roll(0.15)
    assert np.array_equal(left, again)
    assert left[-1][2] > 0 > right[-1][2]  # yaw rates
    assert left[-1][4] > right[-1][4]  # metres left of the lane's middle
    assert left[-1][3] == pytest.approx(0.15)


def test_the_lane_keeper_goes_round_the_track(track) -> None:
    obs = track.reset(10_000_000)
    guard = Safety(track.spec, speeds=dict.fromkeys(track.spec.action.names, np.inf), stale_s=np.inf)
    ended = run(
        track, LaneKeeper(track), "drive on", obs=obs, safety=guard, seam=Blend(rows=0), max_ticks=250, confirm=False
    )
    assert ended.reason == "budget" and not track.ended and track.way_m > 40
