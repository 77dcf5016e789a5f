"""Parts on the command line: all can be chosen, and what is missing is named with the extra that brings it."""

from __future__ import annotations

import dataclasses
import inspect

import pytest

from embodied import registry
from embodied.cli import parts


@pytest.mark.parametrize(
    ("module", "usual", "extra"),
    [
        ("pyarrow", ("ros", "bags", "sim"), "bags"), ("rosbags", ("sim",), "bags"), ("pybullet", ("sim",), "sim"),
        ("highway_env", ("sim",), "highway"), ("rclpy", ("ros", "bags", "sim"), "ros"), ("nothing", ("sim",), "sim"),
    ],
)  # fmt: skip
def test_the_hint_names_an_extra_that_brings_what_is_missing(module: str, usual: tuple[str, ...], extra: str) -> None:
    assert parts._extra(module, usual) == extra


def test_every_part_can_be_chosen_on_the_command_line() -> None:
    """What a part takes is known without what it makes."""
    for group in registry.HOMES:
        for name in registry.choices(group):
            fields = [one.name for one in dataclasses.fields(registry.schema(group, name))]
            assert fields == [*inspect.signature(registry.part(group, name)).parameters]
