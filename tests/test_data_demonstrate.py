from pathlib import Path

import numpy as np
import pytest

from embodied.aims import CHANNELS, seen_from
from embodied.data.dataset import Dataset
from embodied.data.motions import MotionLessons, absolute
from embodied.data.normalise import Normalisation
from embodied.errors import UserError
from embodied.model.packing import collate
from embodied.model.tokens import Words, train_vocabulary
from embodied.plan import read_step
from embodied.types import Command
from sim.body import SimBody
from sim.demonstrate import demonstrations


def test_replay_equals_recorded(tmp_path: Path) -> None:
    """The recorded actions, applied again from the same seed, give the recorded states bit for bit."""
    assert demonstrations(["reach"], 2, tmp_path, cameras=["front"], first_seed=40, progress=False) == 2
    dataset = Dataset(tmp_path)
    body = SimBody("reach", eyes=("front",))
    for episode, seed in zip(dataset.episodes, (40, 41), strict=True):
        obs = body.reset(seed)
        assert body.goal == dataset.text("task")[episode.start]
        for row in range(episode.start, episode.stop):
            assert dataset.states.keys() == {*obs.states, "aims"}
            for name, given in obs.states.items():
                np.testing.assert_array_equal(given[-1], dataset.states[name][row])
            body.apply(Command(obs.t_s, dataset.column("action")[row]))
            obs = body.observe()
        assert body.success()
        assert read_step(dataset.text("step")[episode.start]).skill == "reach"
        assert "succeed" in dataset.text("qa")[episode.stop - 1]
    body.close()
    assert dataset.info["body"]["action"]["names"] == list(body.spec.action.names)


def test_without_pictures_the_same_is_recorded_and_is_a_lesson_in_motion(tmp_path: Path) -> None:
    for name, cameras in (("with", ["front"]), ("without", [])):
        assert demonstrations(["pick"], 1, tmp_path / name, cameras=cameras, first_seed=43, progress=False) == 1
    seen, blind = Dataset(tmp_path / "with"), Dataset(tmp_path / "without")
    assert seen.cameras == ("front",) and blind.cameras == ()
    for name, values in seen.states.items():
        np.testing.assert_array_equal(blind.states[name], values)
    np.testing.assert_array_equal(blind.column("action"), seen.column("action"))
    # What the hand goes for is known from the first frame of a step and stays until the next one.
    aims, steps = blind.states["aims"], blind.text("step")
    assert aims.shape[1] == len(CHANNELS) and len(np.unique(aims, axis=0)) == len(set(steps)) == 1 and aims[0].any()
    thing = read_step(steps[0]).args[0]
    body = SimBody("pick", lazy=True)
    body.reset(43)
    there = body.facts().things[thing]
    body.close()
    assert np.abs(aims[0, :3] - (*there.position[:2], there.top)).max() < 0.008

    words = Words(train_vocabulary([], ["arm", "objects"]))
    scale = {name: {"mean": [0.0] * 6, "std": [1.0] * 6} for name in ("arm", "action")}
    lessons = MotionLessons(str(tmp_path / "without"), words, Normalisation.from_dict(scale), 16)
    row = len(lessons) // 2
    lesson = lessons.lesson(row, np.random.default_rng(0))
    hand = blind.states["arm"][row, :5]
    np.testing.assert_allclose(lesson.states["objects"], seen_from(aims[row], hand))
    np.testing.assert_allclose(absolute(lesson.chunk[:4, :5], hand), blind.column("action")[row : row + 4], atol=1e-5)
    assert not lesson.images and words.decode(lesson.segments[0][0]) == f"<step> pick {thing}"
    batch = collate([lesson, lesson], [1], [2, 3], words, (1, 1))
    assert batch.ids[0, :3].tolist() == [2, 3, words["<step>"]] and batch.states["objects"].shape == (2, 3, 11)
    assert np.all(np.array(MotionLessons.statistics(str(tmp_path / "without"))["std"])[[2, 4, 5]] > 0)


def test_unknown_tasks_and_cameras_are_one_sentence(tmp_path: Path) -> None:
    for tasks in ([], ["juggle"]):
        with pytest.raises(UserError):
            demonstrations(tasks, 1, tmp_path)
    with pytest.raises(UserError, match="no camera 'side'"):
        demonstrations(["reach"], 1, tmp_path, cameras=["side"])
