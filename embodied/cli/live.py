"""What a person sees while an episode runs: the plan with a status per step (rich), a film, a rerun log."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from embodied import film
from embodied.cli import parts
from embodied.data.video import VideoWriter
from embodied.errors import UserError
from embodied.rollout import Watch
from embodied.types import Command, Observation, Plan, Step

FILM_HZ = 10.0


class Progress(Watch):
    """Keeps the status of each step of the current plan; the others read it."""

    def __init__(self, goal: str) -> None:
        self.goal = goal
        self.plan: Plan | None = None
        self.status: list[str] = []
        self.note = "looking"
        self.replans = 0

    def planned(self, plan: Plan, obs: Observation, seconds: float) -> None:
        self.plan = plan
        self.status = ["done"] * plan.at + ["todo"] * (len(plan.steps) - plan.at)
        self.note = f"plan {self.replans + 1}, {1000 * seconds:.0f} ms"

    def began(self, plan: Plan) -> None:
        self.plan = plan
        self.status = ["done"] * plan.at + ["now"] + ["todo"] * (len(plan.steps) - plan.at - 1)

    def checked(self, step: Step, p: float, obs: Observation) -> None:
        if self.plan is not None and not self.plan.finished:
            self.status[self.plan.at] = "done" if p >= 0.5 else "failed"
        self.note = f"{step.text}: {'done' if p >= 0.5 else 'failed'} ({p:.2f})"

    def replanned(self, plan: Plan, reason: str) -> None:
        self.replans += 1
        self.note = f"plans again: {reason}"

    def ended(self, reason: str) -> None:
        self.note = reason


class Screen(Watch):
    """The plan as a live table on the terminal. Plain lines where there is no terminal."""

    def __init__(self, progress: Progress) -> None:
        from rich.console import Console
        from rich.live import Live

        self._progress = progress
        self._console = Console()
        self._live = Live(console=self._console, refresh_per_second=8, auto_refresh=False)
        self._last = 0.0

    def __enter__(self) -> Screen:
        if self._console.is_terminal:
            self._live.start()
        self._console.print(f"goal: {self._progress.goal}", highlight=False)
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._show()
            self._live.stop()

    def _show(self) -> None:
        from rich.table import Table
        from rich.text import Text

        styles = {"todo": "dim", "now": "bold yellow", "done": "green", "failed": "red"}
        table = Table(box=None, show_header=False, padding=(0, 1))
        steps = self._progress.plan.steps if self._progress.plan else ()
        for step, status in zip(steps, self._progress.status, strict=False):
            table.add_row(film.MARKS[status].strip(), Text(step.text, styles[status]))
        table.add_row("", Text(self._progress.note, "cyan"))
        self._live.update(table, refresh=True)
        self._last = time.monotonic()

    def _say(self, line: str) -> None:
        if self._console.is_terminal:
            self._show()
        else:
            self._console.print(line, highlight=False, soft_wrap=True)

    def planned(self, plan: Plan, obs: Observation, seconds: float) -> None:
        left = [f"  {s.text}" for s in plan.steps[plan.at :]]
        lines = [f"plan ({1000 * seconds:.0f} ms):{'' if left else ' nothing is left to do'}", *left]
        lines += [f"  of {len(plan.choice.candidates)} plans: {plan.choice.why}"] if plan.choice else []
        self._say("\n".join(lines if plan.steps else ["no plan: " + (plan.refusal or "nothing to do")]))

    def began(self, plan: Plan) -> None:
        self._say(f"> {plan.current.text}")

    def checked(self, step: Step, p: float, obs: Observation) -> None:
        self._say(f"{'+' if p >= 0.5 else 'x'} {step.text} (says {p:.2f})")

    def replanned(self, plan: Plan, reason: str) -> None:
        self._say(f"plans again: {reason}")


class Filmer(Watch):
    """Writes the front picture with plan and grounded points, at FILM_HZ of the body's own time."""

    def __init__(self, path: Path, body: Any, progress: Progress) -> None:
        self._body, self._progress = body, progress
        self._every = max(1, round(body.spec.action.rate_hz / FILM_HZ))
        fps = round(body.spec.action.rate_hz / self._every)
        self._writer = VideoWriter(path, fps, film.WIDTH + film.PANEL, film.HEIGHT)
        self._tick = 0
        self._fps = fps

    def shoot(self, times: int = 1) -> None:
        """The present moment, `times` frames long."""
        now = self._tick / self._body.spec.action.rate_hz
        caption = film.Caption(
            self._progress.goal, self._progress.plan, self._progress.status, self._progress.note, now
        )
        made = film.frame(parts.picture(self._body), caption)
        for _ in range(times):
            self._writer.add(made)

    def planned(self, plan: Plan, obs: Observation, seconds: float) -> None:
        self.shoot(self._fps)

    def ticked(self, command: Command, obs: Observation | None) -> None:
        self._tick += 1
        if self._tick % self._every == 0:
            self.shoot()

    def ended(self, reason: str) -> None:
        self.shoot(self._fps)

    def close(self) -> None:
        self._writer.close()


def rerun_file(path: Path) -> tuple[Any, Any]:
    """The rerun library and a stream into this .rrd file."""
    try:
        import rerun
    except ImportError:
        raise UserError("rrd=true needs the rerun viewer's library; run: pip install 'embodied-planner[viz]'") from None
    stream: Any = rerun.RecordingStream("embodied-planner")
    stream.save(str(path))
    return rerun, stream


class RerunLog(Watch):
    """A .rrd file for the rerun viewer: cameras, grounded points, commands, and the plan's text over time."""

    def __init__(self, path: Path, body: Any) -> None:
        self._rr, self._stream = rerun_file(path)
        self._body = body
        self._tick = 0

    def _at(self) -> None:
        self._stream.set_time("episode", duration=self._tick / self._body.spec.action.rate_hz)

    def _look(self, obs: Observation) -> None:
        self._at()
        for name in obs.images:
            self._stream.log(f"cameras/{name}", self._rr.Image(obs.images[name]))

    def planned(self, plan: Plan, obs: Observation, seconds: float) -> None:
        self._look(obs)
        text = "\n".join(s.text for s in plan.steps) or plan.refusal
        self._stream.log("plan", self._rr.TextDocument(text))

    def began(self, plan: Plan) -> None:
        self._at()
        camera = self._body.spec.cameras["front"]
        where = [(p.u * camera.width, p.v * camera.height) for p in plan.current.points]
        self._stream.log("cameras/front/points", self._rr.Points2D(where, radii=3))
        self._stream.log("log", self._rr.TextLog(f"step {plan.at + 1}: {plan.current.text}"))

    def ticked(self, command: Command, obs: Observation | None) -> None:
        self._tick += 1
        self._at()
        for name, value in zip(self._body.spec.action.names, command.values, strict=True):
            self._stream.log(f"command/{name}", self._rr.Scalars(float(value)))
        if self._tick % 4 == 0:
            self._stream.log("cameras/front", self._rr.Image(self._body.observe().images["front"]))

    def checked(self, step: Step, p: float, obs: Observation) -> None:
        self._look(obs)
        self._stream.log("log", self._rr.TextLog(f"{step.text}: {p:.2f}"))

    def close(self) -> None:
        self._stream.disconnect()
