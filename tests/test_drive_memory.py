"""What the network that drives carries on from look to look."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from embodied.data.road_lessons import RoadLessons, gather
from embodied.drive import forecast
from embodied.drive.replay import Replay
from embodied.errors import UserError
from embodied.model.driving import DrivingModel, new
from embodied.model.driving_weights import from_pretrained, save_pretrained
from embodied.model.memory import STEP_S, WIDTH, Memory
from embodied.spec import BodySpec
from embodied.train_memory import GIVEN, Settings, main, thoughts
from embodied.train_road import Commands, Training
from embodied.train_road import Settings as RoadSettings
from embodied.types import Command, Observation
from policies.drive_network import Network
from sim.recorded_drives import unrecorded
from sim.road_moments import drive


def stirred(model: DrivingModel) -> DrivingModel:
    """With a memory that adds something."""
    torch.manual_seed(1)
    for p in model.memory.parameters():
        p.data.add_(0.1 * torch.randn(p.shape))
    return model.eval()


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> str:
    """A network that has learnt nothing, and remembers as if it had."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("weights")
    save_pretrained(stirred(new(True, ["drive on"]).grown(remembers=True)), folder, torch.float32)
    return str(folder)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("road")
    drive(3, shake=0).save(folder / "0000003.npz")
    return folder


def test_all_at_once_is_one_after_the_other() -> None:
    torch.manual_seed(0)
    memory = Memory((5, 2), 3, (0.4, 0.1))
    for p in memory.parameters():
        p.data.normal_(0, 0.3)
    memory.eval()
    seen = torch.randn(2, 7, 7)
    whole, last = memory(seen, memory.nothing(2))
    state, parts = memory.nothing(2), list[torch.Tensor]()
    for k in range(7):
        added, state = memory(seen[:, k : k + 1], state)
        parts.append(added)
    torch.testing.assert_close(torch.cat(parts, 1), whole)
    torch.testing.assert_close(state, last)
    assert state.shape == (2, 2 * WIDTH) and not torch.equal(whole[:, 0], whole[:, 6])


def test_untaught_nothing_is_added_and_paths_never_know_of_it(weights: str, recorded: Path) -> None:
    model, lessons = from_pretrained(weights), RoadLessons(recorded)
    batch = gather([lessons.lesson(0, k) for k in (5, 9)], Commands(model))
    rows = {name: torch.from_numpy(batch[name]) for name in GIVEN}
    state = torch.ones(2, 2 * WIDTH)
    with torch.inference_mode():
        without, moved = model(**rows), model(**rows, remembered=state)
        unseen = model(**rows, remembered=state, seen=torch.tensor([True, False]))
        blind = model(**rows, seen=torch.tensor([True, False]))
        model.memory.clear()
        untaught = model(**rows, remembered=state)
    assert torch.equal(moved.paths, without.paths) and torch.equal(moved.thought, without.thought)
    assert not torch.allclose(moved.ttc, without.ttc, atol=1e-3)
    assert not torch.allclose(moved.decisions, without.decisions, atol=1e-3)
    torch.testing.assert_close(unseen.ttc[1], blind.ttc[1])
    torch.testing.assert_close(untaught.decisions, without.decisions)
    assert torch.equal(untaught.ttc, without.ttc)


@pytest.fixture(scope="module")
def observed() -> tuple[BodySpec, list[Observation]]:
    """The first looks of a drive, 10 a second."""
    body = Replay(unrecorded(4))
    made = [body.reset()]
    for _ in range(32):
        body.apply(Command(made[-1].t_s, forecast.pack(forecast.Forecast(np.zeros((60, 2))))))
        made.append(body.observe())
    return body.spec, made


def _said(weights: str, spec: BodySpec, looks: list[Observation], **how: bool) -> list[tuple[float, float]]:
    """Hazard and time to collision."""
    driver = Network(weights, **{"graph": False} | how)
    driver.begin(spec)
    return [(one.hazard, one.ttc_s) for one in map(driver, looks)]


def test_a_state_comes_from_a_fifth_of_a_second_ago_at_whatever_rate(weights: str, observed) -> None:
    spec, looks = observed
    fast, slow = (_said(weights, spec, looks[::step]) for step in (1, 2))
    np.testing.assert_allclose(fast[::2], slow, atol=1e-6)
    np.testing.assert_allclose(_said(weights, spec, looks, graph=True), fast, atol=1e-4)
    alone = _said(weights, spec, looks[::2], remembers=False)
    assert not np.allclose(alone, slow, atol=1e-3)
    # what is carried on: a driver that is asked with the state of a fifth of a second ago and one that is asked with none
    driver = Network(weights, graph=False)
    driver.begin(spec)
    for one in looks[:3]:
        driver(one)
    assert torch.equal(
        torch.from_numpy(driver._state(looks[4].t_s, {"pictures": None})["remembered"]), driver._states[-1][1]
    )


