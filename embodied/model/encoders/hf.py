"""Pictures -> tokens by a vision tower that others trained (SigLIP 2, DINOv2, CLIP, MobileNetV2, ...), frozen or not, and a
resampler that holds the number of tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from embodied.errors import UserError
from embodied.registry import register

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn


def published(source: str) -> nn.Module:
    """The tower of an id or folder of transformers: the vision part where the model has two."""
    from transformers import AutoModel

    from embodied.model.published import read

    if not source:
        raise UserError("vision=hf needs vision_from=, an id of transformers or a folder")
    made = read(AutoModel, source, "vision tower", use_safetensors=True, dtype="float32")
    tower = getattr(made, "vision_model", made)
    if tower.main_input_name != "pixel_values":
        raise UserError(f"{source!r} reads {tower.main_input_name}, not pictures; give a vision tower as vision_from=")
    return tower


def scales(source: str) -> tuple[list[float], list[float]]:
    """Mean and spread of the pixels, 0..1, that the tower was trained with; a half each where it does not say."""
    from transformers.image_processing_base import ImageProcessingMixin

    try:
        said = ImageProcessingMixin.get_image_processor_dict(source)[0]
    except OSError:
        said = {}
    return said.get("image_mean") or [0.5] * 3, said.get("image_std") or [0.5] * 3


@register("encoder", "hf")
def hf(
    source: str = "", height: int = 192, width: int = 320, dim: int = 192, tokens: int = 32, learnt: bool = False,
    tower: Any = None,
):  # fmt: skip
    """A module: uint8 (b, H, W, 3) -> the tower's features (b, n, channels) and tokens (b, tokens, dim).

    tower: one that is loaded already, to be shared by several cameras.
    """
    import torch
    import torch.nn.functional as F
    from torch import Tensor, nn

    from embodied.model.kept import Kept
    from embodied.model.resampler import Resampler

    class Tower(nn.Module):
        grid = None  # its tokens have no places in the picture

        def __init__(self) -> None:
            super().__init__()
            self.tokens, self.learnt = tokens, learnt
            self.tower = tower if tower is not None else published(source)
            self.tower.requires_grad_(learnt)
            mean, std = (torch.tensor(one).view(3, 1, 1) for one in scales(source))
            self.register_buffer("mean", mean, persistent=False)
            self.register_buffer("std", std, persistent=False)
            side = getattr(self.tower.config, "image_size", None)
            self.size = (height, width) if side is None else (side, side) if isinstance(side, int) else tuple(side)
            with torch.no_grad():
                n, channels = self.features(torch.zeros(1, height, width, 3, dtype=torch.uint8)).shape[1:]
            self.position = nn.Parameter(torch.randn(n, channels) * 0.02)
            self.resampler = Resampler(channels, dim, tokens)
            self.kept: Kept | None = None

        def keep(self, folder: Path) -> None:
            """From now on what the frozen tower makes of a picture is kept there."""
            if learnt:
                raise UserError("cache= keeps what a frozen tower makes of pictures; leave out tune_vision or cache")
            self.kept = Kept(folder, self.tower)

        def features(self, images: Tensor) -> Tensor:
            pixels = images.permute(0, 3, 1, 2).to(self.mean) / 255
            pixels = F.interpolate(pixels, self.size, mode="bilinear", antialias=True)
            pixels = (pixels - cast(Tensor, self.mean)) / cast(Tensor, self.std)
            out = self.tower(pixel_values=pixels).last_hidden_state
            return out.flatten(2).transpose(1, 2) if out.ndim == 4 else out  # a convolutional one gives a map

        def train(self, mode: bool = True) -> Tower:
            super().train(mode)
            if not learnt:
                self.tower.eval()  # batch statistics and dropout are for those who learn
            return self

        def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
            with torch.set_grad_enabled(learnt and torch.is_grad_enabled()):
                features = self.kept.features(images, self.features) if self.kept else self.features(images)
            return features, self.resampler(features + self.position)

    return Tower()
