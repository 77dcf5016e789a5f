"""embodied train tamp: PaLM-E's tests on tables of cubes, learnt from scratch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embodied.cli import parts
from embodied.errors import UserError

if TYPE_CHECKING:
    from embodied.train_reasoner import Settings


def main(settings: Settings, chosen: dict[str, str]) -> int:
    """0 when the weights are in out/weights."""
    lessons, kinds = parts.outside("sim.tamp.lessons"), [kind.strip() for kind in settings.kinds.split(",")]
    for kind in kinds:
        parts.check_choice("kinds", kind, lessons.KINDS)
    parts.check_choice("input", settings.input, ("state",))
    for name in ("steps", "batch", "threads"):
        if getattr(settings, name) < 1:
            raise UserError(f"{name}={getattr(settings, name)} is too small; give 1 or more")
    words = lessons.vocabulary()
    source = lessons.Scenes(words, settings.scenes, kinds, settings.augment)
    from embodied.train_reasoner import Training

    Training(settings, [(source, 1.0)], words, {"scenes": settings.scenes, "kinds": settings.kinds}).run()
    return 0
