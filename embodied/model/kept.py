"""Features of pictures on disk: what a frozen tower makes of a picture is the same every time, and is computed once.

A file a picture, named by the hash of its pixels, in a folder named by the hash of the tower's weights.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from embodied.errors import UserError


def fingerprint(tower: nn.Module) -> str:
    """Of all parameters and buffers, names and values."""
    seen = hashlib.blake2b(digest_size=8)
    for name, tensor in sorted(tower.state_dict().items()):
        seen.update(name.encode())
        seen.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return seen.hexdigest()


class Kept:
    """The cache of one tower. Several processes may share the folder: a file appears whole or not at all."""

    def __init__(self, folder: Path, tower: nn.Module) -> None:
        self.folder = folder / fingerprint(tower)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot make cache={str(folder)!r} ({error.strerror}); give another folder") from None

    def features(self, images: Tensor, compute: Callable[[Tensor], Tensor]) -> Tensor:
        """images uint8 (b, H, W, 3) -> compute(images) (b, n, channels), from disk where it was computed before."""
        paths = [self._path(image) for image in images]
        new = [k for k, path in enumerate(paths) if not path.exists()]
        if new:
            for k, made in zip(new, compute(images[new]).float().cpu(), strict=True):
                self._keep(paths[k], made)
        return torch.stack([torch.from_numpy(np.load(path, allow_pickle=False)) for path in paths]).to(images.device)

    def _path(self, image: Tensor) -> Path:
        pixels = image.cpu().contiguous().numpy()
        name = hashlib.blake2b(str(pixels.shape).encode() + pixels.tobytes(), digest_size=16).hexdigest()
        return self.folder / f"{name}.npy"

    def _keep(self, path: Path, made: Tensor) -> None:
        part = None
        try:
            with tempfile.NamedTemporaryFile(dir=self.folder, suffix=".part", delete=False) as file:
                part = file.name
                np.save(file, made.numpy(), allow_pickle=False)
            os.replace(part, path)
        except OSError as error:
            if part is not None:
                Path(part).unlink(missing_ok=True)
            raise UserError(
                f"no space for the cache at {str(self.folder)!r} ({error.strerror}); give another cache="
            ) from None
