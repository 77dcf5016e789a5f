"""What every training has in common: settings that explain themselves, the way of the learning rate, averaged weights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Parameter
    from torch.optim import Optimizer


def setting(default: Any, help: str) -> Any:
    """A field of a command's or a training's settings; help: the line that `--help` prints."""
    return field(default=default, metadata={"help": help})


def rate(step: int, steps: int, warmup: int, floor: float = 0.1) -> float:
    """Learning rate factor of the step-th step (from 0): linear warm-up, cosine to `floor`."""
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    return floor + (1 - floor) / 2 * (1 + math.cos(math.pi * min(1.0, done)))


def learn(optimizers: list[Optimizer], lr: float) -> None:
    """One step of each with this learning rate; the gradients are gone then."""
    for one in optimizers:
        for group in one.param_groups:
            group["lr"] = lr
        one.step()
        one.zero_grad(set_to_none=True)


def follow(average: Mapping[str, Tensor], named: Mapping[str, Parameter], step: int, most: float) -> None:
    """Move the running average a share of 1 - most nearer to the weights; more in the first steps. step: from 1."""
    import torch

    keep = min(most, (1 + step) / (10 + step))
    now = [p.detach() for p in named.values()]
    with torch.no_grad():
        torch._foreach_lerp_(list(average.values()), now, 1 - keep)  # pyright: ignore[reportPrivateImportUsage]


@contextmanager
def averaged(average: Mapping[str, Tensor], named: Mapping[str, Parameter]) -> Iterator[None]:
    """The running average stands in the weights' place."""
    import torch

    def put(values: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            for name, p in named.items():
                p.copy_(values[name])

    now = {name: p.detach().clone() for name, p in named.items()}
    put(average)
    try:
        yield
    finally:
        put(now)
