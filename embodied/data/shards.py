"""Finished episodes -> the dataset's own files, many episodes a file, in steps that a crash cannot tear.

A shard's data, videos and episode rows go to files whose number no committed episode uses; the rename of info.json is
the commit. Killed before it, the same shard is written again; killed after it, the journal's leftovers are removed.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from embodied.data import layout
from embodied.data.statistics import Stats, describe, from_lists, merge, to_lists
from embodied.data.video import join
from embodied.errors import UserError

JOURNAL = ".recording"


def journal_folder(root: Path, index: int) -> Path:
    return root / JOURNAL / f"episode-{index:06d}"


def _committed(root: Path) -> int:
    return int(layout.read_json(root / layout.INFO)["total_episodes"]) if (root / layout.INFO).exists() else 0


def finished(root: Path) -> list[int]:
    """Indices of all episodes that are wholly on disk, sorted: in the dataset's files or in the journal."""
    waiting = {int(path.name.removeprefix("episode-")) for path in (root / JOURNAL).glob("episode-*")}
    return sorted(waiting | set(range(_committed(root))))


class Lock:
    """One recorder per dataset; the system lets go of it when the process dies, however it dies."""

    def __init__(self, root: Path) -> None:
        (root / JOURNAL).mkdir(parents=True, exist_ok=True)
        self._file: IO[str] = (root / JOURNAL / "lock").open("w")
        try:
            import fcntl
        except ImportError:  # no such locks on Windows
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise UserError(f"another process records into {root}; wait for it or choose another folder") from None

    def release(self) -> None:
        self._file.close()


def recover(root: Path) -> None:
    """After a crash: remove half-written episodes, take finished ones into the dataset."""
    for path in (root / JOURNAL).glob("tmp-*"):
        shutil.rmtree(path, ignore_errors=True)
    consolidate(root)


def check(root: Path, features: layout.Features, fps: int) -> None:
    """UserError when the dataset at root was recorded with other features or another rate."""
    path = root / layout.INFO
    if not path.exists():
        return
    info = layout.read_json(path)
    if info["fps"] != fps:
        raise UserError(f"{root} was recorded at {info['fps']} frames per second, not {fps}; choose another folder")
    for name in sorted(info["features"].keys() | features.keys()):
        mine, theirs = features.get(name, {}), info["features"].get(name, {})
        if any(mine.get(key) != theirs.get(key) for key in ("dtype", "shape", "names", "info")):
            raise UserError(f"{root} was recorded with another {name!r}; use the same body or another folder")


def consolidate(root: Path, full: int = 0) -> int:
    """Move the finished episodes that follow the committed ones without a gap into one new shard; return how many.

    full: take exactly so many, or none while there are fewer; 0 takes what there is. Episodes behind a gap wait in the
    journal. Only the holder of the Lock may call this.
    """
    first = _committed(root)
    waiting = [index for index in finished(root) if journal_folder(root, index).exists()]
    for index in waiting:
        if index < first:  # killed between commit and removal
            shutil.rmtree(journal_folder(root, index))
    count = 0
    while journal_folder(root, first + count).exists() and (count < full or not full):
        count += 1
    if count < max(full, 1):
        return 0
    folders = [journal_folder(root, index) for index in range(first, first + count)]
    taken = [layout.read_json(folder / "episode.json") for folder in folders]
    _write_shard(root, taken)
    for folder in folders:
        shutil.rmtree(folder)
    return count


