"""A made-up body and its episodes, for the tests of embodied.data. Everything follows from the seed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from embodied.data.record import EpisodeFailed, Frame
from embodied.spec import BodySpec, CameraSpec, Channels
from embodied.types import Observation


def channels(*names: str) -> Channels:
    n = len(names)
    return Channels(names, ("m",) * n, (-10.0,) * n, (10.0,) * n, 20.0)


def camera(width: int, height: int) -> CameraSpec:
    return CameraSpec(width, height, 50.0, 50.0, width / 2, height / 2, np.eye(4))


SPEC = BodySpec(
    "toy",
    {"front": camera(32, 24), "wrist": camera(16, 16)},
    {"arm": channels("x", "y", "z"), "force": channels("f")},
    channels("x", "y"),
)


def length(seed: int) -> int:
    return 5 + seed % 4


def picture(seed: int, t: int, width: int, height: int) -> np.ndarray:
    """Smooth, so that video compression changes it little; different for every seed and t."""
    ramp = np.linspace(0, 120, width * height).reshape(height, width, 1)
    return (ramp + [10 * (seed % 8), 12 * t, 60]).astype(np.uint8)


def frames(seed: int) -> Iterator[Frame]:
    """Episode of that seed; seeds that end in 3 fail half-way."""
    for t in range(length(seed)):
        if seed % 10 == 3 and seed < 100 and t == 2:
            raise EpisodeFailed("bad luck")
        arm = np.array([[0, 0, 0], [seed, t, seed * t]], np.float32)
        images = {name: picture(seed, t, one.width, one.height) for name, one in SPEC.cameras.items()}
        obs = Observation(t / 20, images, {"arm": arm, "force": np.array([[t]], np.float32)})
        step = "pick red block" if t < 3 else "put red block on table"
        qa = [("what moves?", "the arm")] if t == 0 else []
        yield Frame(obs, np.array([seed + t, -t], np.float32), f"task {seed % 2}", "a\nb", step, qa)
