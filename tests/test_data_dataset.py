import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import toy_body

from embodied.data import layout
from embodied.data.dataset import Dataset
from embodied.data.recorder import Recorder
from embodied.data.video import VideoWriter, decode, join
from embodied.data.windows import Windows
from embodied.errors import UserError
from embodied.registry import build

EXAMPLE = Path(__file__).parents[2] / "shared/data/lerobot_example/dataset"


def fill(root: Path, seeds: range, shard: int = 50) -> None:
    with Recorder(root, toy_body.SPEC, shard=shard) as recorder:
        for seed in seeds:
            for t, frame in enumerate(toy_body.frames(seed)):
                if t == 0:
                    recorder.start_episode(frame.task)
                recorder.add(frame.observation, frame.action, frame.plan, frame.step, frame.qa)
            recorder.end_episode()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("toy")
    fill(out, range(0, 3), shard=2)  # one whole shard of two, one of the remainder
    fill(out, range(4, 6))  # another session goes on
    return out


SEEDS = (0, 1, 2, 4, 5)


def test_what_was_recorded_is_read(root: Path) -> None:
    dataset = Dataset(root)
    assert [len(e) for e in dataset.episodes] == [toy_body.length(s) for s in SEEDS] and len(dataset) == 29
    assert dataset.tasks == ["task 0", "task 1"] and dataset.cameras == ("front", "wrist")
    assert len(list((root / "data").glob("*/*.parquet"))) == 3
    at = 0
    for episode, seed in zip(dataset.episodes, SEEDS, strict=True):
        pictures = dataset.pictures("front", episode.index)
        for t, frame in enumerate(toy_body.frames(seed)):
            np.testing.assert_array_equal(dataset.states["arm"][at], frame.observation.states["arm"][-1])
            np.testing.assert_array_equal(dataset.states["force"][at], frame.observation.states["force"][-1])
            np.testing.assert_array_equal(dataset.column("action")[at], frame.action)
            assert np.abs(pictures[t].astype(int) - frame.observation.images["front"]).mean() < 3
            at += 1
    assert dataset.column("index").tolist() == list(range(29))
    np.testing.assert_array_equal(dataset.column("timestamp"), (dataset.column("frame_index") / 20).astype(np.float32))
    assert dataset.text("task")[0] == "task 0" and json.loads(dataset.text("qa")[0]) == [["what moves?", "the arm"]]
    one = dataset.frame(6)
    assert one["episode_index"] == 1 and one["step"] == "pick red block" and one["task"] == "task 1"
    np.testing.assert_array_equal(one["observation.images.wrist"], dataset.pictures("wrist", 1)[1])


def test_statistics_are_those_of_all_frames(root: Path) -> None:
    dataset = Dataset(root)
    for name in ("action", "observation.state"):
        rows = dataset.column(name)
        np.testing.assert_allclose(dataset.stats[name]["mean"], rows.mean(0), atol=1e-5)
        np.testing.assert_allclose(dataset.stats[name]["std"], rows.std(0), atol=1e-5)
    assert dataset.normalisation().names == ("action", "arm", "force")
    np.testing.assert_allclose(dataset.normalisation().mean_std("arm")[0], dataset.states["arm"].mean(0), rtol=1e-5)
    (root / "other").mkdir(exist_ok=True)
    with pytest.raises(UserError, match="no statistics"):
        dataset.normalisation(["wheel"])


def test_layout_is_lerobots(root: Path) -> None:
    """Same columns, types and info keys as the example that lerobot wrote (the example's quirks aside)."""
    if not EXAMPLE.exists():
        pytest.skip("no example dataset here")
    info, theirs = layout.read_json(root / layout.INFO), layout.read_json(EXAMPLE / layout.INFO)
    assert theirs.keys() <= info.keys() and info.keys() - theirs.keys() == {"body"}
    video = "observation.images.wrist"
    assert info["features"][video].keys() == theirs["features"][video].keys()
    assert info["features"][video]["info"].keys() == theirs["features"][video]["info"].keys()
    for name in (*layout.COUNTERS, "action"):
        assert info["features"][name].keys() == theirs["features"][name].keys()
        mine = pq.read_schema(root / layout.shard_path(layout.DATA, 0)).field(name).type
        assert (
            str(mine).split("[")[0]
            == str(pq.read_schema(EXAMPLE / layout.shard_path(layout.DATA, 0)).field(name).type).split("[")[0]
        )
    path = layout.shard_path(layout.EPISODES, 0)
    mine, others = pq.read_schema(root / path), pq.read_schema(EXAMPLE / path)
    for field in others:
        if "observation" not in field.name or video in field.name:
            assert mine.field(field.name).type == field.type, field.name
    hub = json.loads(pq.read_schema(root / layout.shard_path(layout.DATA, 0)).metadata[b"huggingface"])
    assert hub["info"]["features"]["plan"] == {"dtype": "string", "_type": "Value"}


