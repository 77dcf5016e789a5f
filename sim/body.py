"""The table as a Body: a robot, things, two cameras, one clock. Same seed, same rollout, bit for bit.

What a reset must undo: Bullet keeps contact points, solver impulses and motor targets from step to step. So all things
are removed, the robot's joints and motors reset, one step is taken in the empty world, and only then is the table laid.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embodied import registry
from embodied.errors import UserError
from embodied.geometry import Matrix, inverse, wrap
from embodied.spec import BodySpec, CameraSpec
from embodied.types import Command, Observation
from policies.symbolic import Facts, Thing, holds, remaining
from sim import randomise as dice
from sim.camera import SIZES, cameras, front
from sim.disturb import Mishap
from sim.language import retell
from sim.shapes import ground_mesh, hulls_of, mesh_of
from sim.world import FAR_AWAY, Frame, World

if TYPE_CHECKING:
    from sim.task import Episode

SUBSTEPS = 12
ROWS = 8  # past samples in each observation
TABLE = (1.30, 1.50, 0.04)  # m
STEP_TICKS = 70  # about one step of a plan
TRAIN_SEEDS = 10_000_000  # training uses seeds below, evaluation seeds from here on


class SimBody:
    """A tabletop episode behind embodied.protocols.Body.

    task, robot: registered names.  split: which episodes are drawn (sim/task.py).  control: "ee" or "joint".
    disturb: probability of one mishap in an episode.  randomise: draw colours, light, camera pose, table, friction, mass.
    instructions: task name -> templates that replace the task's own sentences (placeholders as in sim/language.py).
    eyes: the cameras there are.  sizes: camera -> pixels (width, height).
    lazy: pictures of an observation are made when first looked at, which must be before the next `apply`; for callers
    that rarely look.  seg: sim.env adds segmentation pictures.  gui: show Bullet's window.

    Facts, goal, success, segmentation, place, grip, settle and go_home are privileged: for tests, experts and labels.
    """

    def __init__(
        self,
        task: str = "pick",
        robot: str = "panda",
        split: str = "train",
        control: str = "ee",
        disturb: float = 0.0,
        seg: bool = False,
        randomise: bool = True,
        instructions: Mapping[str, Sequence[str]] | None = None,
        gui: bool = False,
        eyes: tuple[str, ...] = ("front", "wrist"),
        sizes: Mapping[str, tuple[int, int]] | None = None,
        lazy: bool = False,
    ) -> None:
        if not 0.0 <= disturb <= 1.0:
            raise UserError(f"disturb is a probability, got {disturb}; give a number from 0 to 1")
        self.task: Any = registry.build("task", task)
        self.robot: Any = registry.build("robot", robot)
        self.split, self.control, self.disturb, self.seg = split, control, disturb, seg
        self.randomise, self.instructions, self.lazy = randomise, instructions, lazy
        self._sizes = {**SIZES, **(sizes or {})}
        self._cameras = cameras(eyes, self._sizes)
        self.world = World(gui)
        self.robot.load(self.world)
        self._action = self.robot.action(control)
        slab = [("box", tuple(side / 2 for side in TABLE), (0.0, 0.0, 0.0), 0.0)]
        self._table = self.world.add(ground_mesh(TABLE[2] / 2), slab, (1.0, 1.0, 1.0, 1.0), friction=1.0)
        self.world.place(self._table, (0.50, 0.0, -TABLE[2] / 2))
        self._textures = [self.world.texture(image) for image in dice.patterns()]
        self._bodies: dict[str, int] = {}
        self._rolling: set[int] = set()
        self._episode: Episode | None = None
        self._look = dice.plain(())
        self._seeds = np.random.default_rng(0)
        self.tick = 0
        self.mishap: Mishap | None = None
        self._version = 0
        self._frames: dict[str, tuple[int, Frame]] = {}
        self._history: dict[str, NDArray[np.float32]] = {}
        self._spec = self._make_spec()

    # --- Body

    @property
    def spec(self) -> BodySpec:
        return self._spec

    def reset(self, seed: int | None = None) -> Observation:
        """A new episode. The seed decides all of it; without one, the next seed of the last seed's series."""
        if seed is None:
            first = 0 if self.split == "train" else TRAIN_SEEDS
            seed = int(self._seeds.integers(first, first + TRAIN_SEEDS))
        else:
            self._seeds = np.random.default_rng([seed, 3])
        return self.load(self.task.sample(np.random.default_rng(seed), self.split), seed)

    @property
    def now_s(self) -> float:
        """Seconds of simulated time since the reset."""
        return self.tick / self._action.rate_hz

    def observe(self) -> Observation:
        names = list(self._cameras)
        states = {name: rows.copy() for name, rows in self._history.items()}
        now = self.now_s
        if self.lazy:
            images: Any = _Unlooked(self, names, "image")
            return Observation(now, images, states, _Unlooked(self, names, "depth"))
        frames = {name: self._frame(name) for name in names}
        return Observation(
            now, {n: f.image for n, f in frames.items()}, states, {n: f.depth for n, f in frames.items()}
        )

    def apply(self, command: Command) -> Command:
        """One tick (0.05 s). Returns what was aimed at after limits of range and speed."""
        values = np.asarray(command.values, np.float32)
        if values.shape != (len(self._action),) or not np.all(np.isfinite(values)):
            raise UserError(f"command {values.tolist()} must be {len(self._action)} finite numbers: {self._action.names}")
        sent = self.robot.send(self.control, self._action.clip(values))
        for k in range(2, SUBSTEPS + 1, 2):
            self.robot.drive(k / SUBSTEPS)
            self.world.step(2)
        self.tick += 1
        self._version += 1
        self._brake()
        if self.mishap:
            self.mishap.tick(self)
        for name, row in self.robot.sense().items():
            rows = self._history[name]
            rows[:-1] = rows[1:]
            rows[-1] = row
        return Command(command.t_s, sent)

    def close(self) -> None:
        self.world.close()

    # --- privileged

    @property
    def episode(self) -> Episode:
        if self._episode is None:
            raise UserError("there is no episode yet; call reset(seed) first")
        return self._episode

    @property
    def goal(self) -> str:
        """The sentence."""
        return self.episode.goal

    @property
    def look(self) -> dice.Look:
        """What randomisation drew."""
        return self._look

    def load(self, episode: Episode, seed: int = 0) -> Observation:
        """Lay the table for this episode; the seed decides looks and mishap."""
        for body in reversed(self._bodies.values()):  # the reverse order leaves Bullet's lists as they were
            self.world.remove(body)
        self._bodies = {}
        self._rolling = set()
        self.world.place(self._table, FAR_AWAY)
        self.robot.reset()
        self.world.step()
        self.robot.reset()
        self.world.place(self._table, (0.50, 0.0, -TABLE[2] / 2))
        self._episode = episode = self._told(episode, seed)
        colours = [item.colour for item in episode.items]
        rng = np.random.default_rng([seed, 1])
        self._look = look = dice.draw(colours, rng, len(self._textures)) if self.randomise else dice.plain(colours)
        self.world.paint(self._table, (*look.ground, 1.0), self._textures[look.texture] if look.texture >= 0 else -1)
        for k, item in enumerate(episode.items):
            movable = item.shape not in ("bowl", "zone")
            self._bodies[item.name] = self.world.add(
                mesh_of(item.shape, item.size),
                hulls_of(item.shape, item.size),
                (*look.colours[k], 1.0),
                look.masses[k] if movable else 0.0,
                look.frictions[k],
            )
            self._put(item.name, item.position, item.yaw)
        self.tick = 0
        self.mishap = None
        chance = np.random.default_rng([seed, 2])
        self._spec = self._make_spec()
        self.settle(2 * SUBSTEPS)
        if chance.random() < self.disturb:
            steps = len(remaining(episode.wants, self.facts())) if episode.wants else 1
            self.mishap = Mishap(chance, 15, 15 + STEP_TICKS * max(1, steps))
        return self.observe()

    def facts(self) -> Facts:
        """Exact positions, what is held, where the hand is."""
        things = {item.name: self._thing(k) for k, item in enumerate(self.episode.items)}
        return Facts(things, self._held(), self.robot.hand()[:3, 3])

    def success(self) -> bool:
        """Whether all wants hold; a thing that is wanted in the hand must also be off the table."""
        wanted = [want.a for want in self.episode.wants if want.relation == "held"]
        if wanted and (self._held() not in wanted or not all(map(self._free, wanted))):
            return False  # the quick answer
        facts = self.facts()
        return all(holds(want, facts) for want in self.episode.wants)

    def segmentation(self, camera: str) -> NDArray[np.int32]:
        """int32 H W: index of the item in episode.items, -1 nothing, -2 the robot."""
        seen = self._frame(camera).bodies
        table = np.full(max([self.robot.body, *self._bodies.values(), int(seen.max())]) + 2, -1, np.int32)
        table[self.robot.body] = -2
        for k, body in enumerate(self._bodies.values()):
            table[body] = k
        return table[seen]  # body -1 (background) reads the last entry, which is -1

    def frame(self, camera: str) -> NDArray[np.uint8]:
        """The picture of this tick, shared with the observation."""
        return self._frame(camera).image

    def picture(self, width: int, height: int) -> NDArray[np.uint8]:
        """The front view in any size, uint8 H W 3: the same pose, and the same horizontal and vertical opening."""
        spec = self._spec.cameras.get("front") or front()
        kx, ky = width / spec.width, height / spec.height
        large = replace(
            spec, width=width, height=height, fx=spec.fx * kx, fy=spec.fy * ky, cx=spec.cx * kx, cy=spec.cy * ky
        )
        return self.world.look(large, spec.parent_from_cam, self._look.light).image

    def place(self, name: str, position: Sequence[float], yaw: float = 0.0) -> None:
        """Teleport a thing: its centre (3,) in metres, upright, at rest."""
        self._put(name, position, yaw)
        self._version += 1

    def shift(self, name: str, by: NDArray[np.floating]) -> None:
        """Slide a thing over the table by (2,) metres."""
        here = self.world.where(self._bodies[name])
        position = here[:3, 3] + [by[0], by[1], 0.0]
        self.world.place(self._bodies[name], position.tolist(), _quaternion(here))
        self._version += 1

    def grip(self, name: str, offset: Sequence[float] = (0.0, 0.0, -0.01)) -> None:
        """Teleport a thing between the fingers and close on it. offset: its centre from the fingertips' midpoint (3,),
        m, in the hand's yaw, z up."""
        hand = self.robot.hand()
        yaw = float(np.arctan2(hand[1, 0], hand[0, 0]))
        c, s = np.cos(yaw), np.sin(yaw)
        position = hand[:3, 3] + [c * offset[0] - s * offset[1], s * offset[0] + c * offset[1], offset[2]]
        self._put(name, position, yaw)
        width = next(item.size[1] for item in self.episode.items if item.name == name)
        self.robot.open_to(width)
        values = self._history["arm"][-1] if self.control == "ee" else self._history["joints"][-1]
        values = np.append(values[: len(self._action) - 1], width - 0.01)
        self.robot.send(self.control, self._action.clip(values))
        self.settle(SUBSTEPS)

    def settle(self, substeps: int) -> None:
        """Let physics run with the robot holding still; the tick does not count, the past is forgotten."""
        for _ in range(substeps):
            self.robot.drive(1.0)
            self.world.step()
        self._version += 1
        self._history = {name: np.repeat(row[None], ROWS, axis=0) for name, row in self.robot.sense().items()}

    def go_home(self) -> None:
        """The robot at its look pose at once, hand open."""
        self.robot.reset()
        self.settle(1)

    def hover(self, x: float, y: float, z: float, yaw: float = 0.0, width: float = 0.08) -> None:
        """The hand at once at this pose (base frame, m, rad), open to `width`."""
        self.robot.reset((x, y, z, yaw), width)
        self.settle(1)

    # --- inside

    def _make_spec(self) -> BodySpec:
        made = dict(self._cameras)
        if "front" in made:
            made["front"] = front(self._sizes["front"], self._look.eye, self._look.target)
        return BodySpec(self.robot.registered_name, made, self.robot.states, self._action)

    def _told(self, episode: Episode, seed: int) -> Episode:
        """The episode in one of the caller's templates, when there are any for its task."""
        templates = (self.instructions or {}).get(episode.task)
        return retell(episode, templates, np.random.default_rng([seed, 4])) if templates else episode

    def _put(self, name: str, position: Sequence[float], yaw: float) -> None:
        self.world.place(self._bodies[name], [float(p) for p in position], (0.0, 0.0, np.sin(yaw / 2), np.cos(yaw / 2)))

    def _frame(self, camera: str) -> Frame:
        if camera not in self._cameras:
            raise UserError(f"no camera {camera!r}; this body has {', '.join(self._cameras) or 'none'}")
        known = self._frames.get(camera)
        if known is None or known[0] != self._version:
            spec: CameraSpec = self._spec.cameras[camera]
            base_from_cam: Matrix = spec.parent_from_cam
            if spec.parent == "hand":
                base_from_cam = self.robot.hand() @ base_from_cam
            known = (self._version, self.world.look(spec, base_from_cam, self._look.light))
            self._frames[camera] = known
        return known[1]

    def _thing(self, k: int) -> Thing:
        """The item as it lies: a tipped one gets the extents and yaw of the side that is up now."""
        item = self.episode.items[k]
        here = self.world.where(self._bodies[item.name])
        up = int(np.argmax(np.abs(here[2, :3])))
        if up == 2:
            size, along = item.size, 0
        else:
            side = 1 if up == 0 else 0
            size, along = (item.size[2], item.size[side], item.size[up]), 2
        yaw = wrap(float(np.arctan2(here[1, along], here[0, along])))
        return Thing(item.name, item.shape, here[:3, 3].copy(), yaw, (size[0], size[1], size[2]))

    def _held(self) -> str:
        """The thing that both fingers press and that fills the place between their tips. (Bullet's contact normals are
        no test: they stay behind when the hand turns with what it holds.)"""
        names = {body: k for k, body in enumerate(self._bodies.values())}
        press = {finger: dict[int, float]() for finger in self.robot.fingers}
        for contact in self.world.contacts(self.robot.body):
            if contact.other in names and contact.link in press:
                on = press[contact.link]
                on[contact.other] = on.get(contact.other, 0.0) + contact.force
        left, right = press.values()
        for body in left:
            if min(left[body], right.get(body, 0.0)) > 1.0:
                inside = inverse(self.world.where(body)) @ self.robot.hand()[:, 3]
                item = self.episode.items[names[body]]
                if np.all(np.abs(inside[:3]) < np.array(item.size) / 2 + 0.008):
                    return item.name
        return ""

    def _brake(self) -> None:
        """A cylinder on its side gets rolling friction, or it would roll off the table."""
        for item in self.episode.items:
            if item.shape == "cylinder":
                body = self._bodies[item.name]
                tipped = abs(self.world.up(body)) < 0.7
                if tipped != (body in self._rolling):
                    self.world.roll_friction(body, 0.003 if tipped else 0.0)
                    (self._rolling.add if tipped else self._rolling.discard)(body)

    def _free(self, name: str) -> bool:
        """Whether the thing touches nothing but the robot."""
        return all(c.other == self.robot.body for c in self.world.contacts(self._bodies[name]))


