"""Where one action chunk ends and the next begins: what joins them best, by success and by how hard the hand is jerked.

    python benchmarks/seams.py [weights=tabletop] [episodes=5] [seed=1] [tasks=pick,place-in-bowl,stack-two,push-to-zone]

The same episodes of the motion head (mode=visuomotor, 8 rows of each chunk of 16) with the newest chunk as it comes, faded in over
4 rows, averaged with the chunks before it (temporal ensembling, arXiv 2304.13705), and begun with the 4 rows that are due
meanwhile (inpainting, as in real-time chunking, arXiv 2506.07339). The jerk is that of the commanded fingertips over the
four ticks about a seam, and over all others; medians, m/s^3.
"""

from __future__ import annotations

import itertools

import numpy as np
from options import leave, options

from embodied.control import loop
from embodied.control.chunks import Blend, Ensemble, Seam
from embodied.types import ActionChunk, Command, Observation
from policies.planner import Planner
from sim.body import SimBody
from sim.task import seed_of


class Path(loop.Watch):
    """The commanded fingertips (t, 3), m, and the ticks at which a new chunk began."""

    def __init__(self) -> None:
        self.tips: list[np.ndarray] = []
        self.seams: list[int] = []
        self.starts: list[int] = []

    def began(self, plan: object) -> None:
        self.starts.append(len(self.tips))

    def ticked(self, command: Command, obs: Observation | None) -> None:
        self.tips.append(np.asarray(command.values[:3], float))

    def jerks(self, rate_hz: float) -> tuple[np.ndarray, np.ndarray]:
        """m/s^3 about seams, and elsewhere; not about the start of a step, where the hand stands."""
        size = np.linalg.norm(np.diff(self.tips, n=3, axis=0), axis=1) * rate_hz**3
        about = {at - k for at in self.seams for k in range(4)}
        still = {at - k for at in self.starts for k in range(4)}
        ticks = [k for k in range(len(size)) if k not in still]
        return size[[k for k in ticks if k in about]], size[[k for k in ticks if k not in about]]


class Marked:
    """A seam that tells when a chunk came."""

    def __init__(self, seam: Seam, path: Path) -> None:
        self.seam, self.path = seam, path
        self.clear, self.due, self.left = seam.clear, seam.due, seam.left

    def add(self, chunk: ActionChunk, now_s: float) -> None:
        self.path.seams.append(len(self.path.tips))
        self.seam.add(chunk, now_s)


def main(arguments: list[str]) -> int:
    chosen = options(
        arguments, weights="tabletop", episodes=5, seed=1, tasks="pick,place-in-bowl,stack-two,push-to-zone"
    )
    ways = {
        "newest chunk": (lambda periods: Blend(0, periods), 0),
        "faded in, 4 rows": (lambda periods: Blend(4, periods), 0),
        "temporal ensembling": (lambda periods: Ensemble(periods=periods), 0),
        "inpainting, 4 rows": (lambda periods: Blend(0, periods), 4),
    }
    runs = list(itertools.product(chosen["tasks"].split(","), range(chosen["episodes"])))
    print("| way | success | jerk at seams | jerk elsewhere |\n|---|---|---|---|")
    for way, (make, inpaint) in ways.items():
        good, seams, elsewhere = 0, [], []
        for task, k in runs:
            body = SimBody(task)
            policy = Planner(body, chosen["weights"], mode="visuomotor", inpaint=inpaint)
            obs, path = body.reset(seed_of("seen", chosen["seed"], k)), Path()
            periods = np.array([np.pi if name == "yaw" else np.inf for name in body.spec.action.names])
            loop.run(body, policy, body.goal, obs=obs, watch=path, seam=Marked(make(periods), path), max_ticks=1500)
            good += body.success()
            at, off = path.jerks(body.spec.action.rate_hz)
            seams.append(at)
            elsewhere.append(off)
            body.close()
        medians = (f"{np.median(np.concatenate(part)):.1f}" for part in (seams, elsewhere))
        print(f"| {way} | {good}/{len(runs)} | " + " | ".join(medians) + " |", flush=True)
    return 0


if __name__ == "__main__":
    leave(main)