@pytest.mark.skipif(not EXAMPLE.exists(), reason="no example dataset here")
def test_reads_what_lerobot_wrote() -> None:
    dataset = Dataset(EXAMPLE)
    assert len(dataset) == 24 and dataset.cameras == ("front", "wrist") and dataset.states["state"].shape == (24, 7)
    assert dataset.text("task")[0] == "push the red block to the left" and set(dataset.text("plan")) == {""}
    front, wrist = dataset.pictures("front", 1), dataset.pictures("wrist", 1, 3, 5)
    assert front.shape == (12, 64, 64, 3) and wrist.shape == (2, 64, 64, 3)
    np.testing.assert_array_equal(dataset.frame(15)["observation.images.front"], front[3])
    np.testing.assert_array_equal(wrist, dataset.pictures("wrist", 1)[3:5])
    np.testing.assert_allclose(dataset.stats["action"]["mean"], dataset.column("action").mean(0), atol=1e-6)


def test_windows_equal_slices(root: Path) -> None:
    dataset = Dataset(root)
    windows = Windows(dataset, horizon=4, history=3)
    slow = Windows(dataset, horizon=4, history=3, cache=False)
    episode = dataset.episodes[1]
    first, last = windows[episode.start], windows[episode.stop - 1]
    arm = dataset.states["arm"]
    np.testing.assert_array_equal(first["states"]["arm"], arm[[episode.start] * 3])
    np.testing.assert_array_equal(last["states"]["arm"], arm[episode.stop - 3 : episode.stop])
    np.testing.assert_array_equal(first["action"], dataset.column("action")[episode.start : episode.start + 4])
    assert first["action_mask"].all() and last["action_mask"].tolist() == [True, False, False, False]
    np.testing.assert_array_equal(last["action"], dataset.column("action")[[episode.stop - 1] * 4])
    order = np.random.default_rng(0).permutation(len(windows))
    batch, other = windows.batch(order), slow.batch(order)
    for camera in dataset.cameras:
        np.testing.assert_array_equal(batch["images"][camera], other["images"][camera])
    np.testing.assert_array_equal(batch["action"][3], windows[int(order[3])]["action"])
    assert batch["step"][0] == dataset.text("step")[order[0]]
    short = build("data", "lerobot", root=str(root), horizon=4, within_step=True)[episode.start]
    assert short["action_mask"].tolist() == [True, True, True, False]  # the step changes at the fourth frame


def test_cache_follows_the_dataset(tmp_path: Path) -> None:
    fill(tmp_path, range(1))
    Windows(Dataset(tmp_path), 4)
    fill(tmp_path, range(1, 2))
    windows = Windows(Dataset(tmp_path), 4)
    np.testing.assert_array_equal(windows[6]["images"]["front"], windows.dataset.pictures("front", 1, 1, 2)[0])
    assert len(list((tmp_path / ".cache").iterdir())) == 2  # one per camera, the old ones are gone


def test_joined_videos_hold_the_same_frames(tmp_path: Path) -> None:
    for name in "ab":
        video = VideoWriter(tmp_path / f"{name}.mp4", 20, 64, 64)
        for t in range(11):
            video.add(toy_body.picture(ord(name), t, 64, 64))
        video.close()
    join([tmp_path / "a.mp4", tmp_path / "b.mp4"], tmp_path / "ab.mp4", 20)
    apart = [decode(tmp_path / f"{name}.mp4", 0.0, 11, 20) for name in "ab"]
    np.testing.assert_array_equal(decode(tmp_path / "ab.mp4", 0.0, 22, 20), np.concatenate(apart))
    for t in range(11):
        np.testing.assert_array_equal(decode(tmp_path / "ab.mp4", (11 + t) / 20, 1, 20)[0], apart[1][t])
    with pytest.raises(UserError, match="copy it whole"):
        decode(tmp_path / "ab.mp4", 1.0, 5, 20)


def test_mistakes_are_one_sentence(root: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no dataset"):
        Dataset(tmp_path)
    with pytest.raises(UserError, match="no camera 'back'"):
        Windows(Dataset(root), 4, cameras=["back"])
    with pytest.raises(UserError, match="frames per second"):
        Recorder(root, toy_body.SPEC, fps=10)
    with pytest.raises(UserError, match=r"another 'observation\.images\.wrist'"):
        Recorder(root, toy_body.SPEC, cameras=["front"])
    frame = next(toy_body.frames(0))
    with Recorder(root, toy_body.SPEC) as recorder:
        with pytest.raises(UserError, match="another process records"):
            Recorder(root, toy_body.SPEC)
        with pytest.raises(UserError, match="start_episode"):
            recorder.end_episode()
        recorder.start_episode("pick")
        for action in (np.zeros(3), np.array([np.nan, 0])):
            with pytest.raises(UserError):
                recorder.add(frame.observation, action)
        with pytest.raises(UserError, match="no frames"):
            recorder.end_episode()
    assert len(Dataset(root).episodes) == 5
    video = next((root / "videos").glob("*/*/file-000.mp4"))
    whole = video.read_bytes()
    video.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError):
        Dataset(root).pictures(video.parts[-3].removeprefix(layout.IMAGES), 0)
    video.write_bytes(whole)
