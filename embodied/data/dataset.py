"""Reads a LeRobotDataset v3, ours or lerobot's own: columns at once, pictures when asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from embodied.data import layout
from embodied.data.normalise import Normalisation
from embodied.data.statistics import Stats, from_lists
from embodied.data.video import decode, decode_picture
from embodied.errors import UserError


@dataclass(frozen=True)
class Episode:
    """Frames start..stop-1 of the dataset; rest are the columns of meta/episodes (where its videos lie)."""

    index: int
    tasks: tuple[str, ...]
    start: int
    stop: int
    rest: dict[str, Any]

    def __len__(self) -> int:
        return self.stop - self.start


class Dataset:
    """len() is the number of frames. UserError when the folder is none, of another version or incomplete."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        if not (self.root / layout.INFO).exists():
            waiting = any((self.root / ".recording").glob("episode-*"))
            fix = "finish it with `embodied record`" if waiting else "give the folder of a LeRobotDataset v3"
            raise UserError(f"no dataset in {str(self.root)!r} (no {layout.INFO}); {fix}")
        self.info = layout.read_json(self.root / layout.INFO)
        if not str(self.info.get("codebase_version", "")).startswith("v3"):
            version = self.info.get("codebase_version")
            raise UserError(f"{self.root} is of version {version}; convert it with lerobot's script to v3.0")
        self.features: layout.Features = self.info["features"]
        self.fps: float = self.info["fps"]
        self.cameras = tuple(key.removeprefix(layout.IMAGES) for key in self.features if key.startswith(layout.IMAGES))
        self.episodes = self._episodes()
        self.tasks = self._tasks()
        self._table = self._data()

    def __len__(self) -> int:
        return self._table.num_rows

    def _episodes(self) -> list[Episode]:
        rows: list[dict[str, Any]] = []
        for path in sorted((self.root / "meta/episodes").glob("*/*.parquet")):
            names = [name for name in pq.read_schema(path).names if not name.startswith("stats/")]
            rows += pq.read_table(path, columns=names).to_pylist()
        total = self.info["total_episodes"]
        rows = sorted((row for row in rows if row["episode_index"] < total), key=lambda row: row["episode_index"])
        if [row["episode_index"] for row in rows] != list(range(total)):
            raise UserError(f"{self.root} lists {len(rows)} of {total} episodes; copy it whole")
        return [
            Episode(index, tuple(row["tasks"]), row["dataset_from_index"], row["dataset_to_index"], row)
            for index, row in enumerate(rows)
        ]

    def _tasks(self) -> list[str]:
        table = pq.read_table(self.root / layout.TASKS)
        text = next(name for name in table.column_names if name != "task_index")  # the pandas index, whatever its name
        known = dict(zip(table["task_index"].to_pylist(), table[text].to_pylist(), strict=True))
        return [known.get(index, "") for index in range(max(known, default=-1) + 1)]

    def _files(self) -> list[Path]:
        found = {(e.rest["data/chunk_index"], e.rest["data/file_index"]) for e in self.episodes}
        template = self.info["data_path"]
        return [self.root / template.format(chunk_index=chunk, file_index=file) for chunk, file in sorted(found)]

    def _data(self) -> pa.Table:
        wanted = [name for name, feature in self.features.items() if feature["dtype"] not in ("video", "image")]
        try:
            table = pa.concat_tables([pq.read_table(path, columns=wanted) for path in self._files()])
        except (OSError, pa.ArrowInvalid) as error:
            raise UserError(f"cannot read the data of {self.root} ({error}); copy the dataset whole") from None
        if table.num_rows != self.info["total_frames"]:
            raise UserError(f"{self.root} holds {table.num_rows} of {self.info['total_frames']} frames; copy it whole")
        return table

    def column(self, name: str) -> NDArray[Any]:
        """A numeric feature of all frames: (n, d), or (n,) for the counters (timestamp, index, ...)."""
        if name not in self._table.column_names:
            raise UserError(f"{self.root} has no feature {name!r}; it has {', '.join(self.features)}")
        column = self._table[name].combine_chunks()
        if pa.types.is_list(column.type) or pa.types.is_fixed_size_list(column.type):
            return np.ascontiguousarray(column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1))
        values = column.to_numpy(zero_copy_only=False)
        return values if name in layout.COUNTERS else values[:, None]

    def text(self, name: str) -> NDArray[np.object_]:
        """A language column of all frames (n,), str; all empty when the dataset has none of that name."""
        if name == "task":
            return np.array(self.tasks, object)[self.column("task_index")]
        if name not in self._table.column_names:
            return np.full(len(self), "", object)
        return self._table[name].fill_null("").to_numpy().astype(object)

    @cached_property
    def states(self) -> dict[str, NDArray[np.float32]]:
        """State name -> (n, d). One called "state" when info.json does not tell which channels belong together."""
        whole = self.column(layout.STATE).astype(np.float32)
        return {name: whole[:, part] for name, part in self._parts.items()}

    @cached_property
    def _parts(self) -> dict[str, slice]:
        parts: dict[str, slice] = {}
        at = 0
        for name, channels in self.info.get("body", {}).get("states", {}).items():
            parts[name] = slice(at, at + len(channels["names"]))
            at += len(channels["names"])
        return parts or {"state": slice(None)}

    @cached_property
    def stats(self) -> dict[str, Stats]:
        """Statistics per feature, and per state name ("arm", ...) as parts of observation.state's."""
        path = self.root / layout.STATS
        stats = from_lists(layout.read_json(path))
        if layout.STATE in stats:
            whole = stats[layout.STATE]
            for name, part in self._parts.items():
                stats[name] = {key: value if key == "count" else value[part] for key, value in whole.items()}
        return stats

    def normalisation(self, names: Sequence[str] = ()) -> Normalisation:
        """Of the named vectors; default: action and every state. UserError when statistics are missing."""
        return Normalisation.from_stats(self.stats, names or (layout.ACTION, *self._parts))

    def picture_shape(self, camera: str) -> tuple[int, int, int]:
        """H W 3 of a camera. UserError names the cameras there are."""
        if camera not in self.cameras:
            raise UserError(f"{self.root} has no camera {camera!r}; choose from {', '.join(self.cameras) or 'none'}")
        height, width, colours = self.features[layout.IMAGES + camera]["shape"]
        return height, width, colours

    def pictures(self, camera: str, episode: int, start: int = 0, stop: int | None = None) -> NDArray[np.uint8]:
        """Frames start..stop-1 (within the episode; default all) of one camera, uint8 (n, H, W, 3), decoded now."""
        shape = self.picture_shape(camera)
        key, one = layout.IMAGES + camera, self.episodes[episode]
        stop = len(one) if stop is None else min(stop, len(one))
        if self.features[key]["dtype"] == "video":
            place = {name: one.rest[f"videos/{key}/{name}"] for name in ("chunk_index", "file_index")}
            path = self.root / self.info["video_path"].format(video_key=key, **place)
            found = decode(path, one.rest[f"videos/{key}/from_timestamp"] + start / self.fps, stop - start, self.fps)
        else:
            place = {name: one.rest[f"data/{name}"] for name in ("chunk_index", "file_index")}
            path = self.root / self.info["data_path"].format(**place)
            table = pq.read_table(path, columns=[key], filters=[("episode_index", "=", one.index)])
            rows = table[key].slice(start, stop - start).to_pylist()
            found = np.stack([decode_picture(row["bytes"]) for row in rows])
        if found.shape[1:] != shape:
            raise UserError(f"camera {camera!r} of {self.root} shows {found.shape[1:]}, info.json says {shape}")
        return found

    def frame(self, index: int) -> dict[str, Any]:
        """Everything of one frame under lerobot's keys; pictures uint8 H W 3, `task` its text."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"frame {index} of {len(self)}")
        index %= len(self)
        made: dict[str, Any] = {}
        for name in self._table.column_names:
            value = self._table[name][index].as_py()
            dtype = self.features[name]["dtype"]
            made[name] = value if dtype == "string" else np.asarray(value, dtype)
        one = next(e for e in self.episodes if e.start <= index < e.stop)
        for camera in self.cameras:
            made[layout.IMAGES + camera] = self.pictures(camera, one.index, index - one.start, index - one.start + 1)[0]
        made["task"] = self.tasks[int(made["task_index"])]
        return made
