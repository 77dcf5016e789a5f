"""Which optimiser learns which parameter: Muon the matrices inside the network, AdamW everything else."""

from __future__ import annotations

import torch

MOMENTS = ("step", "exp_avg", "exp_avg_sq", "momentum_buffer")  # what the two keep of a parameter
INNER = ("backbone.layers.", "smear.", ".blocks.")


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
        made.append(torch.optim.Muon(inner.values(), lr=lr, weight_decay=decay, adjust_lr_fn="match_rms_adamw"))
    return made


def moments(made: list[torch.optim.Optimizer], parameter: torch.nn.Parameter) -> dict[str, torch.Tensor]:
    """What the optimiser of this parameter keeps of it; empty before the first step."""
    return next((dict(one.state[parameter]) for one in made if parameter in one.state), {})


def put(made: list[torch.optim.Optimizer], parameter: torch.nn.Parameter, state: dict[str, torch.Tensor]) -> None:
    """Give the optimiser of this parameter these moments."""
    for one in made:
        if any(parameter is p for group in one.param_groups for p in group["params"]):
            one.state[parameter] = state
