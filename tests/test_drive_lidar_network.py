"""The network and a lidar: read or done without, added to what is known, taught by itself."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from embodied.data.moments import Moments
from embodied.data.road_lessons import RoadLessons, gather
from embodied.drive import above, forecast
from embodied.drive.replay import Replay
from embodied.errors import UserError
from embodied.model.driving import new
from embodied.model.driving_weights import from_pretrained, save_pretrained
from embodied.model.resampler import Amending
from embodied.road_last import acquaint
from embodied.train_road import Settings
from embodied.train_road import main as train
from embodied.types import Command
from policies.drive_network import Network
from sim.recorded_drives import unrecorded
from sim.road_moments import drive


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> str:
    """A network that has learnt nothing, and reads a lidar as if it had."""
    torch.manual_seed(0)
    model = new(True, ["drive on"], lidar=True)
    for p in model.amend.parameters():
        p.data.add_(0.1 * torch.randn(p.shape))
    folder = tmp_path_factory.mktemp("weights")
    save_pretrained(model.eval(), folder)
    return str(folder)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("road")
    drive(3, lidar=True).save(folder / "0000003.npz")
    return folder


def test_moments_come_back_and_those_of_before_lidars_too(recorded: Path, tmp_path: Path) -> None:
    made = Moments.load(recorded / "0000003.npz")
    assert len(made.scans) == len(made.at) and made.scan(4).any()
    with np.load(recorded / "0000003.npz") as f:
        np.savez(
            tmp_path / "0000003.npz", **{name: f[name] for name in f.files if not name.startswith(("scan", "squares"))}
        )
    before = Moments.load(tmp_path / "0000003.npz")
    assert before.scans == [] and before.pictures == made.pictures
    with pytest.raises(UserError, match=r"no drive in .* has a lidar; record with"):
        RoadLessons(tmp_path, lidar=True)
    shutil.copy(recorded / "0000003.npz", tmp_path / "0000004.npz")
    mixed = RoadLessons(tmp_path, lidar=True)
    assert [mixed.lesson(d, 4).scan is None for d in (0, 1)] == [True, False]


def test_what_was_not_scanned_is_not_read_and_what_was_is(weights: str, recorded: Path) -> None:
    model, lessons = from_pretrained(weights), RoadLessons(recorded, lidar=True)
    batch = gather(
        [lessons.lesson(0, 5), lessons.lesson(0, 9)], {lessons.drives[0].task: model.command("drive on").numpy()}
    )
    names = ("command", "series", "now", "speed", "yaw_rate", "path", "pictures", "ages", "seen", "scans", "scanned")
    inputs = {name: torch.from_numpy(batch[name]) for name in names}
    half = inputs | {"scanned": torch.tensor([True, False])}
    other = half | {"scans": torch.stack([inputs["scans"][0], 255 - inputs["scans"][1]])}
    with torch.inference_mode():
        ours, same, without = model(**half).decisions, model(**other).decisions, {**inputs}
        whole = model(**inputs).decisions
        without.pop("scans"), without.pop("scanned")
        none = model(**without).decisions
    assert torch.equal(ours, same)
    assert torch.allclose(ours[1], none[1], atol=1e-5) and torch.allclose(ours[0], whole[0], atol=1e-5)
    assert not torch.allclose(ours[0], none[0], atol=1e-3)


def test_the_driver_reads_pictures_a_lidar_or_both_and_as_one_graph(weights: str) -> None:
    body = Replay(unrecorded(4, lidar=True))
    graph, plain = (Network(weights, graph=g) for g in (True, False))
    obs = body.reset()
    for one in (graph, plain):
        one.begin(body.spec)
    assert graph.scans and set(obs.images) == {"front", above.NAME}
    said = []
    for k in range(16):
        shown = {0: obs.images, 1: {"front": obs.images["front"]}, 2: {above.NAME: obs.images[above.NAME]}, 3: {}}[
            k % 4
        ]
        now = replace(obs, images=shown)
        ours, theirs = (forecast.pack(one(now)) for one in (graph, plain))
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
        said.append(theirs)
        body.apply(Command(obs.t_s, forecast.pack(forecast.Forecast(np.zeros((60, 2))))))
        obs = body.observe()
    assert not np.allclose(said[12], said[13])
    assert graph.shown == plain.shown == 8  # a scan is no picture


def test_what_is_shown_is_as_old_as_is_said(weights: str) -> None:
    """Where scans begin late, fail, or come back empty, none stands for an older one."""
    body, network = Replay(unrecorded(4, lidar=True)), Network(weights, graph=False)
    obs = body.reset()
    network.begin(body.spec)
    for k in range(24):
        scan = np.full((above.ROWS, above.COLUMNS, 3), k, np.uint8)
        shown = {"front": obs.images["front"]} | ({} if k < 9 or k % 5 == 0 else {above.NAME: scan})
        seen = network._look(replace(obs, t_s=0.1 * k, images=shown))
        assert ("scans" in seen) == (above.NAME in shown)
        if "scans" in seen:
            told = np.append(0.0, seen["ages"][0])
            np.testing.assert_allclose((k - seen["scans"][0, 0, 0, ::3].astype(float)) * 0.1, told, atol=1e-5)
    empty = network._look(replace(obs, t_s=2.4, images={above.NAME: np.zeros_like(scan)}))
    assert empty == {}


def test_a_state_is_amended_by_itself_and_untaught_by_nothing() -> None:
    """So a sentence's probability stays the product over its forks, each of which only what stood before it has been told."""
    torch.manual_seed(0)
    amend, states, things = Amending(12, 16), torch.randn(2, 5, 16), torch.randn(2, 7, 12)
    assert torch.equal(amend(states, things), states)
    for p in amend.parameters():
        p.data.add_(0.1 * torch.randn(p.shape))
    whole = amend(states, things)
    assert (whole - states).abs().mean() > 0.01
    torch.testing.assert_close(torch.cat([amend(states[:, k : k + 1], things) for k in range(5)], 1), whole)
    torch.testing.assert_close(
        amend(states, things[:, torch.randperm(7)]), whole
    )  # the spots tell where, not the order


