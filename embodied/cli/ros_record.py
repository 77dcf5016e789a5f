"""embodied ros record: a robot's topics, or a rosbag2, as a LeRobotDataset."""

from __future__ import annotations

from embodied.cli import parts
from embodied.cli.run import folder
from embodied.cli.settings import RosRecord
from embodied.errors import UserError


def main(settings: RosRecord, chosen: dict[str, str]) -> int:
    """0 when episodes were kept or the recording was asked to end, 1 for a bag without one, 2 for bad input."""
    parts.check_choice("keep", settings.keep, ("succeeded", "all"))
    if not settings.out:
        raise UserError("out= is missing; say where the dataset shall be, for example out=data/mine")
    folder(settings.out)
    if not settings.bag:
        given = {key: getattr(settings, key) for key in ("robot", "out", "task", "keep", "sent")}
        return int(parts.outside("ros_nodes.start").record(given, settings.namespace))
    session = parts.outside("ros_nodes.bag").record_bag(
        settings.bag, settings.robot, settings.out, settings.task, settings.keep, settings.namespace, settings.sent
    )
    print(
        f"{settings.out}: {session.kept} episodes from {settings.bag}, {session.dropped} dropped {session.why}".rstrip()
    )
    return 0 if session.kept else 1
