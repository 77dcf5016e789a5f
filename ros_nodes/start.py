"""`embodied ros run`: the three processes of one robot, without the launch package; all end when one does, or on Ctrl-C."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ros_nodes import vehicles
from ros_nodes.process import environment
from ros_nodes.robots import check_share, read, robot

SIM_CAR = "sim_car"
GRACE_S = 3.0  # between asking a process to end and ending it


def command(node: str, parameters: Mapping[str, Any], namespace: str = "") -> list[str]:
    """The command line of one of our nodes with these parameters."""
    given = [word for key, value in parameters.items() for word in ("-p", f"{key}:={_written(value)}")]
    given += ["-r", f"__ns:=/{namespace.strip('/')}"] if namespace else []
    return [sys.executable, "-m", f"ros_nodes.{node}", *(["--ros-args", *given] if given else [])]


def _written(value: Any) -> str:
    """As YAML, which is how a parameter is read: an empty or a spoken text is one too."""
    if isinstance(value, str):
        return json.dumps(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


@contextlib.contextmanager
def processes(commands: Mapping[str, Sequence[str]], **options: Any) -> Iterator[dict[str, subprocess.Popen[Any]]]:
    """Start them; whatever happens, none is left."""
    env = environment() | {"OMP_NUM_THREADS": "1"} | dict(os.environ)
    running: dict[str, subprocess.Popen[Any]] = {}
    try:
        for name, words in commands.items():
            running[name] = subprocess.Popen(list(words), env=env, **options)
        yield running
    finally:
        for one in running.values():
            if one.poll() is None:
                one.send_signal(signal.SIGTERM)
        until = time.monotonic() + GRACE_S
        for one in running.values():
            try:
                one.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                one.kill()
                one.wait()


def run(
    name: str,
    instruction: str,
    dry_run: bool | None,
    sim: Mapping[str, Any] | None = None,
    fake: bool = False,
    speed_share: float = 1.0,
    priority: int = 0,
    **parameters: Any,
) -> int:
    """Controller and gate of the robot called `name`; until Ctrl-C or until one ends. sim: with the simulator, so set. fake: with
    an arm that does what it is sent."""
    robot(name)  # says what is wrong with the file
    check_share(speed_share)
    both = {"robot": name, "speed_share": speed_share, "priority": priority}
    commands: dict[str, Sequence[str]] = {
        "gate": command("gate_node", both | {"fake": fake} | _dry(dry_run)),
        "controller": command("controller_node", both | {"instruction": instruction, **parameters}),
    }
    if sim is not None:
        commands["sim"] = command("sim_node", sim)
    if fake:
        commands["fake"] = command("fake_node", {"robot": name})
    return _until_one_ends(commands)


def drives(name: str) -> bool:
    """Whether it is a vehicle, shipped or a file's. UserError for a file that cannot be read."""
    if not name.endswith(".yaml"):
        return (vehicles.FOLDER / f"{name}.yaml").exists()
    return "joints" not in read(Path(name))


def drive(
    name: str,
    instruction: str,
    dry_run: bool | None,
    driver: str,
    priority: int = 0,
    sim: Mapping[str, Any] | None = None,
) -> int:
    """Driver and gate of the vehicle called `name`, and its simulator if it is one; until Ctrl-C or until one ends."""
    vehicles.vehicle(name)
    both = {"robot": name, "priority": priority}
    commands: dict[str, Sequence[str]] = {
        "gate": command("vehicle_gate_node", both | _dry(dry_run)),
        "controller": command("driver_node", both | {"instruction": instruction, "driver": driver}),
    }
    if name == SIM_CAR:
        commands["sim"] = command("sim_car_node", sim or {})
    return _until_one_ends(commands)


def _dry(run: bool | None) -> dict[str, bool]:
    return {} if run is None else {"dry_run": run}


def record(given: Mapping[str, Any], namespace: str) -> int:
    """The recorder of one robot's topics, in a process of its own, until Ctrl-C."""
    robot(str(given["robot"]))
    return _until_one_ends({"record": command("record_node", given, namespace)})


def replay(given: Mapping[str, Any], namespace: str) -> int:
    """A recorded drive's topics, until Ctrl-C."""
    return _until_one_ends({"replay": command("replay_node", given, namespace)})


def _until_one_ends(commands: Mapping[str, Sequence[str]]) -> int:
    """Or until SIGTERM or Ctrl-C; the highest exit code."""
    ended: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):  # both by name: what a shell starts in the background ignores SIGINT
        signal.signal(number, lambda *_: ended.append(0))
    with processes(commands) as running:
        while not ended:
            time.sleep(0.1)
            ended += [one.returncode for one in running.values() if one.poll() is not None]
    return max(ended, default=0)
