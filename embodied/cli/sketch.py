"""The sim=true of `embodied draw`: the simulated arm draws, its camera checks, gaps are drawn again; film, photograph, score."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embodied.cli import parts
from embodied.cli.settings import Draw
from embodied.errors import UserError

if TYPE_CHECKING:
    from embodied.draw.drawing import Drawing
    from embodied.draw.timing import Pace

FILM_FPS = 20
FILM_FRAMES = 160  # of the whole drawing
ALIKE = 0.95  # of ink within half a millimetre: a drawing that is there


def simulated(
    made: Drawing, pace: Pace, settings: Draw, out: Path, say: Callable[[str], None]
) -> tuple[int, dict[str, Any]]:
    """Exit code (0: the sheet shows the drawing) and what was measured. drawing.mp4 and canvas.png are in out."""
    from PIL import Image

    from embodied.draw.timing import estimate

    world, hand, loop = (parts.outside(name) for name in ("sim.draw", "policies.draw", "policies.sketch"))
    trouble = parts.outside("sim.paper").Trouble(
        settings.dry, slip_mm=settings.slip_mm, slip_deg=settings.slip_deg, vary=settings.vary,
    )  # fmt: skip
    strokes = [stroke for layer in made.layers for stroke in layer.strokes()]
    pens = [k for k, layer in enumerate(made.layers) for _ in layer.curves]
    colours = [layer.colour for layer in made.layers]
    body = world.DrawBody((made.width, made.height), made.layers[0].pen_mm, trouble, colours)
    try:
        body.reset(settings.seed)
        policy = hand.PenPolicy(body.arm, world.RATE_HZ, pace)
        policy.lay(strokes, body.base_from_page)  # says what is out of reach before anything moves
        guess = estimate(strokes, home=world.home(body), pace=pace)
        film = _Film(out / "drawing.mp4", body, guess.total_s)
        sketch = loop.Sketch(
            body, policy, strokes, body.pen_mm, out, settings.look_s, settings.passes, film.tick,
            lambda what, k, n: say(f"{what}: stroke {k + 1} of {n}"), body.keep,
            f"{made.width} {made.height} {body.pen_mm} {settings.seed} {trouble} {colours}", pens,
        )  # fmt: skip
        if sketch.state.next or sketch.state.passes:
            body.resume(out)
            say("going on where the last run stopped")
        result = sketch.run()
        film.close()
        Image.fromarray(body.photograph("over")).save(out / "canvas.png")
        (out / "progress.json").unlink()
        body.forget(out)
    finally:
        body.close()
    looks = sketch.state.looks
    report = {
        "likeness": _rounded(result),
        "open_loop": _rounded(looks[0]),
        "corrections": len(looks) - 1, "trouble": dict(vars(trouble).items()),
        "simulated_s": round(body.now_s, 2), "estimated_s": round(guess.total_s, 2),
        "drawn_s": round(sketch.drawn_s, 2), "tip_mm": _followed(body, strokes),
    }  # fmt: skip
    return (0 if result["iou"] >= ALIKE else 1), report


def _rounded(values: dict[str, float]) -> dict[str, float | None]:
    """For JSON, which has no infinity: nothing is likened to a sheet without ink."""
    return {name: round(value, 4) if np.isfinite(value) else None for name, value in values.items()}


def said(code: int, report: dict[str, Any]) -> str:
    seen, first = report["likeness"], report["open_loop"]
    verdict = "the sheet shows the drawing" if code == 0 else "the sheet does not show the drawing"
    again = f" after {report['corrections']} corrections (before: {first['iou']:.1%})" if report["corrections"] else ""
    off = "no ink" if seen["chamfer_mm"] is None else f"{seen['chamfer_mm']:.3f} mm off on average"
    return f"{verdict}: {seen['iou']:.1%} within 0.5 mm{again}, {off}"


def add_to_report(out: Path, report: dict[str, Any]) -> None:
    at = out / "report.json"
    try:
        at.write_text(json.dumps(json.loads(at.read_text()) | {"sim": report}, indent=1) + "\n")
    except OSError as fault:
        raise UserError(f"cannot write {str(at)!r} ({fault.strerror}); give another folder") from None


def _followed(body: Any, strokes: list[np.ndarray]) -> dict[str, float]:
    """How far the pressed tip was from its path, mm; only told where the sheet did not slip."""
    from scipy.spatial import KDTree

    from embodied.draw.residue import along

    way = np.array(body.way)
    if body.trouble.slip_mm or body.trouble.slip_deg or not len(way) or not (way[:, 2] < 0).any():
        return {}
    off = KDTree(along(strokes, 0.02)).query(way[way[:, 2] < 0][:, :2])[0]
    return {
        "mean": round(float(off.mean()), 4),
        "p95": round(float(np.quantile(off, 0.95)), 4),
        "max": round(float(off.max()), 4),
    }


class _Film:
    """The front camera's view, at a pace that makes every drawing as long."""

    def __init__(self, path: Path, body: Any, seconds: float) -> None:
        from embodied.data.video import VideoWriter

        spec = body.cameras["front"]
        self._writer = VideoWriter(path, FILM_FPS, spec.width, spec.height)
        self._body, self._every = body, max(seconds / FILM_FRAMES, 0.05)
        self._next = 0.0

    def tick(self) -> None:
        if self._body.now_s >= self._next:
            self._next = self._body.now_s + self._every
            self._writer.add(self._body.photograph("front"))

    def close(self) -> None:
        for _ in range(FILM_FPS):
            self._writer.add(self._body.photograph("front"))
        self._writer.close()