def test_decisions_lean_only_when_all_is_learnt(weights: str, recorded: Path) -> None:
    """Lessons' decisions are not drives'; who goes on learning must not learn that away."""
    model, lessons = from_pretrained(weights), RoadLessons(recorded, lidar=True)
    inputs = gather([lessons.lesson(0, 5)], {lessons.drives[0].task: model.command("drive on").numpy()})
    rows = {name: torch.from_numpy(inputs[name]) for name in ("command", "series", "now", "speed", "yaw_rate", "path")}
    with torch.no_grad():
        before = model(**rows).decisions
        model.lean.copy_(torch.arange(6.0))
        assert not torch.allclose(model(**rows).decisions, before)
        torch.testing.assert_close(model.train()(**rows, driven=torch.from_numpy(inputs["driven"])).decisions, before)


def test_a_strange_scan_is_not_read(weights: str, recorded: Path) -> None:
    """One that is like training's says something; noise says as much as none."""
    model, lessons = from_pretrained(weights), RoadLessons(recorded, lidar=True)
    acquaint(model, lessons)
    inputs = gather(
        [lessons.lesson(0, k) for k in range(5, 30)], {lessons.drives[0].task: model.command("drive on").numpy()}
    )
    inputs = {name: torch.from_numpy(one) for name, one in inputs.items()}
    rows = {name: inputs[name] for name in ("command", "series", "now", "speed", "yaw_rate", "path")}
    noise = torch.randint(0, 256, inputs["scans"].shape, dtype=torch.uint8)
    with torch.inference_mode():
        none, known, strange = (model(**rows, **seen) for seen in ({}, {"scans": inputs["scans"]}, {"scans": noise}))
    assert known.used.float().mean() > 0.4 and not strange.used.any()
    assert torch.equal(strange.decisions, none.decisions)
    assert not torch.allclose(known.decisions[known.used], none.decisions[known.used], atol=1e-3)


def test_eyes_for_a_lidar_are_added_to_what_is_known(recorded: Path, tmp_path: Path) -> None:
    before = new(True, ["drive on"]).eval()
    lessons = RoadLessons(recorded, lidar=True)
    inputs = gather([lessons.lesson(0, 5)], {lessons.drives[0].task: before.command("drive on").numpy()})
    names = ("command", "series", "now", "speed", "yaw_rate", "path", "pictures", "ages")
    scan = torch.from_numpy(inputs["scans"])
    rows = {name: torch.from_numpy(inputs[name]) for name in names}
    with torch.inference_mode():
        ours, scanned, theirs = (
            before.grown(lidar=True)(**rows),
            before.grown(lidar=True)(**rows, scans=scan),
            before(**rows),
        )
    for one in (ours, scanned):  # nothing has been learnt yet to amend
        assert torch.equal(one.decisions, theirs.decisions) and torch.equal(one.paths, theirs.paths)
    after, old = before.grown(lidar=True), before.state_dict()
    assert all(torch.equal(old[name], one) for name, one in after.state_dict().items() if name in old)
    assert {name.split(".")[0] for name in after.state_dict().keys() - old.keys()} == {
        "above", "squares", "spot", "familiar_above", "amend"
    }  # fmt: skip
    save_pretrained(before, tmp_path / "before")
    settings = Settings(moments=str(recorded), init=str(tmp_path / "before"), steps=2, batch=4, lidar=True)
    parts = "above,squares,spot,amend"
    assert train(replace(settings, out=str(tmp_path / "parts"), only=parts)) == 0
    taught = from_pretrained(str(tmp_path / "parts/weights")).state_dict()
    saved = from_pretrained(str(tmp_path / "before")).state_dict()  # numbers of 16 bits
    learnt = {
        name.split(".")[0] for name, one in taught.items() if name not in saved or not torch.equal(one, saved[name])
    }
    assert learnt == {*parts.split(","), "familiar_above", "familiar"}  # which pictures are strange nobody had measured
    with pytest.raises(
        UserError, match=r"only=above,feet: 'feet' is no part that learns; choose from place, blind, spot, ego, front"
    ):
        train(replace(settings, out=str(tmp_path / "feet"), only="above,feet"))
    with pytest.raises(UserError, match="only=pace: 'pace' is no part that learns"):
        train(replace(settings, out=str(tmp_path / "pace"), only="pace"))
    for first, lidar in ((3, True), (-1, True), (1, False)):
        with pytest.raises(UserError, match=f"scans_first={first} must be from 0 to steps=2, and needs lidar=true"):
            train(replace(settings, out=str(tmp_path / "first"), scans_first=first, lidar=lidar))
    with pytest.raises(UserError, match="only=above teaches parts of a network that has learnt; give init="):
        train(replace(settings, out=str(tmp_path / "none"), only="above", init=""))
    assert train(replace(settings, out=str(tmp_path / "out"))) == 0
    assert Network(str(tmp_path / "out/weights"), graph=False).scans
    with pytest.raises(UserError, match="reads a lidar and lidar=false does not; give lidar=true"):
        train(replace(settings, init=str(tmp_path / "out/weights"), out=str(tmp_path / "other"), lidar=False))
