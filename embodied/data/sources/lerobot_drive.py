"""Drives in a LeRobotDataset v3, one an episode: those of our own simulator, or any whose states are called as ours.

States `ego`, `pose` and `truth` come from info.json's body. A dataset that does not tell its channels apart is read through
the names of observation.state: `ego.speed` or plain `speed`. A camera `lidar` of the size of embodied.drive.above is a lidar's
picture from above, as exact as its film has kept it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embodied.data import align, dashcam
from embodied.data.drives import EGO, POSE, TRUTH, Drive, Reading, body_spec, observation, reader
from embodied.drive import above
from embodied.errors import UserError
from embodied.types import Observation

if TYPE_CHECKING:
    from embodied.data.dataset import Dataset, Episode

STRETCH = 16  # frames decoded at a time
OWN = "sim-car"  # body.name of the simulator's car, whose dashcam is known


def own_camera(width: int, height: int) -> Any:
    """The simulator's dashcam at this size: 70 degrees wide, 1.35 m up, 0.5 m ahead of the rear axle, 4 degrees down."""
    return dashcam.dashcam(width, height, width / 2 / np.tan(np.radians(35.0)), 1.35, 0.5, pitch_rad=np.radians(4.0))


@reader("lerobot", "a LeRobotDataset v3 with states of a car", lambda p: (p / "meta/info.json").exists())
def lerobot_drive(path: Path, reading: Reading) -> tuple[Drive, ...]:
    from embodied.data import layout
    from embodied.data.dataset import Dataset

    dataset = Dataset(path)
    names = [str(n).split(".")[-1] for n in dataset.features[layout.STATE]["names"] or ()]
    ego = tuple(name for name in EGO if name in names)
    if not ego:
        raise UserError(f"{path} has no state of a car ({', '.join(EGO)}); it has {', '.join(names) or 'unnamed ones'}")
    return tuple(_drive(dataset, one, names, ego, reading) for one in dataset.episodes)


def _drive(dataset: Dataset, one: Episode, names: list[str], ego: tuple[str, ...], reading: Reading) -> Drive:
    has = {"pose": set(POSE.names) <= set(names), "truth": set(TRUTH.names) <= set(names)}
    own = dataset.info.get("body", {}).get("name") == OWN
    cameras, facts = {}, {"task": one.tasks[0] if one.tasks else "", "steer": "road"}
    for name in dataset.cameras:
        height, width, _ = dataset.picture_shape(name)
        if (name, height, width) == (above.NAME, above.ROWS, above.COLUMNS):
            facts[above.NAME] = above.SAID
            continue
        cameras[name] = own_camera(width, height) if own else dashcam.told(width, height, reading.camera)[0]
    if not own and not reading.camera:
        facts["camera"] = "assumed"
    spec = body_spec("lerobot", dataset.fps, ego, cameras, has["pose"], has["truth"], **facts)
    whole = dataset.column("observation.state")[one.start : one.stop]
    name = dataset.root.name if len(dataset.episodes) == 1 else f"{dataset.root.name}-{one.index:03d}"
    pick = {"ego": [names.index(n) for n in ego]}
    pick |= {
        state: [names.index(n) for n in kind.names] for state, kind in (("pose", POSE), ("truth", TRUTH)) if has[state]
    }

    def stream() -> Iterator[Observation]:
        kept: dict[str, NDArray[np.uint8]] = {}
        rows = (align.Row(k / dataset.fps, whole[k, pick["ego"]], f"frame {k}") for k in range(len(one)))
        for k, row in enumerate(align.checked(rows, name, ego)):
            if k % STRETCH == 0:
                kept = {c: dataset.pictures(c, one.index, k, k + STRETCH) for c in dataset.cameras}
            images = {c: lambda shots=shots, k=k: shots[k % STRETCH] for c, shots in kept.items()}
            yield observation(row.t_s, images, **{state: whole[k, part] for state, part in pick.items()})

    return Drive(name, spec, stream)
