"""Snapshots: labelled moments of a scene, the planner's training data. One folder a shard.

<root>/<shard>/front.npy   uint8 (N, H, W, 3)          <camera>.npy for every camera; none for moments in words alone
<root>/<shard>/front_depth.npy uint16 (N, H, W)        along the optical axis, in units of DEPTH_M
<root>/<shard>/front_seg.npy uint8 (N, H, W)           index into the record's "items"; 254 robot, 255 nothing
<root>/<shard>/arm.npy     float32 (N, 8, 6)           <state>.npy for every state
<root>/<shard>/records.jsonl                           one Record a line; written last: a shard without it is unfinished
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from embodied.errors import UserError

ROBOT, NOTHING = 254, 255
DEPTH_M = 1e-4  # m, the unit of depth pictures


@dataclass
class Record:
    """What is true at one moment. Points are [u, v] in the front picture; steps are texts of the plan grammar.

    goals: phrasings of one goal. jobs: what it comes to, in order, each in the words of a step. parts: for every phrasing
    the words in it that ask for each of several jobs, in the order of doing; none where it is one job. refusal: a thing
    that is named but absent, or "unclear". others: further goals: (phrasing, parts, jobs), jobs
    being none where only the parts are known. plans: (job, lines of the steps
    that are left for it, with points). checks: (step text, whether it has just succeeded). things: name -> [u, v] of what
    can be seen.
    lies: name -> where, for what is not on the bare table: "in hand", "on <thing>", "in <thing>".
    points: step text -> its points. asks: (question, answer).
    missing: names of things that are not there. moment: its number in its episode, whose moments stand in order in a shard; 0 for
    all in shards of before there were numbers.
    """

    task: str
    goals: list[str]
    jobs: list[str] = field(default_factory=list)
    parts: list[list[str]] = field(default_factory=list)
    refusal: str = ""
    checks: list[tuple[str, bool]] = field(default_factory=list)
    items: list[str] = field(default_factory=list)
    things: dict[str, list[float]] = field(default_factory=dict)
    points: dict[str, list[list[float]]] = field(default_factory=dict)
    asks: list[tuple[str, str]] = field(default_factory=list)
    others: list[tuple[str, list[str], list[str]]] = field(default_factory=list)
    plans: list[tuple[str, list[str]]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    lies: dict[str, str] = field(default_factory=dict)
    moment: int = 0


def past(moment: int, history: int) -> list[int]:
    """Numbers of a moment of an episode and of those before it, `history` in all, the newest last; the first again where there is
    none."""
    return [max(0, moment - k) for k in reversed(range(history))]


def write_shard(folder: Path, records: list[Record], arrays: dict[str, np.ndarray]) -> None:
    """Write one shard so that a kill leaves it either whole or without records.jsonl."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    part = folder / "records.part"
    with part.open("w") as out:
        out.writelines(json.dumps(asdict(record)) + "\n" for record in records)
        out.flush()
        os.fsync(out.fileno())
    part.rename(folder / "records.jsonl")


class Snapshots:
    """Random access over all finished shards below `root`: self[i] -> (Record, {array name: row})."""

    def __init__(self, root: Path) -> None:
        shards = sorted(p.parent for p in Path(root).glob("*/records.jsonl"))
        if not shards:
            raise UserError(
                f"no snapshots below {str(root)!r}; make them with `embodied record kind=snapshots out={root}`"
            )
        self.arrays = [{p.stem: np.load(p, mmap_mode="r") for p in sorted(s.glob("*.npy"))} for s in shards]
        self.lines = [(s / "records.jsonl").read_text().splitlines() for s in shards]
        self.index = [(s, row) for s, lines in enumerate(self.lines) for row in range(len(lines))]

    def __len__(self) -> int:
        return len(self.index)

    def record(self, i: int) -> Record:
        shard, row = self.index[i]
        return Record(**json.loads(self.lines[shard][row]))

    def __getitem__(self, i: int) -> tuple[Record, dict[str, np.ndarray]]:
        shard, row = self.index[i]
        return self.record(i), {name: array[row] for name, array in self.arrays[shard].items()}

    def pictures(self, i: int, history: int) -> dict[str, np.ndarray]:
        """Camera -> uint8 (history, H, W, 3): what it saw at the moments of `past`."""
        (shard, row), moment = self.index[i], self.record(i).moment
        rows = [row - moment + number for number in past(moment, history)]
        return {name: array[rows] for name, array in self.arrays[shard].items() if array.shape[3:] == (3,)}
