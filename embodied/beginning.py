"""What a training run begins with: scales from the data, and a model, new or from weights."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embodied.data.normalise import Normalisation
from embodied.errors import UserError

if TYPE_CHECKING:
    from embodied.model.network import EmbodiedModel
    from embodied.train import Settings

CHOSEN = (
    "backbone", "backbone_from", "tune", "lora_rank", "vision", "vision_from", "tune_vision", "vision_tokens", "history",
)  # settings of a new model; weights that are gone on from keep theirs where nothing else is asked for  # fmt: skip


def read_statistics(settings: Settings) -> dict[str, Any]:
    """Scales of the arm's state (from the snapshots) and of relative actions (from the demonstrations)."""
    at = Path(settings.snapshots) / "stats.json"
    if not at.is_file():
        raise UserError(f"{at} is missing; run `embodied record kind=snapshots out={settings.snapshots}` to its end")
    found = json.loads(at.read_text())
    Normalisation.from_stats(found, ["arm"])  # says what is wrong with them
    kept = {"arm": found["arm"]}
    if settings.motions:
        from embodied.data.motions import MotionLessons

        kept["action"] = MotionLessons.statistics(settings.motions)
    return kept


def make_model(settings: Settings, statistics: dict[str, Any]) -> EmbodiedModel:
    """A new model with a vocabulary of the goals in the data, or the one of settings.init with these statistics and the
    words that it lacks."""
    from embodied.model.network import EmbodiedModel, ModelConfig
    from embodied.model.weights import from_pretrained, grown, headed, rebuilt
    from embodied.registry import build

    corpus = [
        line
        for folder in dict.fromkeys([settings.snapshots, *settings.texts.split(",")])
        if (at := Path(folder.strip()) / "corpus.txt").is_file()
        for line in at.read_text().splitlines()
    ]
    if settings.init:
        model = from_pretrained(settings.init)
        usual = {one.name: one.default for one in dataclasses.fields(settings)}
        asked = {name: getattr(settings, name) for name in CHOSEN}
        changed = {k: one for k, one in asked.items() if one not in (usual[k], getattr(model.config, k))}
        if changed:
            model = rebuilt(model, changed, corpus)
        if settings.text_share:
            model = grown(model, corpus)
        if settings.head not in ("", model.config.head):
            model = headed(model, settings.head)
        if fresh := tuple(p for p in settings.fresh.split(",") if p):
            new = EmbodiedModel(model.config, model.words).state_dict()
            model.load_state_dict({k: v for k, v in new.items() if k.startswith(fresh)}, strict=False)
        # A motion head that is already trained keeps the scale it was trained in.
        scales = statistics | {name: scale for name, scale in model.config.statistics.items() if name == "action"}
        model.config = dataclasses.replace(model.config, statistics=scales)
        return model
    chosen = {name: getattr(settings, name) for name in CHOSEN}
    config = ModelConfig(head=settings.head or "flow", statistics=statistics, **chosen)
    backbone = build("backbone", config.backbone, source=config.backbone_from)
    config = backbone.fitted(config)
    return EmbodiedModel(config, backbone.words(corpus, config.placeholders))
