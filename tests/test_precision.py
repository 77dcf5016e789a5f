"""Sixteen bits only where the machine computes in them, and an optimiser that is the library's in wider numbers."""

from __future__ import annotations

import time

import pytest
import torch

from embodied.errors import UserError
from embodied.optimizers import WideMuon
from embodied.precision import has_bf16, mixed


def took(dtype: torch.dtype) -> float:
    """The least of five products of matrices, s."""
    a = torch.randn(512, 512).to(dtype)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        a @ a
        times.append(time.perf_counter() - start)
    return min(times)


def test_a_machine_is_said_to_have_16_bits_only_where_they_are_not_emulated() -> None:
    share = took(torch.bfloat16) / took(torch.float32)
    assert has_bf16("cpu") or share > 0.8  # else it would be said not to have what is faster there
    assert not has_bf16("cpu") or share < 8


@pytest.mark.parametrize("there", [True, False])
def test_auto_follows_the_machine_and_what_was_chosen_stays(there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embodied.precision.has_bf16", lambda device: there)
    assert mixed("auto", "cpu") == ("bf16" if there else "no")
    assert (mixed("bf16", "cpu"), mixed("no", "cpu")) == ("bf16", "no")
    with pytest.raises(UserError, match="'fp16'; choose from auto, bf16, no"):
        mixed("fp16", "cpu")


@pytest.mark.parametrize("shape", [(48, 16), (16, 48), (24, 24)])
def test_the_wide_muon_goes_where_the_library_s_goes(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    start = torch.randn(shape)
    two = [torch.nn.Parameter(start.clone()) for _ in range(2)]
    kinds = (torch.optim.Muon, WideMuon)
    made = [
        kind([p], lr=0.1, weight_decay=0.1, adjust_lr_fn="match_rms_adamw") for kind, p in zip(kinds, two, strict=True)
    ]
    for _ in range(5):
        grad = torch.randn(shape)
        for p, optimizer in zip(two, made, strict=True):
            p.grad = grad.clone()
            optimizer.step()
    theirs, ours = (p.detach() - start for p in two)
    assert (theirs - ours).norm() < 0.02 * theirs.norm()
    torch.testing.assert_close(*(o.state[p]["momentum_buffer"] for o, p in zip(made, two, strict=True)))
