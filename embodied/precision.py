"""Whether to compute in 16 bits. Most laptops' processors (without AVX-512 or AMX) have no such arithmetic: torch then computes
bfloat16 number by number, which was measured 70 times slower than float32 on an AMD EPYC of 2021."""

from __future__ import annotations

from embodied.errors import UserError

PRECISIONS = ("auto", "bf16", "no")
HELP = "auto | bf16 | no; auto: bf16 where the processor computes in it, which doubles the speed there"


def has_bf16(device: str) -> bool:
    """Whether this machine multiplies matrices of bfloat16 at least as fast as wider ones. device: torch's type, "cpu", "cuda"."""
    import torch

    if device == "cpu":
        return torch.backends.mkldnn.is_available() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return device != "cuda" or torch.cuda.is_bf16_supported(including_emulation=False)


def mixed(precision: str, device: str) -> str:
    """What a setting means on this machine, "bf16" or "no". UserError when there is no such setting."""
    if precision not in PRECISIONS:
        raise UserError(f"unknown precision {precision!r}; choose from {', '.join(PRECISIONS)}")
    return precision if precision != "auto" else "bf16" if has_bf16(device) else "no"
