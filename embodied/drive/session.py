"""One recording from end to end: the control loop over a Replay body."""

from __future__ import annotations

from embodied.control.chunks import Blend
from embodied.control.loop import Result, Watch, run
from embodied.control.safety import Safety
from embodied.drive.replay import Replay
from embodied.protocols import Policy

NO_END = 10**9  # ticks: the recording ends it


def replay(body: Replay, policy: Policy, watch: Watch | None = None) -> Result:
    """Run `policy` over the whole recording. Nothing moves, so forecasts are neither faded into each other nor slowed down."""
    free = dict.fromkeys(body.spec.action.names, float("inf"))
    guard = Safety(body.spec, speeds=free, stale_s=float("inf"))
    goal = body.drive.spec.facts.get("task") or "drive on"
    return run(
        body, policy, goal, obs=body.reset(), safety=guard, seam=Blend(rows=0), watch=watch, max_ticks=NO_END,
        replan=False, confirm=False, log=False,
    )  # fmt: skip
