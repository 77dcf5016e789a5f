"""embodied train tamp: PaLM-E's tests on tables of cubes, learnt from scratch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from embodied.cli import parts
from embodied.errors import UserError
from embodied.train_reasoner import Settings


def main(settings: Settings, chosen: dict[str, str]) -> int:
    """0 when the weights are in out/weights."""
    lessons, kinds = parts.outside("sim.tamp.lessons"), [kind.strip() for kind in settings.kinds.split(",")]
    for kind in kinds:
        parts.check_choice("kinds", kind, lessons.KINDS)
    parts.check_choice("input", settings.input, ("state", "picture"))
    for name in ("steps", "batch", "threads"):
        if getattr(settings, name) < 1:
            raise UserError(f"{name}={getattr(settings, name)} is too small; give 1 or more")
    words = lessons.vocabulary()
    if settings.input == "picture":
        return _from_pictures(settings, words, kinds)
    source = lessons.Scenes(words, settings.scenes, kinds, settings.augment)
    from embodied.train_reasoner import Training

    Training(settings, [(source, 1.0)], words, {"scenes": settings.scenes, "kinds": settings.kinds}).run()
    return 0


def _from_pictures(settings: Settings, words: Any, kinds: list[str]) -> int:
    """The same from recorded tables, through the picture encoder of the tabletop weights."""
    if not settings.pictures:
        raise UserError("pictures= is missing; make a folder with embodied record kind=cubes out=runs/cubes")
    pictures = parts.outside("sim.tamp.pictures")
    if settings.kinds == Settings.kinds:
        kinds = list(pictures.KINDS)
    for kind in kinds:
        parts.check_choice("kinds of input=picture", kind, pictures.KINDS)
    Path(settings.out).mkdir(parents=True, exist_ok=True)
    source = pictures.Pictures(words, Path(settings.pictures), kinds, Path(settings.out))
    from embodied.model.reasoner import ReasonerConfig
    from embodied.train_reasoner import Training

    facts = {"scenes": len(source), "kinds": ",".join(kinds)}
    Training(settings, [(source, 1.0)], words, facts, ReasonerConfig(picture=source.given.shape[1:])).run()
    return 0
