"""Models that are shown a past: training shows what the planner remembers, and what is not of the past stays as it was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from embodied import beginning, train
from embodied.control.clock import SimulatedClock
from embodied.control.loop import run
from embodied.data.normalise import Normalisation
from embodied.data.schedule import SceneLessons
from embodied.data.snapshots import Record, Snapshots, past, write_shard
from embodied.errors import UserError
from embodied.model.decode import Look
from embodied.model.lessons import Teacher, shifted, varied
from embodied.model.losses import losses
from embodied.model.network import EmbodiedModel
from embodied.model.tokens import WHEN
from embodied.model.weights import from_pretrained, rebuilt, save_pretrained
from embodied.spec import BodySpec, CameraSpec, Channels
from embodied.types import ActionChunk, Observation, Plan, Step
from policies.planner import Planner
from tests.published import ARM, embodied, language
from tests.test_control_loop import ToyBody, ToyPolicy
from tests.test_lessons import packed, record
from tests.test_model import seen

LENGTHS = (4, 1, 3)  # moments of the episodes of a shard
SCALE = Normalisation.from_dict({"arm": ARM})


def picture(row: int, camera: str) -> np.ndarray:
    """Another one for each row and camera."""
    size = {"front": (96, 160, 3), "wrist": (96, 96, 3)}[camera]
    return np.random.default_rng([row, len(camera)]).integers(0, 256, size, dtype=np.uint8)


def shard(root: Path, numbered: bool = True) -> Path:
    """One shard of noise. numbered: its moments tell which of their episode they are."""
    moments = [number if numbered else 0 for length in LENGTHS for number in range(length)]
    arrays = {c: np.stack([picture(row, c) for row in range(len(moments))]) for c in ("front", "wrist")}
    seg = {f"{c}_seg": np.zeros(one.shape[:3], np.uint8) for c, one in arrays.items()}
    things = {"red block": [0.3, 0.4]}
    records = [replace(record()[0], things=things, moment=number) for number in moments]
    write_shard(root / "00000-pick", records, arrays | seg | {"arm": np.zeros((len(moments), 8, 6), np.float32)})
    return root


def test_a_past_begins_with_its_episode(tmp_path: Path) -> None:
    data = Snapshots(shard(tmp_path))
    shown = [data.pictures(i, 3) for i in range(len(data))]
    rows = [[0, 0, 0], [0, 0, 1], [0, 1, 2], [1, 2, 3], [4, 4, 4], [5, 5, 5], [5, 5, 6], [5, 6, 7]]
    for one, expected in zip(shown, rows, strict=True):
        assert one.keys() == {"front", "wrist"}
        for camera, pictures in one.items():
            assert (pictures == np.stack([picture(row, camera) for row in expected])).all()


def test_recorded_moments_are_numbered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshots = pytest.importorskip("sim.snapshots", reason="the extra sim is not installed")

    class Few:
        """Episodes of LENGTHS in turn, without a world."""

        def __init__(self, task: str) -> None:
            self.body, self.lengths = ToyBody(), iter(LENGTHS * 2)

        def episode(self, seed: int) -> Iterator[tuple[Record, dict[str, np.ndarray]]]:
            yield from [(Record("pick", []), {"arm": np.zeros((8, 6))}) for _ in range(next(self.lengths))]

    monkeypatch.setattr(snapshots, "SHARD", 10)
    snapshots.write(0, "pick", tmp_path, 0, Few)
    data = Snapshots(tmp_path)
    assert [data.record(i).moment for i in range(len(data))] == [0, 1, 2, 3, 0, 0, 1, 2, 0, 1]


class Seeing(ToyPolicy):
    """Shows a planner what the loop shows a policy; the first check fails."""

    def __init__(self, planner: Planner) -> None:
        super().__init__(fails=1)
        self.planner, self.known, self.shown = planner, list[tuple[Observation, Observation]](), list[tuple[int, Any]]()

    def _seen(self, obs: Observation) -> Observation:
        """The same object for the same observation: pictures of the moment, which the place of the hand tells."""
        for one, made in self.known:
            if one is obs:
                return made
        moment = round(float(obs.states["arm"][-1, 0]) / 0.05)
        images = {camera: picture(moment, camera) for camera in ("front", "wrist")}
        made = Observation(obs.t_s, images, {"arm": np.zeros((8, 6), np.float32)})
        self.known.append((obs, made))
        self.moment = moment
        return made

    def _note(self, obs: Observation) -> None:
        look = self.planner.look(self._seen(obs))
        self.shown.append((round(float(obs.states["arm"][-1, 0]) / 0.05), look.images))

    def plan(self, obs: Observation, goal: str, done: tuple[Step, ...] = ()) -> Plan:
        self._note(obs)
        return super().plan(obs, goal, done)

    def act(self, obs: Observation, plan: Plan) -> ActionChunk:
        chunk = super().act(obs, plan)
        if not chunk.ended:
            self._note(obs)
        return chunk

    def check(self, obs: Observation, step: Step) -> float:
        self.planner.check(self._seen(obs), step)
        self._note(obs)
        return super().check(obs, step)


def planner(model: EmbodiedModel) -> Planner:
    names = ("x", "y", "z", "yaw", "width", "force")
    arm = Channels(names, ("m",) * 6, (-1.0,) * 6, (1.0,) * 6, 20.0)
    cameras = {
        name: CameraSpec(width, 96, 100.0, 100.0, width / 2, 48.0, np.eye(4))
        for name, width in (("front", 160), ("wrist", 96))
    }
    body: Any = type("Body", (), {"spec": BodySpec("toy", cameras, {"arm": arm}, arm)})
    return Planner(body, model=model)


@pytest.mark.parametrize("lockstep", [True, False])
@pytest.mark.parametrize("history", [2, 3])
def test_the_planner_remembers_what_training_shows(history: int, lockstep: bool, tmp_path: Path) -> None:
    """Through the loop: two steps, the first tried twice, so four moments, of which each is looked at several times."""
    model = embodied(history=history)
    data = SceneLessons(str(shard(tmp_path)), Teacher(model.words), SCALE, False, history=history)
    data.augment = False
    lessons = [data.lesson(row, np.random.default_rng(0)) for row in range(4)]
    policy = Seeing(planner(model))
    more = {} if lockstep else {"clock": SimulatedClock(), "max_ticks": 10**7}
    assert run(ToyBody(), policy, "tidy", lockstep=lockstep, **more).reason == "finished"
    moments = [moment for moment, _ in policy.shown]
    assert sorted(set(moments)) == [0, 1, 2, 3] and len(moments) > 8
    for moment, images in policy.shown:
        for camera, shown in images.items():
            assert (shown[0].numpy() == lessons[moment].images[camera]).all(), (moment, camera)


def test_the_past_of_a_trial_is_the_picture_before_it() -> None:
    """Somebody else carries the step out, as in evaluate suite=failures."""
    one = planner(embodied(history=2))
    before, after = (
        Observation(0.0, {c: picture(k, c) for c in ("front", "wrist")}, {"arm": np.zeros((8, 6), np.float32)})
        for k in range(2)
    )
    one.look(before)
    one.check(after, Step("pick red block", "pick", ("red block",)))
    for k in range(2):
        assert (one.look(after).images["front"][0, k].numpy() == picture(k, "front")).all()
    one.reset()
    one.check(after, Step("pick red block", "pick", ("red block",)))  # nothing was seen before it
    assert (one.look(after).images["front"][0, 0].numpy() == picture(1, "front")).all()


def test_a_past_moves_as_one_under_one_lamp_with_new_noise_in_each_picture() -> None:
    rows = [picture(row, "front") for row in range(2)]
    for moved, row in zip(shifted(np.stack(rows), 3, -2), rows, strict=True):
        assert (moved == shifted(row, 3, -2)).all()
    flat = np.full((2, 96, 160, 3), 120, np.uint8)
    made = varied(flat, np.random.default_rng(0), 0.3).astype(float)
    assert made[0].mean((0, 1)) == pytest.approx(made[1].mean((0, 1)), abs=0.2)
    assert abs(made[0].mean() - 120) > 3 and (made[0] != made[1]).mean() > 0.5
    alone = varied(flat[0], np.random.default_rng(0), 0.3)
    assert (made[0] == alone).all()


def test_labels_are_of_the_newest_picture(tmp_path: Path) -> None:
    """Cells hang on pictures alone: with a past they cost what they cost without one."""
    model = embodied(history=3)
    source = str(shard(tmp_path))
    figures, tokens = [], []
    for history in (3, 1):
        if history == 1:
            model = rebuilt(model, {"history": 1}, []).eval()
        data = SceneLessons(source, Teacher(model.words), SCALE, False, history=history)
        data.augment = False
        batch = packed(model, [data.lesson(row, np.random.default_rng(0)) for row in (2, 6)])
        assert batch.images["front"].ndim == 4 + (history > 1)
        with torch.no_grad():
            figures.append(losses(model, batch))
            tokens.append(model.look(batch.images, batch.states)[2])
    for name in ("colour", "kind", "naming"):
        torch.testing.assert_close(figures[0][name], figures[1][name])
    torch.testing.assert_close(tokens[0], tokens[1])
    assert (figures[0]["text"] - figures[1]["text"]).abs() > 1e-5  # which the past does change


@pytest.mark.parametrize("backbone", ["tiny", "hf"])
def test_weights_that_fit_are_kept_when_pictures_are_added(backbone: str, tmp_path: Path) -> None:
    theirs = backbone == "hf"
    model = embodied(backbone=backbone, backbone_from=language(tmp_path / "words") if theirs else "")
    save_pretrained(model, tmp_path / "one", torch.float32)
    asked = train.Settings(init=str(tmp_path / "one"), history=3, text_share=0.0)
    more = beginning.make_model(asked, {"arm": ARM}).eval()
    assert more.config.history == 3 and more.words.tokens() == [*model.words.tokens(), WHEN]
    after, grew = more.state_dict(), set()
    for name, one in model.state_dict().items():
        grew |= {name} if after[name].shape != one.shape else set()
        torch.testing.assert_close(after[name][: len(one)] if one.ndim else after[name], one, rtol=0, atol=0)
    assert grew == {"backbone.table" if theirs else "backbone.embed_tokens.weight"}
    images, states = seen(more, b=3)
    assert Look(more, {c: x[None] for c, x in images.items()}, {"arm": states["arm"][:1]}).choose("red", [5, 6]).sum()
    save_pretrained(more, tmp_path / "three", torch.float32)
    again = beginning.make_model(replace(asked, init=str(tmp_path / "three"), history=1), {"arm": ARM})
    assert (
        again.config.history == 3 and "when" in again.encoders
    )  # what it was made with, where nothing else is asked for


def test_a_history_that_cannot_be_shown_is_told(tmp_path: Path) -> None:
    old = str(shard(tmp_path, numbered=False))
    words = embodied(history=2).words
    with pytest.raises(UserError, match=r"no moment in .* has a past, which history=2 shows"):
        SceneLessons(old, Teacher(words), SCALE, False, history=2)
    for kind in ("words", "sight", "finding"):
        SceneLessons(old, Teacher(words), SCALE, False, kind, history=2)  # these are shown no past
    with pytest.raises(UserError, match="history=0"):
        train.main(train.Settings(snapshots=old, history=0))
    model = embodied(history=20)
    ids = torch.tensor([model.prompt().ids(model.words) * 3])
    images = {c: torch.zeros(1, 60, h, w, 3, dtype=torch.uint8) for c, (h, w, _) in model.config.cameras.items()}
    vectors = model.look(images, {"arm": torch.zeros(1, 3, 8, 6)})[0]
    with pytest.raises(UserError, match="reads 1,024 at most"):
        model(ids, torch.zeros_like(ids), vectors)
    assert past(1, 3) == [0, 0, 1] and from_pretrained("tabletop").config.history == 1
