"""What a mixture of tasks and what many scenes are worth, in the manner of PaLM-E's figure 4 and table 7 (arXiv 2303.03378).

    python benchmarks/mixture.py [out=runs/mixture] [steps=1000] [seeds=3] [scenes=500] [rows=all] [processes=1]

Trains the reasoner from nothing, each row with `seeds` seeds of initial weights and order, and asks every run the same questions
about `scenes` tables that it was not trained on, and about a fifth as many with eight cubes. Everything goes on where it was
stopped; a run that is there is not made again. Prints the mean and the least and most of the seeds, in per cent. These are our
scenes, not Google's.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path

from options import leave, options

from embodied.errors import UserError

PLANS = ("p1", "p2")
TESTS = ("q1", "q2", "q3", "q4", *PLANS)
ROWS = {  # name -> what it is taught, and from how many scenes
    "mixture-96000": (TESTS, 96_000),
    "mixture-320": (TESTS, 320),
    "p1-96000": (("p1",), 96_000),
    "p2-96000": (("p2",), 96_000),
    "p1-320": (("p1",), 320),
    "p2-320": (("p2",), 320),
}


def embodied(*words: str) -> None:
    """Run the command; its own message and an end here where it fails."""
    if code := subprocess.run([sys.executable, "-m", "embodied", *words], stdout=subprocess.DEVNULL).returncode:
        sys.exit(code)


def asked(row: str, seed: int, chosen: dict[str, int | str]) -> dict[str, float]:
    """Accuracies of one run, trained and examined if that was not done yet; with eight cubes under the names p1-8 and p2-8."""
    kinds, count = ROWS[row]
    home = Path(str(chosen["out"])) / f"{row}-{seed}-{chosen['steps']}"
    if not (home / "done").exists():
        taught = [f"scenes={count}", f"kinds={','.join(kinds)}", f"seed={seed}", f"steps={chosen['steps']}"]
        embodied("train", "tamp", *taught, f"out={home}")
        (home / "done").touch()
    found: dict[str, float] = {}
    for cubes, scenes, names in (
        ("3-5", int(chosen["scenes"]), kinds),
        ("8", max(1, int(chosen["scenes"]) // 5), PLANS),
    ):
        out = home / f"asked-{cubes}-{scenes}"
        if not (out / "report.json").exists():
            of = [f"weights={home / 'weights'}", f"count={cubes}", f"scenes={scenes}", f"out={out}"]
            embodied("evaluate", "suite=tamp", f"processes={chosen['processes']}", *of)
        tests = json.loads((out / "report.json").read_text())["tests"]
        found |= {name + "-8" * (cubes == "8"): tests[name]["accuracy"] for name in names if name in kinds}
    return found


def main(arguments: list[str]) -> int:
    chosen = options(arguments, out="runs/mixture", steps=1000, seeds=3, scenes=500, rows="all", processes=1)
    rows = list(ROWS) if chosen["rows"] == "all" else str(chosen["rows"]).split(",")
    if strange := set(rows) - set(ROWS):
        raise UserError(f"unknown row {min(strange)!r}; choose from {', '.join(ROWS)}")
    for name in ("steps", "seeds", "scenes"):
        if chosen[name] < 1:
            raise UserError(f"{name}={chosen[name]} is too small; give 1 or more")
    columns = [*TESTS, *(f"{name}-8" for name in PLANS)]
    print(f"| taught, scenes | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}")
    for row in rows:
        runs = [asked(row, seed, chosen) for seed in range(chosen["seeds"])]
        cells = []
        for name in columns:
            values = [100 * run[name] for run in runs if name in run]
            cells.append(f"{statistics.mean(values):.1f} ({min(values):.1f} - {max(values):.1f})" if values else "")
        print(f"| {row} | {' | '.join(cells)} |", flush=True)
    return 0


if __name__ == "__main__":
    leave(main)