class _Unlooked(Mapping[str, Any]):
    """Pictures of one tick, each made when first looked at."""

    def __init__(self, body: SimBody, names: list[str], part: str) -> None:
        self._body, self._names, self._part = body, names, part
        self._version, self._seen = body._version, dict[str, Any]()

    def __getitem__(self, name: str) -> Any:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._seen:
            if self._version != self._body._version:
                raise UserError(f"camera {name!r} was looked at after the world had moved on; use SimBody(lazy=False)")
            self._seen[name] = getattr(self._body._frame(name), self._part)
        return self._seen[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _quaternion(base_from_body: Matrix) -> tuple[float, float, float, float]:
    """x y z w of a rotation, by its largest component."""
    r = base_from_body[:3, :3]
    w, x, y, z = 1 + np.trace(r), 1 + r[0, 0] - r[1, 1] - r[2, 2], 1 - r[0, 0] + r[1, 1] - r[2, 2], 1 - r[0, 0] - r[1, 1] + r[2, 2]
    best = int(np.argmax([w, x, y, z]))
    rows = (
        (r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1], w),
        (x, r[1, 0] + r[0, 1], r[0, 2] + r[2, 0], r[2, 1] - r[1, 2]),
        (r[1, 0] + r[0, 1], y, r[2, 1] + r[1, 2], r[0, 2] - r[2, 0]),
        (r[0, 2] + r[2, 0], r[2, 1] + r[1, 2], z, r[1, 0] - r[0, 1]),
    )[best]
    q = np.array(rows) / np.linalg.norm(rows)
    return float(q[0]), float(q[1]), float(q[2]), float(q[3])
