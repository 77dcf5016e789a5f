"""The network that drives: what holds by construction, whatever its weights; its lessons; how it sits in a replay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from embodied.data import drives
from embodied.data.dashcam import dashcam
from embodied.data.drives import DECISIONS, REASONS
from embodied.data.moments import Moments
from embodied.data.road_lessons import RealLessons, RoadLessons, gather
from embodied.data.sources.lerobot_drive import own_camera
from embodied.drive import forecast, paths, sample
from embodied.drive.replay import Replay
from embodied.drive.senses import CHANNELS, ROWS, sense
from embodied.drive.view import HEIGHT, WIDTH, view, window
from embodied.errors import UserError
from embodied.geometry import project
from embodied.model.corrections import KNOTS_M, KNOTS_S, Corrections, shares
from embodied.model.driving import TTC_S, new
from embodied.model.driving_weights import from_pretrained, save_pretrained
from embodied.model.road_losses import losses, total
from embodied.model.traced import Traced
from embodied.optimizers import optimizers
from embodied.types import Command
from policies.drive_network import Network
from sim.road_moments import Pushes, drive, moments

CLOCK = np.arange(-30, 1) * 0.05


def driven(speed: float, accel: float, turn: float) -> np.ndarray:
    """(31, 4) of the last 1.5 s."""
    now = speed + accel * CLOCK
    return np.column_stack([now, 0 * now + accel, 0 * now + turn, np.arctan(turn * 2.7 / np.maximum(now, 1.0))])


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return new(True, ["turn left at the junction", "drive on"]).eval()


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> RoadLessons:
    folder = tmp_path_factory.mktemp("road")
    drive(3).save(folder / "0000003.npz")
    return RoadLessons(folder)


def test_one_graph_says_what_the_network_says() -> None:
    """At every moment, after another command, and of a picture that is noise or missing."""
    (drive_,) = drives.read(sample())
    graph, network = (Network("road", unseeing="road-ego", graph=g) for g in (True, False))
    body, rng = Replay(drive_), np.random.default_rng(0)
    obs = body.reset()
    for one in (graph, network):
        one.begin(body.spec)
    for k in range(60):
        if k == 30:
            graph.say("turn left at the junction"), network.say("turn left at the junction")
        if k > 40:
            noise = rng.integers(0, 256, obs.images["front"].shape, np.uint8)
            obs = replace(obs, images={"front": noise} if k < 50 else {})
        ours, theirs = (forecast.pack(one(obs)) for one in (graph, network))
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
        body.apply(Command(obs.t_s, forecast.pack(forecast.Forecast(np.zeros((60, 2))))))
        obs = body.observe()
    assert graph.strange == network.strange == 9


def test_a_graph_of_one_moment_is_not_asked_about_two(model, monkeypatch) -> None:
    said = []  # by transformers, to who looks at every attribute
    monkeypatch.setattr("transformers.modeling_utils.logger.warning_once", said.append)
    graph, rows = Traced(model), sense(driven(8.0, 0.5, 0.1), CLOCK, CHANNELS)
    for count in (1, 2, 1):
        inputs = {
            name: torch.from_numpy(np.stack([getattr(rows, name)] * count))
            for name in ("series", "now", "speed", "yaw_rate", "path")
        }
        inputs["command"] = torch.stack([model.command("drive on")] * count)
        with torch.inference_mode():
            ours, theirs = graph(**inputs), model(**inputs)
        for name, one in vars(theirs).items():
            mine = getattr(ours, name)
            assert mine is None if one is None else torch.allclose(mine.float(), one.float(), atol=1e-5), name
    assert said == []


# --- paths


@given(st.floats(-3, 20), st.floats(-4, 3), st.floats(-0.5, 0.5))
@examples(max_examples=25)
def test_nothing_said_is_the_prior_and_the_priors_stay(speed: float, accel: float, turn: float) -> None:
    seen = sense(driven(speed, accel, turn), CLOCK, CHANNELS)
    head = Corrections(4)
    given_ = [torch.from_numpy(one[None]) for one in (seen.speed, seen.yaw_rate, seen.path)]
    said, log_p, road = head(torch.randn(1, 4), *given_, given_[0][:, 0])
    assert torch.equal(said[:, :2], given_[2])
    assert torch.allclose(said[:, 2], given_[2][:, 0], atol=1e-4)
    assert road is not None and torch.allclose(road, given_[2][:, 0], atol=1e-4)
    assert log_p.exp().sum().item() == pytest.approx(1.0)


@given(st.lists(st.floats(-5, 80), min_size=1, max_size=20))
def test_knots_interpolate(at: list[float]) -> None:
    for knots in (KNOTS_S, KNOTS_M):
        made = shares(torch.tensor(at), torch.tensor(knots))
        assert torch.allclose(made.sum(-1), torch.ones(len(at)), atol=1e-5)
        assert torch.allclose(made @ torch.tensor(knots), torch.tensor(at).clamp(0, knots[-1]), atol=1e-4)


def test_a_corrected_car_brakes_to_a_stop_and_stays() -> None:
    seen = sense(driven(8.0, 0.0, 0.0), CLOCK, CHANNELS)
    head = Corrections(4)
    torch.nn.init.constant_(head.accel.bias, -1.0)  # 3 m/s^2
    said, *_ = head(torch.zeros(1, 4), *(torch.from_numpy(x[None]) for x in (seen.speed, seen.yaw_rate, seen.path)))
    assert said[0, 2, -1, 0].item() == pytest.approx(8.0**2 / 2 / 3.0, abs=0.3)
    assert (said[0, 2].diff(dim=0)[:, 0] >= -1e-4).all()


def test_the_ego_window_knows_what_is_there_and_nothing_of_the_future() -> None:
    rows = driven(10.0, 1.0, 0.1)
    whole, some = sense(rows, CLOCK, CHANNELS), sense(rows[:, [0, 2]], CLOCK, ("speed", "yaw_rate"))
    assert whole.series.shape == (ROWS, 8) and whole.series[:, 4:].all()
    assert some.series[0, 4:].tolist() == [1, 0, 1, 0] and np.array_equal(some.series[:, 0], whole.series[:, 0])
    assert some.now[1] == pytest.approx(whole.now[1], abs=0.05)  # the acceleration that is not measured is the slope
    assert whole.path[1, 9] == pytest.approx(paths.unroll(10 + paths.MIDDLES, 0.1 + 0 * paths.MIDDLES)[9], abs=1e-3)


# --- pictures


def test_the_view_is_the_simulators_own_picture_cut() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (96, 160, 3), np.uint8)
    assert np.array_equal(view(picture, own_camera(160, 96)), picture[32:])


@given(st.integers(200, 1300), st.floats(0.2, 0.7), st.floats(0.6, 2.0), st.floats(-0.1, 0.1))
@examples(max_examples=25)
def test_every_camera_shows_a_direction_at_the_same_pixel(width: int, shape: float, focal: float, pitch: float) -> None:
    camera = dashcam(width, round(width * shape), focal * width, pitch_rad=pitch)
    left, top, right, bottom = window(camera)
    far = np.array([[1000.0, 200.0, 1.35], [1000.0, -90.0, 1.35]])
    u, v, _ = project(camera, camera.parent_from_cam, far).T
    x, y = (u * camera.width - left) / (right - left) * WIDTH, (v * camera.height - top) / (bottom - top) * HEIGHT
    assert np.allclose(x, WIDTH / 2 - far[:, 1] / 1000 * WIDTH / 2 / np.tan(np.radians(35)), atol=2.5)
    assert np.allclose(y, 8, atol=1.5)
    assert view(np.zeros((camera.height, width, 3), np.uint8), camera).shape == (HEIGHT, WIDTH, 3)


# --- what is said


def test_one_look_says_what_word_after_word_would(model) -> None:
    """The probabilities of all sentences add up to one, and are those of the words one after the other."""
    torch.manual_seed(1)
    for phrases in (model.decide, model.why):
        hidden = [torch.randn(1, len(one), model.config.dim) for one in phrases.segments]
        said = phrases.log_probabilities(hidden, model.backbone.embed_tokens)[0]
        assert said.exp().sum().item() == pytest.approx(1.0, abs=1e-5)
    table = model.backbone.embed_tokens.weight
    hidden = [torch.randn(1, len(one), model.config.dim) for one in model.decide.segments]
    words = model.words
    assert model.decide.segments == [[words["<decide>"], words["turn"]]]
    first = torch.stack([hidden[0][0, 0] @ table[words[one.split()[0]]] for one in DECISIONS[:5]]).log_softmax(0)
    then = torch.stack([hidden[0][0, 1] @ table[words[one]] for one in ("left", "right")]).log_softmax(0)
    said = model.decide.log_probabilities(hidden, model.backbone.embed_tokens)[0]
    assert torch.allclose(said, torch.cat([first[:4], first[4] + then]), atol=1e-5)
    assert model.why.sentences[1:] == REASONS[1:]


def test_a_row_that_is_not_seen_is_as_good_as_no_picture(model, recorded) -> None:
    lessons = [recorded.lesson(0, k) for k in (20, 40)]
    commands = {one.task: model.command(one.task).numpy() for one in lessons}
    batch = {name: torch.from_numpy(values) for name, values in gather(lessons, commands).items()}
    given_ = {name: batch[name] for name in ("command", "series", "now", "speed", "yaw_rate", "path")}
    with torch.inference_mode():
        seen = model(**given_, pictures=batch["pictures"], seen=torch.tensor([True, False]))
        blind = model(**given_)
    assert torch.allclose(seen.decisions[1], blind.decisions[1], atol=1e-5)
    assert not torch.allclose(seen.decisions[0], blind.decisions[0], atol=1e-5)
    assert seen.ttc.shape == (2, len(TTC_S)) and seen.cells is not None and blind.cells is None


def test_weights_come_back(model, tmp_path) -> None:
    save_pretrained(model, tmp_path, torch.float32)
    again = from_pretrained(str(tmp_path))
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))
    (tmp_path / "config.json").write_text("{}broken")
    with pytest.raises(UserError, match="damaged"):
        from_pretrained(str(tmp_path))


# --- lessons


def test_moments_are_labelled_by_the_road_alone(recorded, tmp_path) -> None:
    one = recorded.drives[0]
    again = drive(3)
    assert again.pictures == one.pictures and np.array_equal(again.truth, one.truth)
    one.save(tmp_path / "x.npz")
    assert np.array_equal(Moments.load(tmp_path / "x.npz").picture(5), one.picture(5))
    with pytest.raises(UserError, match="training seeds"):
        moments(tmp_path, 10, seed=9_999_995)
    with pytest.raises(UserError, match="no training seed"):
        drive(10_000_000)


def test_the_future_counts_until_the_next_push(recorded) -> None:
    one = recorded.drives[0]
    recorded.drives[0] = replace(one, clear=np.full_like(one.clear, 1.25))
    lesson = recorded.lesson(0, 10)
    recorded.drives[0] = one
    assert lesson.valid.sum() == 12 and lesson.decided == -1 and lesson.stratum == ""
    pushes = Pushes(np.random.default_rng(0), 1.0)
    times = np.arange(0, 60, 0.05)
    pushed = np.array([np.any(pushes.at(t, 8.0)) for t in times])
    clear = np.array([pushes.clear(t) for t in times])
    assert pushed.any() and np.all((clear == 0) == pushed)
    assert not np.any(Pushes(np.random.default_rng(0), 0.0).at(5.0, 8.0))


def test_eight_moments_are_learnt(recorded) -> None:
    torch.manual_seed(0)
    model = new(True, {one.task for one in recorded.drives})
    lessons = [recorded.lesson(0, k) for k in range(10, 90, 10)]
    batch = gather(lessons, {one.task: model.command(one.task).numpy() for one in lessons})
    tensors = {name: torch.from_numpy(values) for name, values in batch.items()}
    inputs = ("command", "series", "now", "speed", "yaw_rate", "path", "pictures", "ages", "seen", "driven")
    made = optimizers(dict(model.named_parameters()), 2e-3, 0.0)
    found = []
    for _ in range(80):  # by half of them it is nearly there; how nearly differs from processor to processor
        parts = losses(model(**{name: tensors[name] for name in inputs}), tensors)
        total(parts).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)  # as the training does
        for one in made:
            one.step()
            one.zero_grad()
        found.append({name: float(value.detach()) for name, value in parts.items()})
    for name in ("path", "decision", "hazard", "cells"):
        assert found[-1][name] < 0.6 * found[0][name], name


def test_the_recipe_runs_from_moments_to_weights_that_drive(tmp_path) -> None:
    """Finished and started again it says the same; what is taught last is in the weights; the same seed, the same network, also
    where other processes make the lessons."""
    from embodied.train_road import Settings, Training, main

    for seed in (3, 4):
        drive(seed).save(tmp_path / f"{seed:07d}.npz")
    made = []
    for out, workers in (("a", 0), ("b", 0), ("b", 0), ("c", 2)):
        where = {"moments": str(tmp_path), "held": str(tmp_path), "out": str(tmp_path / out)}
        assert main(Settings(**where, steps=3, batch=4, workers=workers)) == 0
        made.append(from_pretrained(str(tmp_path / out / "weights")))
    for other in made[1:]:
        assert all(
            torch.equal(a, b) for a, b in zip(made[0].state_dict().values(), other.state_dict().values(), strict=True)
        )
    assert made[0].lean.abs().max() > 0 and made[0].pace.usual > 1 and made[0].familiar.most < np.inf
    facts = made[0].config.facts
    assert facts["drives"] == 2 and facts["own speed off by, m/s"] > 0
    on = Settings(**where | {"out": str(tmp_path / "on")}, init=str(tmp_path / "a" / "weights"), steps=1, batch=4)
    Path(on.out).mkdir()
    again = Training(on).model
    assert not again.lean.any() and again.familiar.most == np.inf  # from those weights it begins with open eyes
    main(on)
    assert from_pretrained(str(tmp_path / "on" / "weights")).config.facts["before"] == facts


def test_real_telemetry_is_cut_where_it_is_held_out(tmp_path) -> None:
    table = tmp_path / "drive.csv"
    t = np.arange(0, 30, 0.05)
    rows = np.column_stack([t, 10 + np.sin(t), 0 * t, 10 * t - np.cos(t) + 1, 0 * t])
    np.savetxt(
        table, rows, delimiter=",", header="t_s,speed [m/s],yaw_rate [rad/s],x [m],y [m]", comments="", fmt="%.6f"
    )
    early, late = RealLessons([table], (0.0, 0.75)), RealLessons([table], (0.75, 1.0))
    assert len(early.moments) > len(late.moments) > 0
    assert all(one.picture is None and np.isnan(one.truth).all() for one in late.moments)
    assert len(early.moments) + len(late.moments) < len(RealLessons([table]).moments)  # none sees beyond its cut
