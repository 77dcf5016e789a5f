"""The vehicle's part of the fault table: a base that does what it is sent, its gate, and each fault while it drives."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from ros_faults import Outcome, outcome
from std_msgs.msg import Bool, String

from ros_nodes import start, wire
from ros_nodes.fake import Base

Do = Callable[[Base, dict[str, subprocess.Popen]], None]
GATE = {"robot": "diff_drive", "dry_run": False, "armed": True, "dead_man": True}


@contextlib.contextmanager
def driving(driver: bool = False) -> Iterator[tuple[Base, dict[str, subprocess.Popen]]]:
    """A base in motion behind its gate; driver: with our controller in the seat, else commands come from here."""
    base = Base()
    nodes = {"gate": start.command("vehicle_gate_node", GATE)}
    if driver:
        nodes["controller"] = start.command(
            "driver_node", {"robot": "diff_drive", "driver": "cruise", "instruction": "go"}
        )
    with start.processes(nodes, stderr=subprocess.DEVNULL) as running:
        base.until(lambda: "gate" in base.heard, 30.0, base.roll)
        base.until(lambda: base.moves[0] > 0.3, 30.0, base.roll if driver else base.drive)
        yield base, running
    base.close()


def reaction(do: Do, after: str = "drive", driver: bool = False) -> Outcome:
    """do: makes it happen.  after: what goes on coming: drive (all), roll (all but commands), steer (commands alone)."""
    with driving(driver) as (base, running):
        at = time.monotonic()
        do(base, running)
        base.until(lambda: time.monotonic() - at > 1.2, every=getattr(base, after))
        return outcome(base, at)


def let_go(base: Base, running: object) -> None:
    base.held = False


def nothing(base: Base, running: object) -> None: ...


def measured(twist: np.ndarray) -> Do:
    return lambda base, _: base.odometry.publish(wire.odometry_message(None, twist, time.time()))


def odometry_and_commands(base: Base) -> None:
    base.odometry.publish(wire.odometry_message(None, base.moves, time.time()))
    base.steer()


def silent_switch() -> Outcome:
    with driving() as (base, _):
        at = time.monotonic()
        base.until(lambda: time.monotonic() - at > 1.2, every=partial(odometry_and_commands, base))
        return outcome(base, at)


VEHICLE: dict[str, tuple[Callable[[], Outcome], float | None]] = {
    "vehicle: emergency stop (topic)": (partial(reaction, lambda b, _: b.estop.publish(Bool(data=True))), 20),
    "vehicle: dead-man's switch let go": (partial(reaction, let_go), None),
    "vehicle: dead-man's switch falls silent (limit 250 ms)": (silent_switch, None),
    "vehicle: odometry lost (limit 250 ms)": (partial(reaction, nothing, "steer"), None),
    "vehicle: commands lost (limit 250 ms)": (partial(reaction, nothing, "roll"), None),
    "vehicle: command of NaN": (partial(reaction, lambda b, _: b.steer(np.full(3, np.nan))), None),
    "vehicle: odometry of NaN": (partial(reaction, measured(np.full(3, np.nan))), None),
    "vehicle: odometry faster than it can be": (partial(reaction, measured(np.array([9.0, 0.0, 0.0]))), None),
    "vehicle: SIGTERM": (partial(reaction, lambda b, r: r["gate"].send_signal(signal.SIGTERM)), 20),
    "vehicle: an empty instruction to the driver": (
        partial(reaction, lambda b, _: b.instruction.publish(String(data="")), "roll", True), None,
    ),
    "vehicle: driver killed -9 (limit 250 ms)": (partial(reaction, lambda b, r: r["controller"].kill(), "roll", True), None),
}  # fmt: skip
