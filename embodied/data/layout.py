"""The names and files of a LeRobotDataset v3, and writes that a crash cannot tear.

Format: codebase version "v3.0" as lerobot 0.4.4 writes it. Beyond it we declare, all ignored or accepted by lerobot:
- per-frame string features `plan`, `step` and `qa` (dtype "string", shape [1]; lerobot hands them on as str). `plan`
  and `step` are the text of the plan then in force and of its current step; `qa` is JSON,
  [[question, answer], ...] or "";
- info.json `body`: names, units, limits of the states that `observation.state` concatenates, and of the action.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from embodied.errors import UserError
from embodied.spec import BodySpec, Channels

VERSION = "v3.0"
INFO = "meta/info.json"
STATS = "meta/stats.json"
TASKS = "meta/tasks.parquet"
EPISODES = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
CHUNK = 1000  # files a chunk folder holds
IMAGES = "observation.images."
STATE = "observation.state"
ACTION = "action"
LANGUAGE = ("plan", "step", "qa")
COUNTERS = {"timestamp": "float32"} | dict.fromkeys(("frame_index", "episode_index", "index", "task_index"), "int64")

Features = dict[str, dict[str, Any]]


def features_of(spec: BodySpec, cameras: tuple[str, ...], fps: int) -> Features:
    """info.json's `features` for what this body senses and does."""
    state = [f"{name}.{channel}" for name, channels in spec.states.items() for channel in channels.names]
    made: Features = {
        STATE: {"dtype": "float32", "shape": [len(state)], "names": state},
        ACTION: {"dtype": "float32", "shape": [len(spec.action)], "names": list(spec.action.names)},
    }
    for name in cameras:
        if name not in spec.cameras:
            known = ", ".join(spec.cameras) or "none"
            raise UserError(f"body {spec.name!r} has no camera {name!r}; choose from {known}")
        camera = spec.cameras[name]
        if camera.width % 2 or camera.height % 2:
            raise UserError(f"camera {name!r} is {camera.width}x{camera.height}; yuv420p video needs even sides")
        made[IMAGES + name] = {
            "dtype": "video",
            "shape": [camera.height, camera.width, 3],
            "names": ["height", "width", "channels"],
            "info": {
                "video.height": camera.height,
                "video.width": camera.width,
                "video.codec": "h264",
                "video.pix_fmt": "yuv420p",
                "video.is_depth_map": False,
                "video.fps": fps,
                "video.channels": 3,
                "has_audio": False,
            },
        }
    made |= {name: {"dtype": "string", "shape": [1], "names": None} for name in LANGUAGE}
    return made | {name: {"dtype": dtype, "shape": [1], "names": None} for name, dtype in COUNTERS.items()}


def body_of(spec: BodySpec) -> dict[str, Any]:
    """What info.json keeps of the body so that states can be told apart again."""

    def channels(one: Channels) -> dict[str, Any]:
        return {"names": list(one.names), "units": list(one.units), "low": list(one.low), "high": list(one.high)}

    return {
        "name": spec.name,
        "states": {name: channels(one) for name, one in spec.states.items()},
        "action": channels(spec.action),
    }


def shard_path(template: str, shard: int, video_key: str = "") -> str:
    """The file of shard number `shard`, relative to the dataset's root."""
    return template.format(chunk_index=shard // CHUNK, file_index=shard % CHUNK, video_key=video_key)


def schema_of(features: Features) -> pa.Schema:
    """The arrow schema of the data files, with the `huggingface` metadata that the datasets library reads."""
    fields, hub = [], {}
    for name, feature in features.items():
        if feature["dtype"] == "video":
            continue
        value = {"string": pa.string(), "float32": pa.float32(), "int64": pa.int64()}[feature["dtype"]]
        described: dict[str, Any] = {"dtype": feature["dtype"], "_type": "Value"}
        size = feature["shape"][0]
        if size > 1:  # lerobot keeps vectors of one value as plain columns
            value = pa.list_(value, size)
            described = {"feature": described, "length": size, "_type": "List"}
        fields.append(pa.field(name, value))
        hub[name] = described
    return pa.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": hub}})})


def tasks_table(tasks: list[str]) -> pa.Table:
    """meta/tasks.parquet: the task string is the pandas index, as lerobot reads it back (`tasks.iloc[i].name`)."""

    def column(name: str, kind: str, numpy_kind: str) -> dict[str, Any]:
        return {"name": name, "field_name": name, "pandas_type": kind, "numpy_type": numpy_kind, "metadata": None}

    pandas = {
        "index_columns": ["task"],
        "column_indexes": [],
        "columns": [column("task_index", "int64", "int64"), column("task", "unicode", "object")],
        "creator": {"library": "pyarrow", "version": pa.__version__},
        "pandas_version": "2.0.0",
    }
    table = pa.table({"task_index": pa.array(range(len(tasks)), pa.int64()), "task": pa.array(tasks, pa.string())})
    return table.replace_schema_metadata({"pandas": json.dumps(pandas)})


def sync(path: Path) -> None:
    """Flush a file or folder to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def publish(temporary: Path, final: Path) -> None:
    """Flush, then rename: `final` is either its old self or wholly the new one, whenever the process dies."""
    final.parent.mkdir(parents=True, exist_ok=True)
    sync(temporary)
    os.replace(temporary, final)
    sync(final.parent)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    temporary = path.with_name(path.name + ".tmp")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary.write_text(json.dumps(content, indent=4))
    publish(temporary, path)


def write_table(path: Path, table: pa.Table) -> None:
    temporary = path.with_name(path.name + ".tmp")
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, temporary)
    publish(temporary, path)


def read_json(path: Path) -> dict[str, Any]:
    """UserError when the file is missing or is no JSON object."""
    try:
        content = json.loads(path.read_text())
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UserError(f"cannot read {path} ({error}); give the folder of a LeRobotDataset v3") from None
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no JSON object; give the folder of a LeRobotDataset v3")
    return content
