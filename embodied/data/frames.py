"""Decoded pictures beside the dataset, so that random access costs a memory read instead of a video decode.

One raw file per camera in `<root>/.cache`, made once (n * H * W * 3 bytes) and mapped into memory afterwards.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embodied.data import layout
from embodied.data.dataset import Dataset


def _name(dataset: Dataset, camera: str) -> str:
    """Changes when the dataset's files do."""
    key = layout.IMAGES + camera
    folder = dataset.root / ("videos" if dataset.features[key]["dtype"] == "video" else "data")
    files = sorted((str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in folder.glob("**/*.*"))
    told = json.dumps([len(dataset), dataset.picture_shape(camera), files])
    return f"{camera}-{hashlib.sha256(told.encode()).hexdigest()[:12]}.u8"


def decoded(dataset: Dataset, camera: str, folder: Path | None = None) -> NDArray[np.uint8]:
    """All pictures of a camera, uint8 (n, H, W, 3), read-only memory map. The first call decodes, later ones open."""
    folder = folder or dataset.root / ".cache"
    path = folder / _name(dataset, camera)
    shape = (len(dataset), *dataset.picture_shape(camera))
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob(f"{camera}-????????????.u8"):
            old.unlink()
        temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        with temporary.open("wb") as out:
            for episode in dataset.episodes:
                out.write(dataset.pictures(camera, episode.index).tobytes())
        os.replace(temporary, path)
    return np.memmap(path, np.uint8, "r", shape=shape)
