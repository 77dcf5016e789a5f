"""What a network that drives gets when all else is learnt: which pictures and scans it knows, and a speed read off its pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from embodied.data.road_lessons import RoadLessons
from embodied.model.driving import DrivingModel


def acquaint(model: DrivingModel, lessons: RoadLessons, seed: int = 0, count: int = 6000) -> None:
    """Measure what the pictures and scans of training look like to the network (embodied.model.familiar), where nobody has yet."""
    drawn = lessons.draw(np.random.default_rng([seed, 1]), min(count, 2 * len(lessons.index)))
    known = [("picture", model.front, model.familiar)] if model.config.sees else []
    known += [("scan", model.above, model.familiar_above)] if model.config.lidar else []
    with torch.inference_mode():
        for name, eye, familiar in known:
            if familiar.most.isfinite():
                continue
            shown = [there for one in drawn if (there := getattr(one, name)) is not None]
            batches = (torch.from_numpy(np.stack(shown[k : k + 60])) for k in range(0, len(shown), 60))
            familiar.measure(eye.features(one)[0] for one in batches)


def teach_pace(model: DrivingModel, lessons: RoadLessons, seed: int = 0, count: int = 8000) -> dict[str, float]:
    """Teach the finished network to read the car's speed off its pictures (embodied.model.pace); how far off it is, m/s."""
    if not model.config.sees:
        return {}
    seen = _pictured(lessons, [seed, 2], count)
    with torch.inference_mode():
        pictures = torch.from_numpy(np.stack([one.picture for one in seen])).split(60)
        tokens = torch.cat([model.look(part)[1] for part in pictures])
    speeds = torch.tensor([one.speed for one in seen])
    return {"own speed off by, m/s": round(model.pace.teach(tokens.clone(), speeds, seed=seed), 2)}


def _pictured(lessons: RoadLessons, seed: list[int], count: int) -> list[Any]:
    """Of so many lessons (of few moments fewer) those with a picture."""
    drawn = lessons.draw(np.random.default_rng(seed), min(count, 2 * len(lessons.index)))
    return [one for one in drawn if one.picture is not None]
