"""Training state on disk without pickle: tensors in safetensors, numbers in json, swapped in by one rename."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from embodied.errors import UserError
from embodied.optimizers import MOMENTS, moments, put


def save(
    folder: Path,
    named: dict[str, torch.nn.Parameter],
    average: dict[str, torch.Tensor],
    made: list[torch.optim.Optimizer],
    facts: dict[str, Any],
) -> None:
    """Parameters, their running average, the optimisers' moments, and `facts` (step, seed, ...)."""
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    tensors = {f"now.{name}": p.detach() for name, p in named.items()}
    tensors |= {f"average.{name}": t for name, t in average.items()}
    for name, p in named.items():
        for key, value in moments(made, p).items():
            tensors[f"{key}.{name}"] = value.detach().reshape(value.shape or (1,))
    save_file({k: v.contiguous().clone() for k, v in tensors.items()}, part / "state.safetensors")
    (part / "facts.json").write_text(json.dumps(facts))
    old = folder.with_suffix(".old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    part.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def load(
    folder: Path,
    named: dict[str, torch.nn.Parameter],
    average: dict[str, torch.Tensor],
    made: list[torch.optim.Optimizer],
) -> dict[str, Any]:
    """Put a saved state back; returns its facts. A kill between the two renames of save leaves `.old`, which serves."""
    if not folder.exists() and folder.with_suffix(".old").exists():
        folder.with_suffix(".old").rename(folder)
    tensors = load_file(folder / "state.safetensors")
    if {f"now.{name}" for name in named} - set(tensors):
        raise UserError(f"checkpoint {str(folder)!r} is of another model; give another out= or remove it")
    with torch.no_grad():
        for name, p in named.items():
            p.copy_(tensors[f"now.{name}"])
            average[name].copy_(tensors[f"average.{name}"])
            state = {key: tensors[f"{key}.{name}"].clone() for key in MOMENTS if f"{key}.{name}" in tensors}
            if "step" in state:
                state["step"] = state["step"].reshape(())
            if state:
                put(made, p, state)
    return json.loads((folder / "facts.json").read_text())
