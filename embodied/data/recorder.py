"""Episodes from a running body to disk, so that a kill at any moment loses at most the episode being recorded.

An episode is written into `.recording/tmp-*`, flushed, and then renamed to `.recording/episode-000012`: it exists
wholly or not at all. `shards.consolidate` moves finished episodes into the dataset's own files.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from embodied.data import layout, shards
from embodied.data.statistics import PixelCounter, describe, to_lists
from embodied.data.video import VideoWriter
from embodied.errors import UserError
from embodied.spec import BodySpec
from embodied.types import Observation


class EpisodeWriter:
    """One episode on its way to disk. Give it ticks with add(), then finish() or abandon()."""

    def __init__(
        self, root: Path, spec: BodySpec, index: int, task: str, fps: int = 20,
        cameras: Sequence[str] | None = None,
    ) -> None:  # fmt: skip
        if not task.strip():
            raise UserError("the task of an episode is empty; say in a sentence what is done")
        self._spec, self._index, self._task, self._fps = spec, index, task, fps
        self._cameras = tuple(spec.cameras) if cameras is None else tuple(cameras)
        self._features = layout.features_of(spec, self._cameras, fps)
        self._journal = root / shards.JOURNAL
        self._journal.mkdir(parents=True, exist_ok=True)
        self._folder = Path(tempfile.mkdtemp(prefix=f"tmp-{os.getpid()}-", dir=self._journal))
        self._pixels = {name: PixelCounter() for name in self._cameras}
        sides = {name: (spec.cameras[name].width, spec.cameras[name].height) for name in self._cameras}
        self._videos = {name: VideoWriter(self._folder / f"{name}.mp4", fps, *sides[name]) for name in self._cameras}
        self._states: list[np.ndarray] = []
        self._actions: list[np.ndarray] = []
        self._texts: dict[str, list[str]] = {name: [] for name in layout.LANGUAGE}

    def __len__(self) -> int:
        return len(self._actions)

    def add(
        self, obs: Observation, action: np.ndarray, plan: str = "", step: str = "", qa: Sequence[tuple[str, str]] = ()
    ) -> None:
        """One tick: what was seen and the action (a,) that was then sent. Raises UserError when it misfits the spec."""
        parts = []
        for name, channels in self._spec.states.items():
            if name not in obs.states or obs.states[name].shape[-1] != len(channels):
                shapes = {state: rows.shape for state, rows in obs.states.items()}
                raise UserError(f"observation needs a state {name!r} of {len(channels)} values, it has {shapes}")
            parts.append(np.asarray(obs.states[name], np.float32)[-1])
        action = np.asarray(action, np.float32)
        if action.shape != (len(self._spec.action),):
            wanted = (len(self._spec.action),)
            raise UserError(f"action has shape {action.shape}, body {self._spec.name!r} wants {wanted}")
        state = np.concatenate(parts) if parts else np.zeros(0, np.float32)
        if not (np.isfinite(state).all() and np.isfinite(action).all()):
            raise UserError(f"frame {len(self)} of {self._task!r} holds a value that is not finite; drop the episode")
        for name in self._cameras:
            camera = self._spec.cameras[name]
            if name not in obs.images or obs.images[name].shape != (camera.height, camera.width, 3):
                got = obs.images[name].shape if name in obs.images else "none"
                raise UserError(f"camera {name!r} must give {camera.height}x{camera.width}x3, observation has {got}")
        for name in self._cameras:
            self._videos[name].add(obs.images[name])
            self._pixels[name].add(obs.images[name])
        self._states.append(state)
        self._actions.append(action)
        pairs = json.dumps([list(pair) for pair in qa]) if qa else ""
        for name, text in zip(layout.LANGUAGE, (plan, step, pairs), strict=True):
            self._texts[name].append(text)

    def finish(self) -> None:
        """Flush to disk and make the episode exist. An episode of that index that exists already is kept instead."""
        if not len(self):
            raise UserError(f"episode {self._index} has no frames; add some before it ends")
        for video in self._videos.values():
            video.close()
        frame = np.arange(len(self))
        numbers = {
            layout.STATE: np.stack(self._states),
            layout.ACTION: np.stack(self._actions),
            "timestamp": (frame / self._fps).astype(np.float32)[:, None],
            "frame_index": frame[:, None],
        }
        columns: dict[str, Any] = dict(self._texts)
        for name, values in numbers.items():
            flat = pa.array(values.ravel())
            columns[name] = flat if values.shape[1] == 1 else pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
        pq.write_table(pa.table(columns), self._folder / "data.parquet")
        stats = {name: describe(values) for name, values in numbers.items()}
        stats |= {layout.IMAGES + name: pixels.stats() for name, pixels in self._pixels.items()}
        described = {
            "episode_index": self._index,
            "task": self._task,
            "length": len(self),
            "fps": self._fps,
            "features": self._features,
            "body": layout.body_of(self._spec),
            "stats": to_lists(stats),
        }
        (self._folder / "episode.json").write_text(json.dumps(described))
        for path in self._folder.iterdir():
            layout.sync(path)
        layout.sync(self._folder)
        final = shards.journal_folder(self._journal.parent, self._index)
        if final.exists():
            shutil.rmtree(self._folder)
            return
        os.rename(self._folder, final)
        layout.sync(self._journal)

    def abandon(self) -> None:
        """Drop what was recorded of this episode."""
        for video in self._videos.values():
            video.close()
        shutil.rmtree(self._folder, ignore_errors=True)


class Recorder:
    """Records episodes one after the other into the dataset at `root`, and goes on where an earlier recorder stopped.

    with Recorder(root, body.spec) as recorder:
        recorder.start_episode("pick the red block")
        recorder.add(obs, action, plan="...", step="...")
        recorder.end_episode()

    An exception inside `with` drops only the episode that it interrupted. UserError when another process records there.
    """

    def __init__(
        self, root: str | Path, spec: BodySpec, fps: int = 20, cameras: Sequence[str] | None = None,
        shard: int = 50,
    ) -> None:  # fmt: skip
        self.root, self._spec, self._fps, self._cameras = Path(root), spec, fps, cameras
        self._shard = shard
        self._lock = shards.Lock(self.root)
        self._writer: EpisodeWriter | None = None
        try:
            shards.recover(self.root)
            names = tuple(spec.cameras if cameras is None else cameras)
            shards.check(self.root, layout.features_of(spec, names, fps), fps)
        except BaseException:
            self._lock.release()
            raise

    @property
    def episodes(self) -> list[int]:
        """Indices of the finished episodes."""
        return shards.finished(self.root)

    def start_episode(self, task: str) -> int:
        """Begin the next episode and return its index."""
        if self._writer is not None:
            raise UserError("an episode is being recorded; call end_episode or abandon_episode first")
        taken = set(self.episodes)
        index = next(i for i in range(len(taken) + 1) if i not in taken)
        self._writer = EpisodeWriter(self.root, self._spec, index, task, self._fps, self._cameras)
        return index

    def add(
        self, obs: Observation, action: np.ndarray, plan: str = "", step: str = "", qa: Sequence[tuple[str, str]] = ()
    ) -> None:
        """One tick of the current episode; see EpisodeWriter.add."""
        self._current().add(obs, action, plan, step, qa)

    def end_episode(self) -> None:
        """The episode is on disk when this returns."""
        self._current().finish()
        self._writer = None
        shards.consolidate(self.root, full=self._shard)

    def abandon_episode(self) -> None:
        self._current().abandon()
        self._writer = None

    def close(self) -> None:
        """Drop an unfinished episode, move finished ones into the dataset's files, let others record here."""
        if self._writer is not None:
            self.abandon_episode()
        shards.consolidate(self.root)
        self._lock.release()

    def _current(self) -> EpisodeWriter:
        if self._writer is None:
            raise UserError("no episode is being recorded; call start_episode first")
        return self._writer

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
