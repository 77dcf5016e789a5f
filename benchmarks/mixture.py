"""What a mixture of tasks, many scenes and a pretrained language model are worth, in the manner of PaLM-E's figure 4 and its tables
1 and 7 (arXiv 2303.03378).

    python benchmarks/mixture.py [out=runs/mixture] [steps=1000] [seeds=3] [scenes=500] [short=150] [large=1] [rows=all]
        [processes=1]

Trains the reasoner (embodied/model/reasoner.py), each row with `seeds` seeds of initial weights and order, and asks every run the
same questions about `scenes` tables that it was not trained on, and about a fifth as many with eight cubes. Rows of a language
model that others trained take a quarter of an hour a run and more: they have `large` seeds, `short` steps of 16 tables and a fifth
of the questions, and beside them stands tiny-short, which is given as little. Those that are named after their scenes as well
(smollm2-lora-p1-320) learn as long as tiny does: they want a GPU and are not among all. Everything goes on where it was
stopped; a run that is there is not made again. Prints the mean and the least and most of the seeds, in per cent. These are our
scenes, not Google's.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from options import leave, options

from embodied.errors import UserError

PLANS = ("p1", "p2")
TESTS = ("q1", "q2", "q3", "q4", *PLANS)


@dataclass(frozen=True)
class Row:
    """What is taught, from how many scenes, on which language model, and how much of it learns."""

    kinds: tuple[str, ...]
    scenes: int
    backbone: str = "tiny"
    tune: str = ""
    lr: float = 2e-3
    short: bool = False

    @property
    def large(self) -> bool:
        return self.backbone != "tiny"

    @property
    def gpu(self) -> bool:
        """Whether it is out of a processor's reach."""
        return self.large and not self.short


ROWS = {
    "mixture-96000": Row(TESTS, 96_000),
    "mixture-320": Row(TESTS, 320),
    "p1-320": Row(("p1",), 320),
    "p2-320": Row(("p2",), 320),
    "p1-96000": Row(("p1",), 96_000),
    "p2-96000": Row(("p2",), 96_000),
    "tiny-short": Row(("p1",), 320, short=True),
    "smollm2-frozen": Row(("p1",), 320, "smollm2", "frozen", 1e-3, short=True),
    "smollm2-lora": Row(("p1",), 320, "smollm2", "lora", 1e-3, short=True),
    "smollm2-full": Row(("p1",), 320, "smollm2", "full", 1e-4, short=True),
}
LEARNS = {"frozen": 1e-3, "lora": 1e-3, "full": 1e-4}
ROWS |= {
    f"smollm2-{tune}-{name}-320": Row(kinds, 320, "smollm2", tune, lr)
    for name, kinds in (("p1", ("p1",)), ("mixture", TESTS))
    for tune, lr in LEARNS.items()
}


def embodied(*words: str) -> None:
    """Run the command; its own message and an end here where it fails."""
    if code := subprocess.run([sys.executable, "-m", "embodied", *words], stdout=subprocess.DEVNULL).returncode:
        sys.exit(code)


def asked(name: str, seed: int, chosen: dict[str, int | str]) -> dict[str, float]:
    """Accuracies of one run, trained and examined if that was not done yet; with eight cubes under the names p1-8 and p2-8."""
    row = ROWS[name]
    steps, batch = (chosen["short"], 16) if row.short else (chosen["steps"], 32)
    home = Path(str(chosen["out"])) / f"{name}-{seed}-{steps}"
    if not (home / "done").exists():
        taught = [
            f"scenes={row.scenes}",
            f"kinds={','.join(row.kinds)}",
            f"seed={seed}",
            f"steps={steps}",
            f"batch={batch}",
        ]
        embodied(
            "train", "tamp", *taught, f"backbone={row.backbone}", f"tune={row.tune}", f"lr={row.lr}", f"out={home}"
        )
        (home / "done").touch()
    found: dict[str, float] = {}
    most = max(5, int(chosen["scenes"]) // (5 if row.large and row.short else 1))
    for cubes, scenes, names in (("3-5", most, row.kinds), ("8", most // 5, PLANS)):
        out = home / f"asked-{cubes}-{scenes}"
        if not (out / "report.json").exists():
            of = [f"weights={home / 'weights'}", f"count={cubes}", f"scenes={scenes}", f"out={out}"]
            embodied("evaluate", "suite=tamp", f"processes={chosen['processes']}", *of)
        tests = json.loads((out / "report.json").read_text())["tests"]
        found |= {test + "-8" * (cubes == "8"): tests[test]["accuracy"] for test in names if test in row.kinds}
    return found


def main(arguments: list[str]) -> int:
    chosen = options(
        arguments, out="runs/mixture", steps=1000, seeds=3, scenes=500, short=150, large=1, rows="all", processes=1
    )
    rows = [name for name in ROWS if not ROWS[name].gpu] if chosen["rows"] == "all" else str(chosen["rows"]).split(",")
    if strange := set(rows) - set(ROWS):
        raise UserError(f"unknown row {min(strange)!r}; choose from {', '.join(ROWS)}")
    for name in ("steps", "seeds", "scenes", "short", "large"):
        if chosen[name] < 1:
            raise UserError(f"{name}={chosen[name]} is too small; give 1 or more")
    columns = [*TESTS, *(f"{name}-8" for name in PLANS)]
    print(f"| taught, scenes | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}")
    for row in rows:
        few = ROWS[row].large and ROWS[row].short
        runs = [asked(row, seed, chosen) for seed in range(chosen["large" if few else "seeds"])]
        cells = []
        for name in columns:
            values = [100 * run[name] for run in runs if name in run]
            cells.append(f"{statistics.mean(values):.1f} ({min(values):.1f} - {max(values):.1f})" if values else "")
        print(f"| {row} | {' | '.join(cells)} |", flush=True)
    return 0


if __name__ == "__main__":
    leave(main)
