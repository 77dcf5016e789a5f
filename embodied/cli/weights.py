"""embodied weights: what ships, and what a folder holds."""

from __future__ import annotations

import json
from pathlib import Path

from embodied.cli.settings import Weights
from embodied.errors import UserError

SHIPPED = Path(__file__).resolve().parent.parent / "weights"


def main(settings: Weights, chosen: dict[str, str]) -> int:
    if settings.weights:
        return _describe(settings.weights)
    names = sorted(p.parent.name for p in SHIPPED.glob("*/config.json"))
    for name in names:
        size = sum(f.stat().st_size for f in (SHIPPED / name).iterdir() if f.is_file())
        print(f"{name}  {size / 2**20:.1f} MiB  {SHIPPED / name}")
    if not names:
        print("no weights ship with this copy; `embodied train` makes them")
    return 0


def _describe(name: str) -> int:
    """Load the folder, so that broken files show, then its numbers and its model card."""
    if not any((folder / "config.json").is_file() for folder in (Path(name), SHIPPED / name)):
        raise UserError(
            f"no weights at {name!r}; give a folder with config.json, or a name that `embodied weights` lists"
        )
    from embodied.model import driving_weights, finders, reasoner, weights

    folder = weights.find(name)
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except OSError as fault:
        raise UserError(f"cannot read {folder / 'config.json'} ({fault.strerror})") from None
    except ValueError:
        config = {}  # the loader says what is wrong with it
    others = {"reasoner": reasoner.load, finders.KIND: finders.finder}.get(
        str(config.get("kind")), weights.from_pretrained
    )
    model = (driving_weights.from_pretrained if "sees" in config else others)(name)
    count = sum(p.numel() for p in model.parameters())
    print(f"{folder}: {count / 1e6:.2f} million parameters")
    for key, value in config.items():
        if isinstance(value, (int, float, str, bool)):
            print(f"  {key}: {value}")
    card = folder / "README.md"
    if card.is_file():
        print(card.read_text(encoding="utf-8"))
    return 0
