"""Which optimiser learns which parameter: Muon the matrices inside the network, AdamW everything else."""

from __future__ import annotations

import torch
from torch import Tensor

from embodied.precision import has_bf16

MOMENTS = ("step", "exp_avg", "exp_avg_sq", "momentum_buffer")  # what the two keep of a parameter
INNER = ("backbone.layers.", "smear.", ".blocks.")


class WideMuon(torch.optim.Muon):
    """torch's with Nesterov's momentum and adjust_lr_fn="match_rms_adamw", its iterations in the parameters' own precision; torch's
    are in bfloat16 wherever they run."""

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        for group in self.param_groups:
            lr, momentum = group["lr"], group["momentum"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                if "momentum_buffer" not in self.state[p]:
                    self.state[p]["momentum_buffer"] = torch.zeros_like(p.grad)
                buffer = self.state[p]["momentum_buffer"]
                buffer.lerp_(p.grad, 1 - momentum)
                update = _orthogonal(p.grad.lerp(buffer, momentum), group["ns_coefficients"], group["ns_steps"])
                p.mul_(1 - lr * group["weight_decay"])
                p.add_(update, alpha=-0.2 * lr * max(p.shape) ** 0.5)


def _orthogonal(matrix: Tensor, coefficients: tuple[float, float, float], steps: int) -> Tensor:
    """Nearly U V^T of its singular value decomposition, by Newton and Schulz (Keller Jordan, "Muon", 2024)."""
    a, b, c = coefficients
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.t() if tall else matrix
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(steps):
        gram = x @ x.t()
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.t() if tall else x


def optimizers(named: dict[str, torch.nn.Parameter], lr: float, decay: float) -> list[torch.optim.Optimizer]:
    """Muon ("Muon is scalable for LLM training", arXiv 2502.16982, whose scale of updates lets both share one learning
    rate) for the matrices of transformer layers; AdamW for embeddings, convolutions and heads, and, without decay, for
    biases, norms and other vectors."""
    inner = {name: p for name, p in named.items() if p.ndim == 2 and any(part in name for part in INNER)}
    outer = [p for name, p in named.items() if p.ndim >= 2 and name not in inner]
    vectors = [p for p in named.values() if p.ndim < 2]
    groups = [{"params": outer, "weight_decay": decay}, {"params": vectors, "weight_decay": 0.0}]
    made: list[torch.optim.Optimizer] = [
        torch.optim.AdamW([g for g in groups if g["params"]], lr=lr, betas=(0.9, 0.98))
    ]
    if inner:
        muon = torch.optim.Muon if has_bf16(next(iter(inner.values())).device.type) else WideMuon
        made.append(muon(inner.values(), lr=lr, weight_decay=decay, adjust_lr_fn="match_rms_adamw"))
    return made


def moments(made: list[torch.optim.Optimizer], parameter: torch.nn.Parameter) -> dict[str, torch.Tensor]:
    """What the optimiser of this parameter keeps of it; empty before the first step."""
    return next((dict(one.state[parameter]) for one in made if parameter in one.state), {})


def put(made: list[torch.optim.Optimizer], parameter: torch.nn.Parameter, state: dict[str, torch.Tensor]) -> None:
    """Give the optimiser of this parameter these moments."""
    for one in made:
        if any(parameter is p for group in one.param_groups for p in group["params"]):
            one.state[parameter] = state
