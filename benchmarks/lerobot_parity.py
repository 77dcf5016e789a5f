"""Does lerobot 0.4.4 read what we write, and do we read what it reads, frame for frame?

    python benchmarks/lerobot_parity.py [ours=FOLDER] [theirs=FOLDER]

Needs lerobot 0.4.4 with torchcodec beside this project (an own environment is best: it wants older libraries than we do).
Without folders it records a small dataset first. Prints a table; exits with 1 when a value differs. Pictures may differ by
a few levels, since torchcodec and PyAV turn YUV into RGB with different rounding.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from beside import declare_operators

from embodied.data.dataset import Dataset
from embodied.data.recorder import Recorder
from embodied.spec import BodySpec, CameraSpec, Channels
from embodied.types import Observation

PICTURE_LEVELS = 3.0  # mean absolute difference out of 255


def small(root: Path) -> None:
    """Three short episodes of a made-up arm with two cameras."""
    rng = np.random.default_rng(0)
    arm = Channels(("x", "y", "z"), ("m",) * 3, (-9.0,) * 3, (9.0,) * 3, 20.0)
    view = CameraSpec(128, 128, 100.0, 100.0, 64.0, 64.0, np.eye(4))
    spec = BodySpec("toy", {"front": view, "wrist": view}, {"arm": arm}, arm)
    with Recorder(root, spec, shard=2) as recorder:
        for episode in range(3):
            recorder.start_episode(f"do thing {episode % 2}")
            blob = np.kron(rng.integers(0, 255, (8, 8, 3), np.uint8), np.ones((16, 16, 1), np.uint8))
            for t in range(25):
                rows = rng.normal(size=(8, 3)).astype(np.float32)
                images = {"front": np.roll(blob, t, axis=1), "wrist": np.roll(blob, t, axis=0)}
                recorder.add(Observation(t / 20, images, {"arm": rows}), rows[-1], "pick red block", "pick red block")
            recorder.end_episode()


def compare(name: str, root: Path) -> bool:
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    ours, theirs = Dataset(root), LeRobotDataset(f"local/{name}", root=root)
    worst: dict[str, float] = {"frames": abs(len(ours) - len(theirs))}
    for index in range(0, len(ours), max(1, len(ours) // 40)):
        mine, other = ours.frame(index), theirs[index]
        for key in (*ours.features, "task"):
            value = other[key]
            if isinstance(value, str):
                difference = float(value != mine[key])
            elif key.startswith("observation.images."):
                picture = value.permute(1, 2, 0).numpy() * 255
                difference = max(0.0, float(np.abs(picture - mine[key]).mean()) - PICTURE_LEVELS)
                levels = f"{key} (levels)"
                worst[levels] = max(worst.get(levels, 0.0), float(np.abs(picture - mine[key]).mean()))
            else:
                difference = float(np.abs(value.numpy() - mine[key]).max())
            worst[key] = max(worst.get(key, 0.0), difference)
    for key, stats in theirs.meta.stats.items():
        for part, value in stats.items():
            worst[f"stats {key}"] = max(
                worst.get(f"stats {key}", 0.0), float(np.abs(np.asarray(value) - ours.stats[key][part]).max())
            )
    print(f"\n{name}: {root}\n| what | largest difference |\n|---|---|")
    for key, value in worst.items():
        print(f"| {key} | {value:.3g} |")
    return not any(value for key, value in worst.items() if not key.endswith("(levels)"))


def main(words: list[str]) -> int:
    declare_operators()
    given = dict(word.split("=", 1) for word in words)
    with tempfile.TemporaryDirectory() as folder:
        if "ours" not in given:
            given["ours"] = f"{folder}/small"
            small(Path(given["ours"]))
        same = [compare(name, Path(root)) for name, root in given.items()]
    print("\nequal" if all(same) else "\nDIFFERENT")
    return 0 if all(same) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
