"""Draw, look, and draw again what is not there: the loop round a pen.

After a while of drawing, and when all is drawn, the arm makes way for the camera. The sheet is found anew, so that one that
slipped is drawn on where it lies now; at the end the stretches whose ink is missing are drawn again. What is about to be drawn
is written down before the pen moves: a run that was killed goes on there, and draws one stroke twice at most.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from embodied.draw import sheet
from embodied.draw.inspect import likeness, missing
from embodied.draw.order import ordered
from embodied.draw.ragged import length
from embodied.geometry import Matrix
from embodied.spec import CameraSpec
from embodied.types import Command, Observation
from policies.draw import PenPolicy

DOTS = 4  # px a mm of the sheet that is looked at
ENOUGH = 0.004  # share of the line that may stay missing


class PenBody(Protocol):
    """A body with a pen, before a sheet, under a camera."""

    page: tuple[float, float]
    cameras: dict[str, CameraSpec]
    rest: NDArray[np.float64]

    def observe(self) -> Observation: ...
    def apply(self, command: Command) -> Command: ...
    def photograph(self, camera: str = "over") -> NDArray[np.uint8]: ...
    def take(self, pen: int) -> None: ...


@dataclass
class State:
    """Where a run is: pass 0 draws the drawing, later ones its gaps; next: the stroke of `strokes` that comes next."""

    drawing: str = ""
    passes: int = 0
    next: int = 0
    gaps: list[list[list[float]]] = field(default_factory=list)  # strokes of this pass, mm; empty: the drawing's own
    pens: list[int] = field(default_factory=list)  # of these
    page: list[list[float]] = field(default_factory=list)  # base_from_page as found last
    looks: list[dict[str, Any]] = field(default_factory=list)


class Sketch:
    """look_s: seconds of drawing between looks; 0: only at the end. passes: of correction, at most. moved: called every tick, for
    films. kept: called with `out` before every stroke, for what the body writes down. sort: what else, beside the strokes, has to
    be the same for a run to be gone on with. pens: which pen each stroke is drawn with; the first, where none are given."""

    def __init__(
        self, body: PenBody, policy: PenPolicy, strokes: Sequence[NDArray[np.float64]], pen_mm: float, out: Path,
        look_s: float = 15.0, passes: int = 2, moved: Callable[[], None] = lambda: None,
        progress: Callable[[str, int, int], None] = lambda *_: None, kept: Callable[[Path], None] = lambda _: None, sort: str = "",
        pens: Sequence[int] = (),
    ) -> None:  # fmt: skip
        self.body, self.policy, self.strokes, self.pen_mm, self.out = body, policy, strokes, pen_mm, out
        self.look_s, self.passes, self.pens = look_s, passes, list(pens) or [0] * len(strokes)
        self.moved, self.progress, self.kept = moved, progress, kept
        digest = hashlib.sha256(
            sort.encode() + b"".join(np.round(stroke, 4).tobytes() for stroke in strokes)
        ).hexdigest()[:16]
        self.state = self._resumed(digest)
        policy.plan(body.observe(), "draw")
        self.ink: NDArray[np.float32] = np.zeros((1, 1), np.float32)
        self.taken = 0  # the pen in hand
        self.drawn_s = 0.0  # of the first pass, the ways to and from looks left out

    @property
    def page(self) -> Matrix:
        return np.array(self.state.page) if self.state.page else sheet.laid(*self.body.page)

    def run(self) -> dict[str, float]:
        """Draw; returns how like the drawing the sheet is then (see inspect.likeness), and `missing`, the share of the line."""
        state = self.state
        if state.next == 0 and state.passes == 0:
            self.look()  # where the sheet lies
        while True:
            if state.passes:
                self._draw([np.array(gap) for gap in state.gaps], state.pens)
            else:
                self._draw(list(self.strokes), self.pens)
            result = self.look()
            gaps = {pen: missing(self._of(pen), self.ink, DOTS) for pen in sorted(set(self.pens))}
            result["missing"] = sum(length(gap) for some in gaps.values() for gap in some) / max(
                sum(map(length, self.strokes)), 1e-9
            )
            state.looks.append({"pass": state.passes, **result})
            before = [look["missing"] for look in state.looks[:-1]]
            if (
                not any(gaps.values())
                or result["missing"] < ENOUGH
                or state.passes >= self.passes
                or (before and result["missing"] > 0.9 * before[-1])
            ):
                self._save()
                return result
            state.passes, state.next = state.passes + 1, 0
            again = {pen: ordered(some, budget_s=0.3) for pen, some in gaps.items() if some}
            state.gaps = [gap.tolist() for some in again.values() for gap in some]
            state.pens = [pen for pen, some in again.items() for _ in some]

    def _of(self, pen: int) -> list[NDArray[np.float64]]:
        return [stroke for stroke, its in zip(self.strokes, self.pens, strict=True) if its == pen]

    def look(self) -> dict[str, float]:
        """Make way, find the sheet, see its ink."""
        self._go(self.policy.home(self.policy.arm.fk(self.body.rest)[:3, 3]))
        camera = self.body.cameras["over"]
        image = self.body.photograph("over")
        grey = image.astype(np.float32).mean(2) / 255
        page = sheet.found(grey, camera, camera.parent_from_cam, self.page, self.body.page)
        self.state.page = page.tolist()
        self.ink = sheet.flat(image, camera, camera.parent_from_cam, page, self.body.page, DOTS)
        return likeness(self.strokes, self.ink, DOTS, self.pen_mm)

    def _draw(self, strokes: list[NDArray[np.float64]], pens: list[int]) -> None:
        policy, state = self.policy, self.state
        policy.lay(strokes, self.page)
        since = 0.0
        plan = policy.plan(self.body.observe(), "draw")
        for k in range(len(plan.steps)):
            if k < state.next:
                plan = plan.advanced()
                continue
            self.progress(f"pass {state.passes}" if state.passes else "drawing", k, len(strokes))
            self._save()
            if self.taken != pens[k]:
                self.taken = pens[k]
                self.body.take(self.taken)
            chunk = policy.act(self.body.observe(), plan)
            self._go(chunk.actions)
            plan, state.next = plan.advanced(), k + 1
            self.drawn_s += len(chunk.actions) * chunk.dt_s * (state.passes == 0)
            since += len(chunk.actions) * chunk.dt_s
            if 0 < self.look_s < since and k + 1 < len(strokes):
                since = 0.0
                self.look()
                policy.lay(strokes, self.page)

    def _go(self, rows: NDArray[np.float32]) -> None:
        for row in rows:
            self.body.apply(Command(0.0, row))
            self.moved()

    def _resumed(self, digest: str) -> State:
        at = self.out / "progress.json"
        if at.is_file():
            try:
                state = State(**json.loads(at.read_text()))
            except (ValueError, TypeError):
                state = State()
            if state.drawing == digest:
                return state
        return State(digest)

    def _save(self) -> None:
        """Written whole or not at all, the body's own record (kept) first."""
        self.kept(self.out)
        fresh = self.out / "progress.json.new"
        fresh.write_text(json.dumps(asdict(self.state)))
        os.replace(fresh, self.out / "progress.json")
