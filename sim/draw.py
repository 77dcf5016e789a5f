"""An arm with a pen before a sheet of paper, as a Body: joint angles at 120 Hz, an overhead camera that sees the ink.

The pen is sprung: where its tip is pressed below the sheet's surface ink flows, along the way that the simulated arm's tip really
takes. Same seed, same troubles, same drawing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embodied.control.arm import Arm, down
from embodied.draw import sheet
from embodied.errors import UserError
from embodied.geometry import Matrix, look_at
from embodied.spec import BodySpec, CameraSpec, Channels
from embodied.types import Command, Observation
from policies.draw import UP_MM
from sim.camera import pinhole
from sim.paper import Paper, Pen, Trouble
from sim.robots.panda import COLOUR
from sim.shapes import box_mesh, cylinder_mesh, ground_mesh
from sim.world import PHYSICS_HZ, Light, World

RATE_HZ = 120.0
SUBSTEPS = round(PHYSICS_HZ / RATE_HZ)
PEN_COLOUR = (0.12, 0.2, 0.55, 1.0)
PEN_M = 0.09  # from the grasp point to the tip
THICK_M = 0.002  # of the sheet, or board, that is drawn on
TRAVEL_M = 0.0015  # of the pen's spring: deeper, the paper would stop the arm
EFFORTS = [87.0] * 4 + [12.0] * 3 + [20.0] * 2  # Nm, N
GAIN = 0.9  # of the joints' error, per substep; the targets' speed is fed forward
LIGHT = Light(ambient=0.75, diffuse=0.25, specular=0.0)
DOTS = 4  # px a mm at which a camera sees ink
A4_MM = float(np.hypot(210, 297))  # from corner to corner
MARGIN_MM = 25  # round the sheet, that the overhead camera sees
REST_M = (0.30, -0.20, 0.25)  # the tip, out of the overhead camera's sight


class DrawBody:
    """page: (width, height) mm. pen_mm: the line's width. trouble: what goes wrong, seeded by reset. colours: #rrggbb of the pens,
    of which the arm holds the first until it takes another. dots: px a mm of the overhead camera."""

    def __init__(
        self, page: tuple[float, float] = (210.0, 297.0), pen_mm: float = 0.5, trouble: Trouble | None = None,
        colours: Sequence[str] = ("#000000",), dots: int = DOTS,
    ) -> None:  # fmt: skip
        if max(page) > 420:
            raise UserError(f"a page of {page[0]:g}x{page[1]:g} mm is larger than the arm reaches; take A4 or smaller")
        self.page, self.pen_mm, self.trouble, self.colours = page, pen_mm, trouble or Trouble(), colours
        self._dots = dots
        self.world = World()
        path = self.world.data / "franka_panda" / "panda.urdf"
        self.arm = Arm(path, offset_m=PEN_M)
        self._robot = self.world.load_urdf(path)
        joints, links = self.world.joints(self._robot), self.world.links(self._robot)
        self._joints = [joints[name] for name in self.arm.joints]
        self._fingers = [joints["panda_finger_joint1"], joints["panda_finger_joint2"]]
        self._tip = links["panda_grasptarget"]
        for link in [-1, *links.values()]:
            self.world.paint(self._robot, COLOUR, link=link)
        table = self.world.add(ground_mesh(0.02), [], (0.45, 0.36, 0.28, 1.0))
        self.world.place(table, (0.50, 0.0, -0.02 - THICK_M))
        self._sheet = self.world.add(box_mesh((page[1] / 1e3, page[0] / 1e3, THICK_M)), [], (1.0, 1.0, 1.0, 1.0))
        self._pen = self.world.add(cylinder_mesh(0.009, PEN_M), [], PEN_COLOUR)
        wide = 33.0 * max(0.4, float(np.hypot(*page)) / A4_MM)
        self.cameras = {
            "front": pinhole((480, 360), wide, look_at((1.02, -0.40, 0.66), (0.43, 0.0, 0.06)), depth=False),
            "over": overhead(page, dots=dots),
        }
        names = tuple(f"q{k + 1}" for k in range(len(self._joints)))
        self._channels = Channels(
            names, ("rad",) * len(names), tuple(self.arm.low.tolist()), tuple(self.arm.high.tolist()), RATE_HZ
        )
        q = self.arm.posture
        for _ in range(8):
            q = self.arm.solve(q, down(*REST_M, 0.0))
        self.rest = q
        self.reset(0)

    # --- Body

    @property
    def spec(self) -> BodySpec:
        return BodySpec("panda-pen", self.cameras, {"joints": self._channels}, self._channels)

    def reset(self, seed: int | None = None) -> Observation:
        """A fresh sheet where it belongs, the arm at rest."""
        rng = np.random.default_rng([seed or 0, 11])
        self.paper = Paper(self.page, self.colours)
        self.take(0)
        self.pen = Pen(self.pen_mm, self.trouble, rng)
        self.base_from_page = sheet.laid(*self.page)
        way = rng.uniform(0, 2 * np.pi)
        self._slip = (
            float(rng.uniform(0.1, 0.5) * self.trouble.slip_within_s),
            (self.trouble.slip_mm * np.cos(way), self.trouble.slip_mm * np.sin(way)),
            np.radians(self.trouble.slip_deg) * rng.choice([-1.0, 1.0]),
        )
        self._put_sheet()
        for joint, angle in zip(self._joints, self.rest, strict=True):
            self.world.set_joint(self._robot, joint, float(angle))
        for finger in self._fingers:
            self.world.set_joint(self._robot, finger, 0.004)
        self._q = self.rest.copy()
        self.ticks = self._kept = 0
        self._last: NDArray[np.float64] | None = None
        self.way: list[NDArray[np.float64]] = []  # page mm and height of the tip at every substep; privileged
        return self.observe()

    def observe(self) -> Observation:
        """Joint angles only: pictures are asked for with `photograph`, they cost most of a second."""
        angles, _ = self.world.joint_states(self._robot, self._joints)
        return Observation(self.now_s, {}, {"joints": np.array([angles], np.float32)})

    @property
    def now_s(self) -> float:
        return self.ticks / RATE_HZ

    def apply(self, command: Command) -> Command:
        """One tick: the joints go straight to these angles (7,) rad within their speed limits."""
        values = np.asarray(command.values, float)
        if values.shape != (len(self._joints),) or not np.isfinite(values).all():
            raise UserError(f"command {values.tolist()} must be {len(self._joints)} finite joint angles, rad")
        most = self.arm.speed / RATE_HZ
        target = np.clip(self._channels.clip(values), self._q - most, self._q + most)
        speed = (target - self._q) * RATE_HZ
        for k in range(1, SUBSTEPS + 1):
            aim = self._q + (target - self._q) * (k / SUBSTEPS)
            self.world.drive(
                self._robot, [*self._joints, *self._fingers], [*aim.tolist(), 0.004, 0.004], EFFORTS, GAIN,
                [*speed.tolist(), 0.0, 0.0],
            )  # fmt: skip
            self.world.step()
            self._ink()
        self._q = target
        self.ticks += 1
        if self._slip[0] <= self.now_s and (self.trouble.slip_mm or self.trouble.slip_deg):
            _when, by, turn = self._slip
            self.base_from_page = sheet.moved(self.base_from_page, self.page, by, turn)
            self._slip = (np.inf, by, turn)
            self._put_sheet()
        return Command(command.t_s, target.astype(np.float32))

    def take(self, pen: int) -> None:
        """Hold another pen; exchanging them takes no time here."""
        self._taken = pen
        code = self.colours[pen]
        colour = PEN_COLOUR if code == "#000000" else (*(int(code[k : k + 2], 16) / 255 for k in (1, 3, 5)), 1.0)
        self.world.paint(self._pen, colour)

    def close(self) -> None:
        self.world.close()

    # --- what lasts when the program is stopped

    def keep(self, out: Path) -> None:
        """Write down the sheet and its ink: new ink is added to a file, then sheet.json says how much of that counts."""
        lines = self.paper.stretches
        with (out / "sheet.ink").open("r+b" if self._kept else "wb") as file:
            file.seek(self._kept * 48)  # six float64 a stretch
            file.write(np.array(lines[self._kept :], "<f8").tobytes())
        self._kept = len(lines)
        slipped = not np.isfinite(self._slip[0])
        said = {"stretches": self._kept, "page": self.base_from_page.tolist(), "ticks": self.ticks, "slipped": slipped}
        (out / "sheet.json.new").write_text(json.dumps(said))
        os.replace(out / "sheet.json.new", out / "sheet.json")

    def resume(self, out: Path) -> None:
        """Lay the sheet that was kept, if one was."""
        at = out / "sheet.json"
        if not at.is_file():
            return
        try:
            kept = json.loads(at.read_text())
            ink = np.fromfile(out / "sheet.ink", "<f8", 6 * int(kept["stretches"])).reshape(-1, 6)
            page, ticks, slipped = np.array(kept["page"], float), int(kept["ticks"]), bool(kept["slipped"])
            whole = len(ink) == kept["stretches"] and page.shape == (4, 4)
        except (ValueError, OSError, KeyError, TypeError):
            whole = False
        if not whole:
            raise UserError(f"{at} or sheet.ink beside it is damaged; delete both, and progress.json, to begin anew")
        self.paper = Paper(self.page, self.colours)
        self.paper.stretches = [(a, b, c, d, w, pen) for a, b, c, d, w, pen in ink.tolist()]
        self._kept, self.base_from_page, self.ticks = len(ink), page, ticks
        if slipped:
            self._slip = (np.inf, *self._slip[1:])
        self._put_sheet()

    def forget(self, out: Path) -> None:
        for name in ("sheet.json", "sheet.ink"):
            (out / name).unlink(missing_ok=True)

    # --- pictures

    def photograph(self, camera: str = "over") -> NDArray[np.uint8]:
        """What the camera sees, uint8 H W 3, the ink on the sheet with it."""
        spec = self.cameras[camera]
        tip = self.world.link_pose(self._robot, self._tip)
        self.world.place(self._pen, (tip[:3, 3] + tip[:3, 2] * (PEN_M / 2)).tolist())
        frame = self.world.look(spec, spec.parent_from_cam, LIGHT)
        image = frame.image.copy()
        rows, cols = np.nonzero(frame.bodies == self._sheet)
        if len(rows):
            at = np.stack([cols + 0.5, rows + 0.5], 1)
            points = sheet.on_plane(spec, spec.parent_from_cam, at, float(self.base_from_page[2, 3]))
            x, y = sheet.on_page(self.base_from_page, points)[:, :2].T
            dots = self._dots if camera == "over" else 2  # about a pixel's size, so that thin lines do not flicker
            ink = self.paper.ink(dots)
            inside = (x >= 0) & (x < self.page[0]) & (y >= 0) & (y < self.page[1])
            u, v = (x * dots).astype(np.float32), (y * dots).astype(np.float32)
            dark = np.stack([sheet.sample(ink[..., k], u.copy(), v.copy()) for k in range(ink.shape[2])], 1)
            image[rows, cols] = (image[rows, cols] * (1 - 0.9 * np.where(inside[:, None], dark, 0))).astype(np.uint8)
        return image

    # --- inside

    def tip(self) -> NDArray[np.float64]:
        """The pen's tip (3,) m; privileged."""
        pose = self.world.link_pose(self._robot, self._tip)
        return pose[:3, 3] + pose[:3, 2] * PEN_M

    def _ink(self) -> None:
        at = sheet.on_page(self.base_from_page, self.tip()[None])[0]
        self.way.append(at)
        x, y, above = at
        pressed = -TRAVEL_M * 1e3 < above < 0 and 0 <= x < self.page[0] and 0 <= y < self.page[1]
        if pressed and self._last is not None:
            width = self.pen.moved(float(np.hypot(*(at[:2] - self._last[:2]))))
            if width > 0:
                self.paper.add(self._last, at, width, self._taken)
        self._last = at if pressed else None

    def _put_sheet(self) -> None:
        middle = sheet.on_base(self.base_from_page, np.array([self.page]) / 2)[0]
        across = self.base_from_page[:3, 1]
        yaw = np.arctan2(across[1], across[0])
        self.world.place(
            self._sheet, (middle[0], middle[1], middle[2] - THICK_M / 2), (0, 0, np.sin(yaw / 2), np.cos(yaw / 2))
        )


def home(body: DrawBody) -> tuple[float, float, float]:
    """Where the resting tip is, page mm and mm above the raised pen."""
    x, y, above = sheet.on_page(body.base_from_page, body.arm.fk(body.rest)[None, :3, 3])[0]
    return float(x), float(y), float(above) - UP_MM


def overhead(
    page: tuple[float, float], height_m: float = 0.75, middle: tuple[float, float] = (0.45, 0.0), dots: int = DOTS
) -> CameraSpec:
    """A calibrated camera above the sheet's place that sees it with MARGIN_MM to spare all round, at `dots` px a mm."""
    width, height = (round((side + 2 * MARGIN_MM) * dots) for side in page)
    focal = dots * height_m * 1e3
    base_from_cam: Matrix = np.eye(4)
    base_from_cam[:3, :3] = np.array([[0, 1, 0], [1, 0, 0], [0, 0, -1]])
    base_from_cam[:3, 3] = (*middle, height_m)
    return CameraSpec(width, height, focal, focal, width / 2, height / 2, base_from_cam)
