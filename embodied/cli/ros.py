"""embodied ros run: the processes of one robot, without the launch package."""

from __future__ import annotations

from embodied import registry
from embodied.cli import parts
from embodied.cli.settings import Ros
from embodied.errors import UserError


def main(settings: Ros, chosen: dict[str, str]) -> int:
    """0 when they were asked to end, 1 when one of them failed, 2 for bad input."""
    parts.check_choice("mode", settings.mode, parts.MODES)
    parts.check_choice("dry_run", settings.dry_run.lower(), ("", "true", "false"))
    dry_run = settings.dry_run.lower() == "true" if settings.dry_run else None
    start = parts.outside("ros_nodes.start")
    if start.drives(settings.robot):
        if settings.fake:
            raise UserError(
                f"fake=true is for arms, and robot={settings.robot!r} drives; robot=sim_car needs no hardware"
            )
        if settings.speed_share != 1.0:
            raise UserError(
                f"speed_share={settings.speed_share} is for arms here; vehicle.launch.py takes it for vehicles"
            )
        registry.part("driver", settings.driver)
        road = {"seed": settings.seed}  # for the simulated car
        return int(start.drive(settings.robot, settings.instruction, dry_run, settings.driver, settings.priority, road))
    simulated = settings.robot == "sim" and not settings.fake
    if simulated:
        if settings.task:
            registry.part("task", settings.task)
        elif settings.instruction:
            parts.outside("sim.request").table_for(
                settings.instruction, settings.seed
            )  # says what no table can be laid for
        parts.seed_of("seen", settings.seed)
    from embodied.model.weights import find

    find(settings.weights)
    table = {"task": settings.task, "instruction": settings.instruction, "seed": settings.seed}
    given = {key: getattr(settings, key) for key in ("weights", "mode", "speed_share", "priority")}
    return int(
        start.run(settings.robot, settings.instruction, dry_run, table if simulated else None, settings.fake, **given)
    )
