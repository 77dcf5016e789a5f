"""A picture from words, by a diffusion pipeline of diffusers whose weights are on this machine. Nothing is downloaded."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from embodied.errors import UserError

SIDE = 768  # px
STEPS = 25
MANNER = "simple black ink line drawing on white paper, clean outlines, no shading: "  # what a pen can follow


def imagined(prompt: str, pipeline: str, out: Path, seed: int) -> Path:
    """The path of the picture, out/imagined.png. pipeline: folder, or name of weights in the hub's cache.

    Raises UserError, with what to do, when diffusers or the weights are missing."""
    try:
        diffusers: Any = importlib.import_module("diffusers")
        torch: Any = importlib.import_module("torch")
    except ImportError as missing:
        raise UserError(
            f"prompt= needs {missing.name!r}; run: pip install diffusers, or give a picture instead"
        ) from None
    try:
        made = diffusers.AutoPipelineForText2Image.from_pretrained(pipeline, local_files_only=True)
    except Exception:  # diffusers raises OSError, ValueError and others for weights that are not there
        raise UserError(
            f"no weights of a text-to-image pipeline at {pipeline!r} on this machine; download them once, give their folder as "
            "pipeline=, or give a picture instead of prompt="
        ) from None
    made = made.to("cuda" if torch.cuda.is_available() else "cpu")
    dice = torch.Generator("cpu").manual_seed(seed)
    image = made(MANNER + prompt, height=SIDE, width=SIDE, num_inference_steps=STEPS, generator=dice).images[0]
    out.mkdir(parents=True, exist_ok=True)
    image.save(out / "imagined.png")
    return out / "imagined.png"
