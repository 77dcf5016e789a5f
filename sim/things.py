"""The things of one episode as bodies of a world: laid, moved, found again as exact facts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from embodied.geometry import inverse, wrap
from policies.symbolic import Facts, Thing
from sim.randomise import Look
from sim.robots import Robot
from sim.scene import Item
from sim.shapes import hulls_of, mesh_of
from sim.world import World


class Things:
    """Bodies in the order of the items. Nothing here is for a learned policy."""

    def __init__(self, world: World, robot: Robot) -> None:
        self.world, self.robot = world, robot
        self.items: tuple[Item, ...] = ()
        self.bodies: dict[str, int] = {}
        self._rolling: set[int] = set()

    def clear(self) -> None:
        """Remove all, in the reverse order: this leaves Bullet's lists as they were."""
        for body in reversed(self.bodies.values()):
            self.world.remove(body)
        self.items, self.bodies, self._rolling = (), {}, set()

    def lay(self, items: tuple[Item, ...], look: Look) -> None:
        """Make and place all, as the items and their look say."""
        self.items = items
        for k, item in enumerate(items):
            self.bodies[item.name] = self.world.add(
                mesh_of(item.shape, item.size),
                hulls_of(item.shape, item.size),
                (*look.colours[k], 1.0),
                look.masses[k] if item.movable else 0.0,
                look.frictions[k],
            )
            self.put(item.name, item.position, item.yaw)

    def put(self, name: str, position: Sequence[float], yaw: float) -> None:
        turn = (0.0, 0.0, float(np.sin(yaw / 2)), float(np.cos(yaw / 2)))
        self.world.place(self.bodies[name], [float(p) for p in position], turn)

    def shift(self, name: str, by: NDArray[np.floating]) -> None:
        """Slide a thing over the table by (2,) metres."""
        self.world.shift(self.bodies[name], (float(by[0]), float(by[1]), 0.0))

    def thing(self, k: int) -> Thing:
        """The item as it lies: a tipped one gets the extents and yaw of the side that is up now."""
        item = self.items[k]
        here = self.world.where(self.bodies[item.name])
        up = int(np.argmax(np.abs(here[2, :3])))
        if up == 2:
            size, along = item.size, 0
        else:
            side = 1 if up == 0 else 0
            size, along = (item.size[2], item.size[side], item.size[up]), 2
        yaw = wrap(float(np.arctan2(here[1, along], here[0, along])))
        return Thing(item.name, item.shape, here[:3, 3].copy(), yaw, (size[0], size[1], size[2]))

    def facts(self) -> Facts:
        """Exact positions, what is held, where the hand is."""
        things = {item.name: self.thing(k) for k, item in enumerate(self.items)}
        return Facts(things, self.held(), self.robot.hand()[:3, 3])

    def held(self) -> str:
        """The thing that both fingers press and that fills the place between their tips, or "". (Bullet's contact
        normals are no test: they stay behind when the hand turns with what it holds.)"""
        names = {body: k for k, body in enumerate(self.bodies.values())}
        press = {finger: dict[int, float]() for finger in self.robot.fingers}
        for contact in self.world.contacts(self.robot.body):
            if contact.other in names and contact.link in press:
                on = press[contact.link]
                on[contact.other] = on.get(contact.other, 0.0) + contact.force
        left, right = press.values()
        for body in left:
            if min(left[body], right.get(body, 0.0)) > 1.0:
                inside = inverse(self.world.where(body)) @ self.robot.hand()[:, 3]
                item = self.items[names[body]]
                if np.all(np.abs(inside[:3]) < np.array(item.size) / 2 + 0.008):
                    return item.name
        return ""

    def free(self, name: str) -> bool:
        """Whether the thing touches nothing but the robot."""
        return all(c.other == self.robot.body for c in self.world.contacts(self.bodies[name]))

    def brake(self) -> None:
        """After each tick: a cylinder on its side has rolling friction, or it would roll off the table."""
        for item in self.items:
            if item.shape == "cylinder":
                body = self.bodies[item.name]
                tipped = abs(self.world.up(body)) < 0.7
                if tipped != (body in self._rolling):
                    self.world.roll_friction(body, 0.003 if tipped else 0.0)
                    (self._rolling.add if tipped else self._rolling.discard)(body)

    def numbered(self, seen: NDArray[np.int32]) -> NDArray[np.int32]:
        """Picture of body ids -> picture of item indices, -1 nothing, -2 the robot."""
        table = np.full(max([self.robot.body, *self.bodies.values(), int(seen.max())]) + 2, -1, np.int32)
        table[self.robot.body] = -2
        for k, body in enumerate(self.bodies.values()):
            table[body] = k
        return table[seen]  # body -1 (background) reads the last entry, which is -1