def test_a_drive_knows_nothing_of_the_one_before_and_after_a_gap_nothing_is_known(weights: str, observed) -> None:
    spec, looks = observed
    driver = Network(weights, graph=False)
    driver.begin(spec)
    for one in looks[:9]:
        driver(one)
    now_s = looks[8].t_s

    def known(at_s: float, **seen: None) -> bool:
        return bool(driver._state(at_s, {"pictures": None} | seen)["remembered"].any())

    assert known(now_s + STEP_S) and known(now_s + 2 * STEP_S) and not known(now_s + 2 * STEP_S + 0.05)
    driver(looks[8])
    assert "remembered" not in driver._state(now_s + STEP_S, {"pictures": None, "scans": None})
    driver.begin(spec)
    assert not known(now_s + STEP_S)


def test_the_memory_is_taught_and_nothing_else(weights: str, recorded: Path, tmp_path: Path) -> None:
    """Begun again, it goes on with the drives that were looked at; the same seed, the same memory."""
    where = {"moments": str(recorded), "held": str(recorded), "init": weights, "out": str(tmp_path)}
    settings = Settings(**where, epochs=40, varied=0.0)
    made, times = list[DrivingModel](), set[int]()
    for _ in range(2):
        assert main(settings) == 0
        made.append(from_pretrained(str(tmp_path / "weights")))
        (kept,) = tmp_path.glob("thoughts-*/*.npz")
        times.add(kept.stat().st_mtime_ns)
    assert len(times) == 1
    before, (after, again) = from_pretrained(weights).state_dict(), (one.state_dict() for one in made)
    assert all(torch.equal(after[name], again[name]) for name in after)
    for name, one in before.items():
        assert torch.equal(after[name], one.half().float()) or name.startswith("memory."), name
    told = made[0].config.facts["memory"]
    assert told["drives"] == 1 and told["decision errors"] < 0.5  # of a network that says one thing at every moment


def test_thoughts_are_the_networks_and_a_file_of_the_same_name_is_another(
    weights: str, recorded: Path, tmp_path: Path
) -> None:
    settings = Settings(out=str(tmp_path / "out"), init=weights)
    Path(settings.out).mkdir()
    plain, varied = (thoughts(settings, str(recorded), share) for share in (0.0, 1.0))
    model, lessons = from_pretrained(weights), RoadLessons(recorded)
    batch = gather([lessons.lesson(0, k) for k in range(70)], Commands(model))
    with torch.inference_mode():
        said = model(**{name: torch.from_numpy(batch[name]) for name in GIVEN})
    np.testing.assert_allclose(plain["thought"][0, :70], said.thought, atol=0.02)
    assert np.array_equal(plain["decided"], varied["decided"])
    assert not np.allclose(plain["thought"], varied["thought"], atol=0.1)
    drive(4, shake=0).save(tmp_path / "0000003.npz")
    other = thoughts(settings, str(tmp_path), 0.0)
    assert other["thought"].shape != plain["thought"].shape and len(list(Path(settings.out).glob("*/*.npz"))) == 3


def test_what_the_memory_stands_on_is_taught_on_and_it_forgets(weights: str, recorded: Path, tmp_path: Path) -> None:
    """But not for a lidar's parts, which say nothing where there is none."""
    for only, kept in (("", False), ("danger", False), ("above,amend", True)):
        lidar = {"lidar": True, "sees": True} if kept else {}
        if kept:
            drive(3, lidar=True).save(tmp_path / "0000003.npz")
        where = {"moments": str(tmp_path if kept else recorded), "init": weights, "out": str(tmp_path / f"out{only}")}
        Path(where["out"]).mkdir()
        model = Training(RoadSettings(**where, only=only, **lidar)).model
        assert model.memory.strands[1].out[-1].weight.any() == kept


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"moments": ""}, "needs moments=FOLDER"),
        ({"init": "road-ego"}, "init=road-ego sees no pictures"),
        ({"held": "nowhere"}, "no recorded moments in 'nowhere'"),
        ({"moments": __file__}, "no recorded moments in"),
        ({"batch": 0}, "batch=0 is too few"),
    ],
)
def test_what_cannot_be_taught(recorded: Path, tmp_path: Path, wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        main(Settings(**{"moments": str(recorded), "out": str(tmp_path)} | wrong))
