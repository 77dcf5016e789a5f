"""Templates from the files in sim/assets: more ways to say the same than fit beside a task's code."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml

ASSETS = Path(__file__).parent / "assets"


@cache
def _read(name: str) -> dict[str, tuple[str, ...]]:
    return {key: tuple(lines) for key, lines in yaml.safe_load((ASSETS / name).read_text()).items()}


def further(key: str, held_out: bool = False) -> tuple[str, ...]:
    """Templates of a task, of "clause-<kind>", or openings and closings; held_out: those that training never uses."""
    return _read("phrasings_held_out.yaml" if held_out else "phrasings.yaml").get(key, ())


def clause(kind: str, *own: str) -> str:
    """One template of a small job: a choice among all that training has, its `own` as often as the others together."""
    more = further(f"clause-{kind}")
    return f"[{'|'.join([*own * max(1, len(more) // len(own)), *more])}]"
