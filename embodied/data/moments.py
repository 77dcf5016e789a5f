"""Moments of simulated drives on disk, a file a drive: what the network that drives is taught from.

A moment's picture is the network's view (embodied.drive.view), deflated one by one, so that an epoch in any order costs neither
the memory of all pictures nor the decoding of a film.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embodied.drive import above
from embodied.drive.view import HEIGHT, WIDTH
from embodied.errors import UserError
from embodied.types import Image

CELL = 8  # px along the edge of a labelled cell
KINDS = ("field", "asphalt", "paint", "car", "person")
CELLS = ("kind", "range", "along", "left")  # index in KINDS; m; m/s of the car or person that is seen there
FACTS = ("left", "heading", "junction", "cruise", "gap", "their_speed", "person", "person_left")
SQUARES = ("kind", "range", "along", "left", "aside")  # of a lidar's squares: likewise; and m to the left of the car
RATE_HZ = 20.0  # of ego and pose


@dataclass
class Moments:
    """One drive. ego (n, 4) speed accel yaw_rate steer and pose (n, 3) at RATE_HZ; at (m,): the moments' rows in them.

    truth (m, 4) as embodied.data.drives.TRUTH; clear (m,): s until the driver is next disturbed, after which the future says
    nothing of what should be done now; pictures: m deflated views; cells (m, rows, columns, len(CELLS)); facts (m, len(FACTS)),
    exact; scans: m deflated pictures of a lidar (embodied.drive.above), and squares (m, *above.SQUARES, len(SQUARES)) of
    what stands in them; or none of both."""

    seed: int
    task: str
    ego: NDArray[np.float32]
    pose: NDArray[np.float64]
    at: NDArray[np.int32]
    truth: NDArray[np.float32]
    clear: NDArray[np.float32]
    pictures: list[bytes]
    cells: NDArray[np.float16]
    facts: NDArray[np.float32]
    scans: list[bytes] = field(default_factory=list[bytes])
    squares: NDArray[np.float16] = field(
        default_factory=lambda: np.zeros((0, *above.SQUARES, len(SQUARES)), np.float16)
    )

    def picture(self, k: int) -> Image:
        """uint8 (HEIGHT, WIDTH, 3) of moment k."""
        return np.frombuffer(zlib.decompress(self.pictures[k]), np.uint8).reshape(HEIGHT, WIDTH, 3)

    def scan(self, k: int) -> Image:
        """uint8 (above.ROWS, above.COLUMNS, 3) of moment k."""
        return np.frombuffer(zlib.decompress(self.scans[k]), np.uint8).reshape(above.ROWS, above.COLUMNS, 3)

    def save(self, path: Path) -> None:
        """Whole or not at all."""
        packed: dict[str, Any] = {}
        for name, sizes, blobs in (("pictures", "sizes", self.pictures), ("scans", "scan_sizes", self.scans)):
            packed[name] = np.frombuffer(b"".join(blobs), np.uint8)
            packed[sizes] = np.array([len(one) for one in blobs], np.int64)
        part = path.with_suffix(".part.npz")
        np.savez_compressed(
            part, seed=self.seed, task=np.array(self.task), ego=self.ego, pose=self.pose, at=self.at, truth=self.truth,
            clear=self.clear, cells=self.cells, facts=self.facts, squares=self.squares, **packed,
        )  # fmt: skip
        part.rename(path)

    @classmethod
    def load(cls, path: Path) -> Moments:
        with np.load(path) as f:
            arrays = {name: f[name] for name in ("ego", "pose", "at", "truth", "clear", "cells", "facts")}
            if "squares" in f:  # none before there were lidars
                arrays |= {"scans": _blobs(f["scans"], f["scan_sizes"]), "squares": f["squares"]}
            return cls(int(f["seed"]), str(f["task"]), pictures=_blobs(f["pictures"], f["sizes"]), **arrays)


def _blobs(packed: NDArray[np.uint8], sizes: NDArray[np.int64]) -> list[bytes]:
    blob = packed.tobytes()
    return [blob[a:b] for a, b in pairwise([0, *map(int, np.cumsum(sizes))])]


def deflate(picture: Image) -> bytes:
    return zlib.compress(np.ascontiguousarray(picture).tobytes(), 6)


def files(folder: str | Path) -> Sequence[Path]:
    """The drives in a folder, by seed, or one by itself. UserError when there are none."""
    if Path(folder).is_file() and Path(folder).suffix == ".npz":
        return [Path(folder)]
    found = sorted(Path(folder).glob("[0-9]*.npz"))
    found = [one for one in found if not one.name.endswith(".part.npz")]
    if not found:
        raise UserError(
            f"no recorded moments in {str(folder)!r}; make some with `embodied record kind=road shake=1 out={folder}`"
        )
    return found
