"""Demonstrations on the board: an expert plans from what is seen, the hand pushes, every second is a moment to learn from."""

from __future__ import annotations

import json
from concurrent.futures import as_completed
from functools import cache
from pathlib import Path
from typing import Any

from embodied import workers
from embodied.errors import UserError
from embodied.trainlog import progress_bar
from sim.board import lessons
from sim.board.jobs import KINDS, drawn, written
from sim.board.play import expert, play
from sim.task import FIRST_EVALUATION_SEED

FILE = "demonstrations.jsonl"


@cache
def worker() -> tuple[Any, Any]:
    """What a process plays with, made once: a simulated body and a finder."""
    import torch

    from embodied.model.finders import finder
    from sim.body import SimBody

    torch.set_num_threads(1)
    return SimBody("push-to-zone", eyes=("front",), lazy=True), finder("tabletop")


def one(kind: str, seed: int) -> tuple[str, int, bool, list[lessons.Moment]]:
    """The board of a training seed, played by the expert."""
    board, job = drawn(kind, seed)
    done = play(*worker(), kind, seed, expert)
    names = {piece.label: piece.name for piece in board} | done.names
    moments = [
        lessons.Moment(kind, job.text, {k: (float(at[0]), float(at[1])) for k, at in now.items()}, names,
                       written(before) if before else lessons.NOTHING, written(said))
        for now, before, said in done.told
    ]  # fmt: skip
    return kind, seed, done.success, moments


def demonstrations(out: Path, count: int, processes: int, first: int) -> int:
    """Until `out` holds `count` successful ones of each job, from training seeds from `first` on; how many were made now."""
    if not 0 <= first < FIRST_EVALUATION_SEED:
        raise UserError(f"seed {first} is not training's; give 0 to {FIRST_EVALUATION_SEED - 1}")
    path, have = out / FILE, dict[str, set[int]]()
    out.mkdir(parents=True, exist_ok=True)
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    whole = []
    for line in lines:
        try:
            known = json.loads(line)
        except json.JSONDecodeError:
            continue  # torn when it was killed
        have.setdefault(known["kind"], set()).add(known["seed"])
        whole.append(line + "\n")
    if len(whole) < len(lines):
        part = path.with_suffix(".part")
        part.write_text("".join(whole), encoding="utf-8")
        part.rename(path)
    made, seeds = 0, dict.fromkeys(KINDS, first)
    with progress_bar(True) as bar, workers.pool(processes) as pool:
        task = bar.add_task("demonstrations", total=count * len(KINDS), completed=sum(map(len, have.values())))
        while lacking := {kind: count - len(have.get(kind, ())) for kind in KINDS if len(have.get(kind, ())) < count}:
            jobs = []
            for kind, missing in lacking.items():
                for _ in range(missing):
                    while seeds[kind] in have.get(kind, ()):
                        seeds[kind] += 1
                    if seeds[kind] >= FIRST_EVALUATION_SEED:
                        raise UserError(f"there are not enough training seeds from {first} on; give a smaller seed")
                    jobs.append(pool.submit(one, kind, seeds[kind]))
                    seeds[kind] += 1
            for ready in as_completed(jobs):
                kind, seed, success, moments = ready.result()
                if success:
                    lessons.save(path, moments, kind=kind, seed=seed)
                    have.setdefault(kind, set()).add(seed)
                    made += 1
                    bar.update(task, advance=1)
    return made
