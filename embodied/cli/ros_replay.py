"""embodied ros replay: a recorded drive as a vehicle's topics."""

from __future__ import annotations

from dataclasses import asdict

from embodied import registry
from embodied.cli import parts
from embodied.cli.settings import RosReplay
from embodied.errors import UserError


def main(settings: RosReplay, chosen: dict[str, str]) -> int:
    """0 when it was asked to end, 2 for bad input."""
    if settings.source:
        registry.part("drive", settings.source)
    if settings.driver:
        registry.part("driver", settings.driver)
    if not 0 < settings.rate <= 100:
        raise UserError(f"rate={settings.rate:g} must be above 0, 100 at most")
    given = asdict(settings)
    return int(parts.outside("ros_nodes.start").replay(given, str(given.pop("namespace"))))
