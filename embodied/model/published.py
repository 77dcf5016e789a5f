"""Models that others published, read without running their code or their pickles."""

from __future__ import annotations

from typing import Any

from embodied.errors import UserError


def read(of: Any, source: str, what: str, **options: Any) -> Any:
    """of.from_pretrained(source): an id of transformers, in the cache of huggingface_hub or within reach, or a folder.

    UserError in one sentence when there is none, or it is damaged. what: "language model", "vision tower".
    """
    from safetensors import SafetensorError
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    try:
        return of.from_pretrained(source, **options)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        why = " ".join(str(error).split()).split(". ")[0] or type(error).__name__
        raise UserError(
            f"no {what} at {source!r} ({why}); give a folder with config.json and safetensors, or an id within reach"
        ) from error