def _write_shard(root: Path, taken: Sequence[dict[str, Any]]) -> None:
    features, fps = taken[0]["features"], taken[0]["fps"]
    for one in taken:
        if one["features"] != features or one["fps"] != fps:
            raise UserError(f"episode {one['episode_index']} in {root / JOURNAL} is of another body; remove or move it")
    check(root, features, fps)
    info = layout.read_json(root / layout.INFO) if (root / layout.INFO).exists() else None
    tasks: list[str] = pq.read_table(root / layout.TASKS)["task"].to_pylist() if info else []
    shard = _next_shard(root, int(info["total_episodes"])) if info else 0
    frame = frames_before = int(info["total_frames"]) if info else 0
    videos = [name for name, feature in features.items() if feature["dtype"] == "video"]
    schema = layout.schema_of(features)

    data = root / layout.shard_path(layout.DATA, shard)
    data.parent.mkdir(parents=True, exist_ok=True)
    temporary = data.with_name(data.name + ".tmp")
    rows: list[dict[str, Any]] = []
    with pq.ParquetWriter(temporary, schema) as writer:
        for one in taken:
            if one["task"] not in tasks:
                tasks.append(one["task"])
            episode, length = one["episode_index"], one["length"]
            counted = {
                "episode_index": np.full(length, episode, np.int64),
                "index": np.arange(frame, frame + length),
                "task_index": np.full(length, tasks.index(one["task"]), np.int64),
            }
            table = pq.read_table(journal_folder(root, episode) / "data.parquet")
            for name, values in counted.items():
                table = table.append_column(name, pa.array(values))
                one["stats"][name] = to_lists({name: describe(values[:, None])})[name]
            writer.write_table(table.select(schema.names).cast(schema))  # one row group an episode, as lerobot's
            rows.append(_episode_row(one, shard, frame, frames_before, videos))
            frame += length
    layout.publish(temporary, data)
    for key in videos:
        path = root / layout.shard_path(layout.VIDEO, shard, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        camera = key.removeprefix(layout.IMAGES)
        clips = [journal_folder(root, one["episode_index"]) / f"{camera}.mp4" for one in taken]
        join(clips, path.with_suffix(".tmp"), fps)
        layout.publish(path.with_suffix(".tmp"), path)
    layout.write_table(root / layout.shard_path(layout.EPISODES, shard), pa.Table.from_pylist(rows))
    layout.write_table(root / layout.TASKS, layout.tasks_table(tasks))
    parts = [from_lists(one["stats"]) for one in taken]
    if info:
        parts = [*_committed_stats(root, info), *parts]
    layout.write_json(root / layout.STATS, to_lists({key: merge([part[key] for part in parts]) for key in parts[-1]}))
    total = taken[-1]["episode_index"] + 1
    layout.write_json(
        root / layout.INFO,
        {
            "codebase_version": layout.VERSION,
            "robot_type": taken[0]["body"]["name"],
            "total_episodes": total,
            "total_frames": frame,
            "total_tasks": len(tasks),
            "chunks_size": layout.CHUNK,
            "data_files_size_in_mb": 100,
            "video_files_size_in_mb": 200,
            "fps": fps,
            "splits": {"train": f"0:{total}"},
            "data_path": layout.DATA,
            "video_path": layout.VIDEO,
            "features": features,
            "body": taken[0]["body"],
        },
    )


def _episode_files(root: Path) -> list[Path]:
    return sorted((root / "meta/episodes").glob("*/*.parquet"))


def _next_shard(root: Path, committed: int) -> int:
    """The number after that of the last committed shard; a file beyond it is what a crash left and is written over."""
    for path in reversed(_episode_files(root)):
        table = pq.read_table(path, columns=["episode_index", "data/chunk_index", "data/file_index"])
        if table["episode_index"][0].as_py() < committed:
            return table["data/chunk_index"][-1].as_py() * layout.CHUNK + table["data/file_index"][-1].as_py() + 1
    return 0


def _committed_stats(root: Path, info: dict[str, Any]) -> list[dict[str, Stats]]:
    """Statistics that cover the committed episodes and no others: stats.json, or the episodes' own if it is ahead."""
    whole = from_lists(layout.read_json(root / layout.STATS))
    if int(whole["index"]["count"][0]) == info["total_frames"]:
        return [whole]
    rows = [row for path in _episode_files(root) for row in pq.read_table(path).to_pylist()]
    parts = []
    for row in rows:
        if row["episode_index"] < info["total_episodes"]:
            part: dict[str, Stats] = {}
            for column, value in row.items():
                if column.startswith("stats/"):
                    _, key, name = column.split("/")
                    part.setdefault(key, {})[name] = np.asarray(value)
            parts.append(part)
    return parts


def _episode_row(
    one: dict[str, Any], shard: int, frame: int, frames_before: int, videos: Sequence[str]
) -> dict[str, Any]:
    """One row of meta/episodes: where the episode's frames lie, and its statistics."""
    place = {"chunk_index": shard // layout.CHUNK, "file_index": shard % layout.CHUNK}
    row: dict[str, Any] = {"episode_index": one["episode_index"], "tasks": [one["task"]], "length": one["length"]}
    row |= {f"data/{key}": value for key, value in place.items()}
    row |= {"dataset_from_index": frame, "dataset_to_index": frame + one["length"]}
    for key in videos:
        row |= {f"videos/{key}/{name}": value for name, value in place.items()}
        row[f"videos/{key}/from_timestamp"] = (frame - frames_before) / one["fps"]
        row[f"videos/{key}/to_timestamp"] = (frame - frames_before + one["length"]) / one["fps"]
    row |= {f"stats/{key}/{name}": value for key, stats in one["stats"].items() for name, value in stats.items()}
    return row | {f"meta/episodes/{key}": value for key, value in place.items()}
