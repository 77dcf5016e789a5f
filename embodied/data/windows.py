"""Training windows: what was seen around a frame, and the actions that followed it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embodied.data import layout
from embodied.data.dataset import Dataset
from embodied.data.frames import decoded


class Windows:
    """Random access to windows, one per frame. SI units, not normalised.

    self[i] and self.batch([i, ...]) (the same with a leading batch axis; lists for texts):
      states       name -> float32 (history, d), newest last, the episode's first row repeated where there is no past
      action       float32 (horizon, a): the row sent at frame i and those after it, the last one repeated at the end
      action_mask  bool (horizon,): True where the row really happened
      images       camera -> uint8 (H, W, 3) at frame i
      task plan step qa   str;  episode, frame: int (frame counts within the episode)

    texts: name -> str (frames,), and episode: int (frames,), are the columns of all windows.
    within_step: a chunk ends where the text of the current step changes, not only where the episode ends.
    cache: keep decoded pictures beside the dataset (see frames.py); without it every window decodes its frame.
    """

    def __init__(
        self, dataset: Dataset, horizon: int, history: int = 8, cameras: Sequence[str] | None = None,
        within_step: bool = False, cache: bool = True, cache_folder: Path | None = None,
    ) -> None:  # fmt: skip
        self.dataset, self.horizon, self.history = dataset, horizon, history
        self.cameras = dataset.cameras if cameras is None else tuple(cameras)
        for camera in self.cameras:
            dataset.picture_shape(camera)
        self._cache = {camera: decoded(dataset, camera, cache_folder) for camera in self.cameras} if cache else {}
        self._states = dataset.states
        self._actions = dataset.column(layout.ACTION).astype(np.float32)
        self.texts = {name: dataset.text(name) for name in ("task", *layout.LANGUAGE)}
        lengths = [len(episode) for episode in dataset.episodes]
        self.episode = np.repeat(np.arange(len(lengths)), lengths)
        self._start = np.repeat([episode.start for episode in dataset.episodes], lengths)
        self._stop = np.repeat([episode.stop for episode in dataset.episodes], lengths)
        if within_step:
            step = self.texts["step"]
            change = np.flatnonzero(step[1:] != step[:-1]) + 1  # first frames of new steps
            following = np.append(change, len(dataset))[np.searchsorted(change, np.arange(len(dataset)), side="right")]
            self._stop = np.minimum(self._stop, following)

    def __len__(self) -> int:
        return len(self.episode)

    def batch(self, indices: Sequence[int] | NDArray[np.integer]) -> dict[str, Any]:
        at = np.asarray(indices, np.int64)
        if at.ndim != 1 or at.size == 0 or at.min() < 0 or at.max() >= len(self):
            raise IndexError(f"windows {indices} of {len(self)}")
        past = np.maximum(at[:, None] - np.arange(self.history)[::-1], self._start[at, None])
        ahead = at[:, None] + np.arange(self.horizon)
        stop = self._stop[at, None]
        made: dict[str, Any] = {
            "states": {name: values[past] for name, values in self._states.items()},
            "action": self._actions[np.minimum(ahead, stop - 1)],
            "action_mask": ahead < stop,
            "images": {camera: self._pictures(camera, at) for camera in self.cameras},
            "episode": self.episode[at],
            "frame": at - self._start[at],
        }
        return made | {name: list(texts[at]) for name, texts in self.texts.items()}

    def _pictures(self, camera: str, at: NDArray[np.int64]) -> NDArray[np.uint8]:
        if camera in self._cache:
            return np.asarray(self._cache[camera][at])
        frame = at - self._start[at]
        places = zip(self.episode[at].tolist(), frame.tolist(), strict=True)
        return np.concatenate([self.dataset.pictures(camera, e, f, f + 1) for e, f in places])

    def __getitem__(self, index: int) -> dict[str, Any]:
        def first(value: Any) -> Any:
            return {key: first(part) for key, part in value.items()} if isinstance(value, dict) else value[0]

        return first(self.batch([index]))
