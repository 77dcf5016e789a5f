from pathlib import Path

import numpy as np
import pytest

from embodied.data.dataset import Dataset
from embodied.errors import UserError
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
            for name, values in dataset.states.items():
                np.testing.assert_array_equal(obs.states[name][-1], values[row])
            body.apply(Command(obs.t_s, dataset.column("action")[row]))
            obs = body.observe()
        assert body.success()
        assert read_step(dataset.text("step")[episode.start]).skill == "reach"
        assert "succeed" in dataset.text("qa")[episode.stop - 1]
    body.close()
    assert dataset.info["body"]["action"]["names"] == list(body.spec.action.names)


def test_unknown_task_is_one_sentence(tmp_path: Path) -> None:
    for tasks in ([], ["juggle"]):
        with pytest.raises(UserError):
            demonstrations(tasks, 1, tmp_path)
    with pytest.raises(UserError, match="front"):
        demonstrations(["reach"], 1, tmp_path, cameras=["wrist"])
