"""embodied tasks: what there is to do."""

from __future__ import annotations

from embodied import registry
from embodied.cli import parts
from embodied.cli.settings import Tasks


def main(settings: Tasks, chosen: dict[str, str]) -> int:
    import numpy as np

    names = registry.choices("task")
    width = max(map(len, names))
    seed = parts.seed_of("seen", 0)
    for name in names:
        task = registry.build("task", name)
        example = task.sample(np.random.default_rng(seed), "seen").goal
        print(f"{name:<{width}}  {' '.join((type(task).__doc__ or '').split())}\n{'':<{width}}  e.g. {example}")
    return 0
