"""`embodied` run, evaluate, ask, record, train (tamp, board, road), draw, replay, ros (run, replay, record), weights, tasks.

Exit codes: 0 success, 1 the robot or the check failed, 2 bad input (one sentence, no traceback).
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

import embodied
from embodied.errors import UserError

SUMMARIES = {
    "run": "one sentence -> plan -> motion -> video",
    "evaluate": "success of every task over many episodes, as a report",
    "ask": "what the model sees on a table, and its answer to a question",
    "record": "episodes of the scripted experts as a dataset",
    "train": "train the model; `make weights` is the whole recipe",
    "train tamp": "train the model that answers PaLM-E's tests on tables of cubes",
    "train board": "train the planner that says once a second what to push where",
    "train road": "train the network that drives; `make drive-weights` is the whole recipe",
    "train memory": "teach the network that drives to remember from look to look",
    "draw": "a picture -> pen strokes in an SVG, and the simulated arm draws it",
    "replay": "what a driver would have said over a recorded drive, scored",
    "ros run": "the planner on a robot behind ROS 2 topics, or on the simulator behind the same ones",
    "ros replay": "a recorded drive as a vehicle's ROS 2 topics, with what a driver says of it",
    "ros record": "a robot's topics, or a rosbag2, as a dataset",
    "weights": "list or describe weights",
    "tasks": "list the tasks",
}


def usage() -> str:
    lines = [f"  {name:<12}{line}" for name, line in SUMMARIES.items()]
    return "\n".join(
        [
            "usage: embodied <command> [key=value ...]",
            "",
            *lines,
            "",
            "`embodied <command> --help` lists every key with its default; --version prints the version.",
        ]
    )


def main(words: Sequence[str] | None = None) -> int:
    """Entry point of the console script; returns the exit code."""
    words = list(sys.argv[1:] if words is None else words)
    try:
        return _dispatch(words)
    except UserError as mistake:
        print(f"embodied: {mistake}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # `embodied tasks | head`: nobody reads on, and the interpreter's last flush must not complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("embodied: stopped by the keyboard", file=sys.stderr)
        return 130


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(usage())
        return 0 if words else 2
    if words[0] in ("-V", "--version", "version"):
        print(f"embodied-planner {embodied.__version__}")
        return 0
    from embodied.cli import compose
    from embodied.cli.settings import COMMANDS

    length = 2 if " ".join(words[:2]) in COMMANDS else 1
    command, rest = " ".join(words[:length]), words[length:]
    if command not in COMMANDS:
        close = compose.nearest(command, list(COMMANDS))
        raise UserError(f"unknown command {command!r}; {close}choose from {', '.join(COMMANDS)}")
    if any(word in ("-h", "--help") for word in rest):
        print(compose.help_text(command))
        return 0
    settings, chosen = compose.settings(command, rest)
    return importlib.import_module(COMMANDS[command].module).main(settings, chosen)
