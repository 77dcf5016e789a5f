"""Recording survives kill -9: at every kind of moment, and of the parent of parallel workers."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import toy_body

from embodied.data import shards
from embodied.data.dataset import Dataset
from embodied.data.record import STRIDE, Frame, record
from embodied.errors import UserError

EPISODES = 6

# Kills itself, hard, at the n-th operation that touches the disk in a way that matters.
MORTAL = """
import os, shutil, signal, sys
import toy_body
from embodied.data.record import record
left = int(sys.argv[2])
def mortal(function):
    def wrapped(*args, **named):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **named)
    return wrapped
for module, name in ((os, "fsync"), (os, "replace"), (os, "rename"), (os, "unlink"), (os, "rmdir")):
    setattr(module, name, mortal(getattr(module, name)))
record(toy_body.frames, toy_body.SPEC, int(sys.argv[3]), sys.argv[1], shard=2, progress=False)
"""


def environment() -> dict[str, str]:
    here = Path(__file__).parent
    return os.environ | {"PYTHONPATH": f"{here}{os.pathsep}{here.parent}", "OMP_NUM_THREADS": "1"}


def content(root: Path) -> list[np.ndarray]:
    """All that a dataset holds, episode after episode."""
    dataset = Dataset(root)
    columns = [dataset.column(n) for n in ("action", "observation.state", "index", "episode_index", "timestamp")]
    columns += [dataset.text(name) for name in ("task", "plan", "step", "qa")]
    return columns + [dataset.pictures(camera, e.index) for camera in dataset.cameras for e in dataset.episodes]


def assert_same(a: Path, b: Path) -> None:
    for mine, other in zip(content(a), content(b), strict=True):
        np.testing.assert_array_equal(mine, other)
    for key, stats in Dataset(a).stats.items():
        for name, value in stats.items():
            np.testing.assert_allclose(
                value, Dataset(b).stats[key][name], rtol=1e-6, atol=1e-9, err_msg=f"{key} {name}"
            )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole")
    assert record(toy_body.frames, toy_body.SPEC, EPISODES, out, shard=2, progress=False) == EPISODES
    return out


def test_failed_seeds_are_replaced(whole: Path) -> None:
    dataset = Dataset(whole)
    seeds = [0, 1, 2, 3 + STRIDE, 4, 5]
    np.testing.assert_array_equal(dataset.states["arm"][[e.start for e in dataset.episodes], 0], np.float32(seeds))
    assert record(toy_body.frames, toy_body.SPEC, EPISODES, whole, progress=False) == 0


def test_killed_again_and_again(whole: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    before: set[int] = set()
    kills = 0
    for _ in range(40):
        moment = int(rng.integers(4, 60))
        command = [sys.executable, "-c", MORTAL, str(tmp_path), str(moment), str(EPISODES)]
        ended = subprocess.run(command, env=environment(), capture_output=True, timeout=120)
        if ended.returncode == 0:
            break
        assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
        kills += 1
        now = set(shards.finished(tmp_path))
        assert before <= now, "a finished episode was lost"
        before = now
        if (tmp_path / "meta/info.json").exists():  # what is committed can be read at once, without a recovery
            committed = len(Dataset(tmp_path).episodes)
            for mine, other in zip(Dataset(tmp_path).episodes, Dataset(whole).episodes[:committed], strict=True):
                pictures = Dataset(whole).pictures("front", other.index)
                np.testing.assert_array_equal(Dataset(tmp_path).pictures("front", mine.index), pictures)
    else:
        pytest.fail("recording never ended")
    assert kills >= 3
    assert_same(tmp_path, whole)
    assert not list((tmp_path / shards.JOURNAL).glob("tmp-*")) and not list(
        (tmp_path / shards.JOURNAL).glob("episode-*")
    )


@pytest.mark.parametrize("moment", range(1, 60, 8))
@pytest.mark.slow
def test_killed_at_any_operation(whole: Path, tmp_path: Path, moment: int) -> None:
    command = [sys.executable, "-c", MORTAL, str(tmp_path), str(moment), str(EPISODES)]
    assert subprocess.run(command, env=environment(), timeout=120).returncode == -signal.SIGKILL
    record(toy_body.frames, toy_body.SPEC, EPISODES, tmp_path, shard=2, progress=False)
    assert_same(tmp_path, whole)


def loud(seed: int):
    """Says when it has made an episode (the writer may still have to finish it)."""
    yield from toy_body.frames(seed)
    print("made", seed, flush=True)


def test_killed_with_workers(whole: Path, tmp_path: Path) -> None:
    code = (
        "import sys, toy_body, test_data_record as here\n"
        "if __name__ == '__main__':\n"
        "    here.record(here.loud, toy_body.SPEC, 200, sys.argv[1], processes=2, shard=2, progress=False)\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    out = tmp_path / "out"
    with subprocess.Popen(
        [sys.executable, str(script), str(out)], env=environment(), stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        for _ in range(5):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.stdout.read()  # ends when the workers, which hold the other end, have died too
    there = shards.finished(out)
    assert len(there) >= 2
    assert record(toy_body.frames, toy_body.SPEC, EPISODES, out, processes=2, shard=2, progress=False) <= EPISODES
    before = Dataset(whole)
    for episode in before.episodes:
        np.testing.assert_array_equal(
            Dataset(out).pictures("wrist", episode.index), before.pictures("wrist", episode.index)
        )
    np.testing.assert_array_equal(Dataset(out).column("action")[: len(before)], before.column("action"))


def always_failing(seed: int):
    yield from toy_body.frames(3)


def empty(seed: int):
    yield from ()


def test_mistakes_are_one_sentence(tmp_path: Path) -> None:
    for maker, message in ((always_failing, "bad luck"), (empty, "no frames")):
        with pytest.raises(UserError, match=message):
            record(maker, toy_body.SPEC, 1, tmp_path / message, progress=False)
    for settings in ({"episodes": 0}, {"processes": 0}, {"first_seed": STRIDE}, {"cameras": ["back"]}):
        with pytest.raises(UserError):
            record(toy_body.frames, toy_body.SPEC, **{"episodes": 1, "out": tmp_path, "progress": False} | settings)
    frame = next(toy_body.frames(0))
    with pytest.raises(UserError, match="empty"):
        record(
            lambda seed: iter([Frame(frame.observation, frame.action, " ")]), toy_body.SPEC, 1, tmp_path, progress=False
        )
