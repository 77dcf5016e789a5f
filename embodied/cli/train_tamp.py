"""embodied train tamp: PaLM-E's tests on tables of cubes, learnt from scratch or on a language model that others trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embodied.cli import parts
from embodied.errors import UserError
from embodied.train_reasoner import Settings

if TYPE_CHECKING:
    from embodied.model.reasoner import ReasonerConfig
    from embodied.model.tokens import Words


def main(settings: Settings, chosen: dict[str, str]) -> int:
    """0 when the weights are in out/weights."""
    lessons, kinds = parts.outside("sim.tamp.lessons"), [kind.strip() for kind in settings.kinds.split(",")]
    for kind in kinds:
        parts.check_choice("kinds", kind, lessons.KINDS)
    parts.check_choice("input", settings.input, ("state", "picture"))
    for name in ("steps", "batch", "threads"):
        if getattr(settings, name) < 1:
            raise UserError(f"{name}={getattr(settings, name)} is too small; give 1 or more")
    config, words = _backbone(settings, lessons)
    if settings.input == "picture":
        return _from_pictures(settings, config, words, kinds)
    source = lessons.Scenes(words, settings.scenes, kinds, settings.augment)
    return _train(settings, source, words, {"scenes": settings.scenes, "kinds": settings.kinds}, config)


def _backbone(settings: Settings, lessons: Any) -> tuple[ReasonerConfig, Words]:
    """The sizes that the language model dictates, and its vocabulary."""
    from embodied.model.network import ModelConfig
    from embodied.model.reasoner import ReasonerConfig
    from embodied.registry import build

    config = ReasonerConfig()
    part = build("backbone", settings.backbone, source=settings.backbone_from)
    fitted = part.fitted(ModelConfig(dim=config.dim, tune=settings.tune))
    config = replace(
        config, dim=fitted.dim, backbone=settings.backbone, backbone_from=settings.backbone_from, tune=fitted.tune,
        lora_rank=settings.lora_rank,
    )  # fmt: skip
    return config, lessons.vocabulary() if settings.backbone == "tiny" else part.words([], lessons.ENTITIES)


def _train(settings: Settings, source: Any, words: Words, facts: dict[str, Any], config: ReasonerConfig) -> int:
    from embodied.train_reasoner import Training

    run = Training(settings, [(source, 1.0)], words, facts, config)
    if settings.checkpointing:
        run.model.backbone.checkpoint()
    run.run()
    return 0


def _from_pictures(settings: Settings, config: ReasonerConfig, words: Words, kinds: list[str]) -> int:
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
    facts = {"scenes": len(source), "kinds": ",".join(kinds)}
    return _train(settings, source, words, facts, replace(config, picture=source.given.shape[1:]))
