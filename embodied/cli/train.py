"""embodied train: hands the checked settings to embodied/train.py."""

from __future__ import annotations

from typing import Any


def main(settings: Any, chosen: dict[str, str]) -> int:
    from embodied import train

    return int(train.main(settings) or 0)
