"""embodied train board: the planner of the board's jobs, from 10, 20, 40 or more demonstrations."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from embodied.cli import parts
from embodied.errors import UserError
from embodied.recipe import setting
from embodied.train_reasoner import Recipe


@dataclass
class Settings(Recipe):
    """Train the planner of pushes on a board from demonstrations (embodied record kind=board)."""

    out: str = setting(
        "runs/board-planner", "folder of checkpoints, logs and the finished weights; an unfinished run goes on"
    )
    demonstrations: str = setting("", "folder of embodied record kind=board (must be given)")
    demos: int = setting(40, "how many of each job; PaLM-E has 10, 20 and 40")
    jobs: str = setting("pair,sort,group,corner", "which jobs, with commas between")
    boards: int = setting(20_000, "other boards that questions are asked about, without any job done on them; 0: none")
    share: float = setting(0.5, "of a batch that is such questions")
    init: str = setting("tamp", "weights of a reasoner to begin with; empty: from nothing")
    steps: int = setting(6500, "optimiser steps")
    lr: float = setting(1e-3, "peak learning rate (Muon and AdamW, linear warm-up, cosine to a tenth)")


def main(settings: Settings, chosen: dict[str, str]) -> int:
    """0 when the weights are in out/weights."""
    jobs, board = parts.outside("sim.board.jobs"), parts.outside("sim.board.lessons")
    kinds = [kind.strip() for kind in settings.jobs.split(",")]
    for kind in kinds:
        parts.check_choice("jobs", kind, jobs.KINDS)
    for name in ("demos", "steps", "batch", "threads"):
        if getattr(settings, name) < 1:
            raise UserError(f"{name}={getattr(settings, name)} is too small; give 1 or more")
    if not 0 < settings.share < 1:
        raise UserError(f"share={settings.share} must be between 0 and 1; boards=0 asks no questions")
    if not settings.demonstrations:
        raise UserError("demonstrations= is missing; make a folder with embodied record kind=board out=runs/board")
    path = Path(settings.demonstrations) / parts.outside("sim.board.demonstrate").FILE
    moments = [one for kind in kinds for one in board.load(path, kind, settings.demos)]
    from embodied.model import reasoner
    from embodied.train_reasoner import Training

    begun = reasoner.load(settings.init, "objects") if settings.init else None
    words = board.vocabulary(begun.words if begun else parts.outside("sim.tamp.lessons").vocabulary())
    sources = [(board.Demonstrations(words, moments, settings.augment), 1.0)]
    if settings.boards:
        asked = parts.outside("sim.board.questions").Boards(words, settings.boards)
        sources = [(sources[0][0], 1 - settings.share), (asked, settings.share)]
    facts = {key: getattr(settings, key) for key in ("demos", "jobs", "init", "boards")}
    Training(settings, sources, words, facts, board.grown(begun, words) if begun else None).run()
    return 0
