"""PyBullet worlds. `import sim` registers the gymnasium ids `Embodied/<Task>-v0`, one for each file in sim/tasks,
`Embodied/Tamp-v0`, `Embodied/Drive-v0` and `Embodied/Draw-v0`."""

from __future__ import annotations

import pkgutil
from pathlib import Path

import gymnasium


def _enrol() -> None:
    for module in pkgutil.iter_modules([str(Path(__file__).parent / "tasks")]):
        if module.name.startswith("_"):
            continue
        name = module.name.replace("_", "-")
        camel = "".join(word.title() for word in name.split("-"))
        gymnasium.register(id=f"Embodied/{camel}-v0", entry_point="sim.env:TableEnv", kwargs={"task": name})
    gymnasium.register(id="Embodied/Tamp-v0", entry_point="sim.tamp.env:TampEnv")
    gymnasium.register(id="Embodied/Drive-v0", entry_point="sim.drive_env:DriveEnv")
    gymnasium.register(id="Embodied/Draw-v0", entry_point="sim.draw_env:DrawEnv")


_enrol()
