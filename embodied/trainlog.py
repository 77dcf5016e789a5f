"""What a training run shows and keeps of itself: a table of figures, TensorBoard, a picture of the curves, a progress bar."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

COLUMNS = 4  # curves side by side in loss.png


class Log:
    """CSV (long form: step, name, value), TensorBoard, and a PNG of all curves.

    start: the step a run resumes at; lines written after it by the interrupted run are dropped.
    """

    def __init__(self, out: Path, start: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.path = out / "log.csv"
        rows = []
        if self.path.exists():
            with self.path.open() as lines:
                rows = [r for r in csv.reader(lines) if len(r) == 3 and r[0].isdigit() and int(r[0]) <= start]
        self.file = self.path.open("w", newline="")
        self.rows = csv.writer(self.file)
        self.rows.writerows(rows)
        self.board = SummaryWriter(str(out / "tensorboard"), purge_step=start)

    def add(self, step: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            self.rows.writerow([step, name, f"{value:.5g}"])
            self.board.add_scalar(name, value, step)

    def flush(self) -> None:
        self.file.flush()
        self.board.flush()

    def plot(self) -> None:
        """Write loss.png: one small chart per name."""
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as plt

        self.flush()
        curves: dict[str, list[tuple[int, float]]] = {}
        with self.path.open() as lines:
            for step, name, value in csv.reader(lines):
                curves.setdefault(name, []).append((int(step), float(value)))
        rows = -(-len(curves) // COLUMNS)
        figure, axes = plt.subplots(rows, COLUMNS, figsize=(4 * COLUMNS, 2.6 * rows), squeeze=False)
        for axis, (name, points) in zip(axes.flat, curves.items(), strict=False):
            axis.plot(*zip(*points, strict=True), linewidth=0.8)
            axis.set_title(name, fontsize=9)
        figure.tight_layout()
        figure.savefig(self.path.with_name("loss.png"), dpi=80)
        plt.close(figure)


def progress_bar(shown: bool) -> Progress:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, disable=not shown)
