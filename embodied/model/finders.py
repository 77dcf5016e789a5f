"""Finders alone: of a whole model's weights, or of a folder that holds nothing else (config.json, model.safetensors).

    python -m embodied.model.finders weights=FOLDER out=FOLDER

takes the finder out of a whole model's weights.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from embodied.errors import UserError
from embodied.model.finder import Finder
from embodied.model.weights import fill, find, from_pretrained, write

KIND = "finder"


def finder(name: str) -> Finder:
    """The finder of a folder or of shipped weights, ready to infer. UserError when files are broken or do not match."""
    folder = find(name)
    try:
        config = json.loads((folder / "config.json").read_text())
        if config.get("kind") != KIND:
            return from_pretrained(name).finder
        alone = Finder(config["scales"], config["channels"])
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{folder / 'config.json'} is damaged ({error}); copy the weights folder again") from error
    fill(alone, folder / "model.safetensors")
    return alone.eval()


def save(alone: Finder, folder: Path, dtype: torch.dtype = torch.float16) -> None:
    """Write config.json and model.safetensors."""
    write(alone, folder, dtype)
    config = {"kind": KIND, "scales": alone.scales, "channels": alone.channels}
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")


def main(arguments: list[str]) -> int:
    options = dict(one.partition("=")[::2] for one in arguments)
    if set(options) != {"weights", "out"}:
        print(f"usage: weights=FOLDER out=FOLDER, not {' '.join(arguments) or 'nothing'}", file=sys.stderr)
        return 2
    try:
        save(finder(options["weights"]), Path(options["out"]))
    except (OSError, UserError) as fault:
        print(
            f"{options['out']} could not be written: {fault}" if isinstance(fault, OSError) else fault, file=sys.stderr
        )
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
