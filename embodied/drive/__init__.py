"""Recorded drives: the replay body, ego paths, kinematic predictors, and the scores that cannot be flattered."""

from pathlib import Path


def sample() -> Path:
    """The drive that ships: 27 s of our own simulator at dusk, a person who crosses, a turn to the left."""
    return Path(__file__).parent / "sample"
