"""embodied draw: a picture, or an SVG, as pen strokes; with sim=true drawn by the simulated arm and checked by its camera."""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embodied.cli import parts
from embodied.cli.settings import Draw, Run
from embodied.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from embodied.draw.drawing import Drawing
    from embodied.draw.make import Plan


FASTEST = 2000.0  # mm/s


def main(settings: Draw, chosen: dict[str, str]) -> int:
    """0 when the drawing is written (and, with sim=true, the sheet shows it); 1 when it does not; UserError for bad input."""
    _needs("PIL", "scipy", "skimage", "shapely", "svgelements")
    if settings.image and settings.prompt:
        raise UserError("draw takes a picture or prompt=, not both; leave one out")
    if settings.out and Path(settings.out).exists() and not Path(settings.out).is_dir():
        raise UserError(f"out={settings.out!r} is a file; give a folder")
    source = Path(settings.image) if settings.image else _imagined(settings)
    plan = plan_of(settings)
    from embodied.draw.make import drawing

    out = Path(settings.out or time.strftime("runs/%Y-%m-%d-%H-%M-%S"))
    began = time.perf_counter()
    with _progress() as say:
        made, mode = drawing(source, plan, say)
        seconds = time.perf_counter() - began
        say("writing the preview")
        report = write(made, plan, mode, seconds, source, out)
    print(
        f"{report['strokes']} strokes, {report['ink_mm'] / 1000:.2f} m of ink, about {_clock(report['time_s'])} to draw ({mode})"
    )
    print(f"{out / 'drawing.svg'}")
    if not settings.sim:
        return 0
    from embodied.cli import sketch

    with _progress() as say:
        code, seen = sketch.simulated(made, plan.pace, settings, out, say)
    sketch.add_to_report(out, seen)
    print(sketch.said(code, seen))
    print(f"{out / 'drawing.mp4'}")
    return code


def step(goal: str, settings: Run) -> int:
    """A goal such as "draw the house", for an arm with a pen: the model reads it and writes the plan, whose step is carried out
    here; see main. disturb: the probability that the pen runs dry, its width varies and the sheet slips."""
    import numpy as np

    if not settings.picture:
        raise UserError(
            f"{goal!r} needs the picture to draw; give picture=FILE, or for pictures made from words: embodied draw prompt=..."
        )
    plan = parts.outside("policies.goals").with_pen(settings.weights, goal)
    if plan.refusal:
        raise UserError(plan.refusal)
    out = settings.out or time.strftime("runs/%Y-%m-%d-%H-%M-%S")
    (words,) = [f"{one.text} {Path(settings.picture).name}" for one in plan.steps]
    print(f"1. {words}")
    bad = np.random.default_rng([settings.seed, 2]).random() < settings.disturb
    trouble: dict[str, Any] = {"dry": 0.05, "vary": 0.2, "slip_mm": 2.0, "slip_deg": 1.0} if bad else {}
    passes = 2 if settings.replan else 0
    code = main(Draw(settings.picture, out, seed=settings.seed, sim=True, passes=passes, **trouble), {})
    status = "done" if code == 0 else "failed"
    story = {"goal": goal, "steps": [{"text": one.text, "skill": one.skill, "status": status} for one in plan.steps]}
    (Path(out) / "plan.json").write_text(json.dumps(story, indent=1) + "\n")
    return code


def plan_of(settings: Draw) -> Plan:
    from embodied.draw.make import Plan
    from embodied.draw.picture import MODES
    from embodied.draw.timing import Pace
    from embodied.draw.trace import Style

    parts.check_choice("mode", settings.mode, ("auto", *MODES))
    pace = Pace(settings.speed, settings.travel)
    if not (0 < pace.ink <= FASTEST and 0 < pace.travel <= FASTEST):
        raise UserError(
            f"speed={settings.speed:g} and travel={settings.travel:g} mm/s have to be above 0 and at most {FASTEST:g}"
        )
    shares, rest = (
        (settings.dry, settings.vary),
        (settings.slip_mm, settings.slip_deg, settings.look_s, settings.passes),
    )
    if not all(0 <= one < 1 for one in shares) or not all(0 <= one < 1e6 for one in rest):
        raise UserError(
            "dry and vary have to be shares from 0 to below 1, slip_mm, slip_deg, look_s and passes numbers from 0"
        )
    style = Style(settings.mode, settings.style, angle=settings.angle, budget_s=settings.budget_s, seed=settings.seed)
    return Plan(
        settings.page, settings.scale, settings.margin_mm, settings.rotate, settings.pen_mm, settings.colours,
        settings.retrace, settings.order_s, style, pace,
    )  # fmt: skip


def write(made: Drawing, plan: Plan, mode: str, seconds: float, source: Path, out: Path) -> dict:
    """drawing.svg, preview.png, preview.gif and report.json, all or none; returns the report."""
    from embodied.draw import preview, svg
    from embodied.draw.timing import estimate

    strokes = [stroke for layer in made.layers for stroke in layer.strokes()]
    guess = estimate(strokes, pace=plan.pace)
    report = {
        "source": source.name, "mode": mode, "page_mm": [made.width, made.height],
        "pens": [{"colour": layer.colour, "width_mm": layer.pen_mm, "strokes": len(layer.curves)} for layer in made.layers],
        "strokes": made.count, "ink_mm": round(guess.ink_mm, 1), "travel_mm": round(guess.travel_mm, 1),
        "time_s": round(guess.total_s, 2), "time": {k: round(v, 2) for k, v in dataclasses.asdict(guess).items()},
        "made_in_s": round(seconds, 3),
    }  # fmt: skip
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out) as folder:
            fresh = Path(folder)
            (fresh / "drawing.svg").write_text(svg.written(made))
            preview.save(made, fresh)
            (fresh / "report.json").write_text(json.dumps(report, indent=1) + "\n")
            for file in sorted(fresh.iterdir()):
                os.replace(file, out / file.name)
    except OSError as fault:
        raise UserError(f"cannot write out={str(out)!r} ({fault.strerror}); give another folder") from None
    return report


def _imagined(settings: Draw) -> Path:
    """A picture made from words, where the weights of a diffusion pipeline are at hand."""
    if not settings.prompt:
        raise UserError("draw needs a picture; write `embodied draw IMAGE`, or prompt='...' with a pipeline's weights")
    from embodied.draw.imagine import imagined

    out = Path(settings.out or time.strftime("runs/%Y-%m-%d-%H-%M-%S"))
    return imagined(settings.prompt, settings.pipeline, out, settings.seed)


def _needs(*modules: str) -> None:
    import importlib.util

    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise UserError(f"drawing needs {module!r}; run: pip install 'embodied-planner[draw]'")


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60} min {int(seconds) % 60} s" if seconds >= 60 else f"{seconds:.0f} s"


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """A line that says what is being done and for how long."""
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    with Progress(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), transient=True) as bar:
        task = bar.add_task("reading")
        yield lambda what: bar.update(task, description=what)
