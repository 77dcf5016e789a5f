"""The table as a Body: a robot, things, two cameras, one clock. Same seed, same rollout, bit for bit.

What a reset must undo: Bullet keeps contact points, solver impulses and motor targets from step to step. So all things
are removed, the robot's joints and motors reset, one step is taken in the empty world, and only then is the table laid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embodied import registry
from embodied.errors import UserError
from embodied.spec import BodySpec
from embodied.types import Command, Observation
from policies.symbolic import Facts, holds, remaining
from sim import randomise as dice
from sim.disturb import Mishap
from sim.eyes import Eyes
from sim.language import retell
from sim.shapes import ground_mesh
from sim.things import Things
from sim.world import FAR_AWAY, World

if TYPE_CHECKING:
    from sim.task import Episode

SUBSTEPS = 12
ROWS = 8  # past samples in each observation
TABLE = (1.30, 1.50, 0.04)  # m
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
        self.world = World(gui)
        self.robot.load(self.world)
        self._action = self.robot.action(control)
        slab = [("box", tuple(side / 2 for side in TABLE), (0.0, 0.0, 0.0), 0.0)]
        self._table = self.world.add(ground_mesh(TABLE[2] / 2), slab, (1.0, 1.0, 1.0, 1.0), friction=1.0)
        self.world.place(self._table, (0.50, 0.0, -TABLE[2] / 2))
        self._textures = [self.world.texture(image) for image in dice.patterns()]
        self.things = Things(self.world, self.robot)
        self.eyes = Eyes(self.world, self.robot, eyes, sizes)
        self._episode: Episode | None = None
        self._look = dice.plain(())
        self.eyes.set(self._look)
        self._seeds = np.random.default_rng(0)
        self.tick = 0
        self.mishap: Mishap | None = None
        self._history: dict[str, NDArray[np.float32]] = {}

    # --- Body

    @property
    def spec(self) -> BodySpec:
        return BodySpec(self.robot.registered_name, self.eyes.cameras, self.robot.states, self._action)

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
        states = {name: rows.copy() for name, rows in self._history.items()}
        images, depth = (self.eyes.pictures(part, self.lazy) for part in ("image", "depth"))
        return Observation(self.now_s, images, states, depth)

    def apply(self, command: Command) -> Command:
        """One tick (0.05 s). Returns what was aimed at after limits of range and speed."""
        values = np.asarray(command.values, np.float32)
        if values.shape != (len(self._action),) or not np.all(np.isfinite(values)):
            raise UserError(
                f"command {values.tolist()} must be {len(self._action)} finite numbers: {self._action.names}"
            )
        sent = self.robot.send(self.control, self._action.clip(values))
        for k in range(2, SUBSTEPS + 1, 2):
            self.robot.drive(k / SUBSTEPS)
            self.world.step(2)
        self.tick += 1
        self.eyes.moved()
        self.things.brake()
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
        self.things.clear()
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
        self.things.lay(episode.items, look)
        self.eyes.set(look)
        self.tick = 0
        self.mishap = None
        chance = np.random.default_rng([seed, 2])
        self.settle(2 * SUBSTEPS)
        if chance.random() < self.disturb:
            self.mishap = Mishap(chance, remaining(episode.wants, self.facts()) if episode.wants else ())
        return self.observe()

    def facts(self) -> Facts:
        """Exact positions, what is held, where the hand is."""
        _ = self.episode
        return self.things.facts()

    def success(self) -> bool:
        """Whether all wants hold; a thing that is wanted in the hand must also be off the table."""
        wanted = [want.a for want in self.episode.wants if want.relation == "held"]
        if wanted and (self.things.held() not in wanted or not all(map(self.things.free, wanted))):
            return False  # the quick answer
        facts = self.facts()
        return all(holds(want, facts) for want in self.episode.wants)

    def segmentation(self, camera: str) -> NDArray[np.int32]:
        """int32 H W: index of the item in episode.items, -1 nothing, -2 the robot."""
        return self.things.numbered(self.eyes.frame(camera).bodies)

    def frame(self, camera: str) -> NDArray[np.uint8]:
        """The picture of this tick, shared with the observation."""
        return self.eyes.frame(camera).image

    def picture(self, width: int, height: int) -> NDArray[np.uint8]:
        """The front view in any size, uint8 H W 3: the same pose, and the same horizontal and vertical opening."""
        return self.eyes.picture(width, height)

    def place(self, name: str, position: Sequence[float], yaw: float = 0.0) -> None:
        """Teleport a thing: its centre (3,) in metres, upright, at rest."""
        self.things.put(name, position, yaw)
        self.eyes.moved()

    def shift(self, name: str, by: NDArray[np.floating]) -> None:
        """Slide a thing over the table by (2,) metres."""
        self.things.shift(name, by)
        self.eyes.moved()

    def grip(self, name: str, offset: Sequence[float] = (0.0, 0.0, -0.01)) -> None:
        """Teleport a thing between the fingers and close on it. offset: its centre from the fingertips' midpoint (3,),
        m, in the hand's yaw, z up."""
        hand = self.robot.hand()
        yaw = float(np.arctan2(hand[1, 0], hand[0, 0]))
        c, s = np.cos(yaw), np.sin(yaw)
        position = hand[:3, 3] + [c * offset[0] - s * offset[1], s * offset[0] + c * offset[1], offset[2]]
        self.things.put(name, position, yaw)
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
        self.eyes.moved()
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

    def _told(self, episode: Episode, seed: int) -> Episode:
        """The episode in one of the caller's templates, when there are any for its task."""
        templates = (self.instructions or {}).get(episode.task)
        return retell(episode, templates, np.random.default_rng([seed, 4])) if templates else episode
