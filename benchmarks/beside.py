"""What LeRobot needs to be imported beside a torch without CUDA."""

from __future__ import annotations

import contextlib
import importlib
from typing import Any

import torch

KEPT: list[Any] = []  # a library's declarations last as long as it does


def declare_operators() -> None:
    """ACT takes its ResNet from torchvision. A torchvision of CUDA beside a torch without it lacks its compiled operators, and
    its import, transformers' too, stops at the two that are declared here; the ResNet uses neither. To be called before any
    of them is imported."""
    with contextlib.suppress(ImportError):
        try:
            importlib.import_module("torchvision")
        except RuntimeError:
            compiled = torch.library.Library("torchvision", "FRAGMENT")
            for name in ("nms", "qnms"):
                compiled.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            KEPT.append(compiled)
