"""Weights of the network that drives on disk: model.safetensors, config.json, tokenizer.json. No pickle."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import torch

from embodied.errors import UserError
from embodied.model.driving import DrivingConfig, DrivingModel
from embodied.model.tokens import Words
from embodied.model.weights import fill, find, write


def save_pretrained(model: DrivingModel, folder: Path, dtype: torch.dtype = torch.float16) -> None:
    """Write the files."""
    write(model, folder, dtype)
    (folder / "config.json").write_text(json.dumps(model.config.as_dict(), indent=1) + "\n")
    model.words.save(folder / "tokenizer.json")


def from_pretrained(name: str) -> DrivingModel:
    """Load a folder or shipped weights, float32, ready to infer. UserError when files are broken or do not match."""
    folder = find(name)
    try:
        config = DrivingConfig(**json.loads((folder / "config.json").read_text()))
    except (json.JSONDecodeError, UnicodeDecodeError, TypeError) as error:
        raise UserError(
            f"{folder / 'config.json'} is damaged or of another model ({error}); copy the folder again"
        ) from error
    model = DrivingModel(config, Words.load(folder / "tokenizer.json"))
    fill(model, folder / "model.safetensors")
    return model.eval()


@lru_cache(maxsize=4)
def shared(name: str) -> DrivingModel:
    """The same for several drivers that only ask it."""
    return from_pretrained(name)
