"""Franka Panda with its parallel gripper: joint and end-effector control at 20 Hz, limits of speed and force respected."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from embodied.control.arm import Arm, down
from embodied.control.servo import Servo, towards
from embodied.errors import UserError
from embodied.geometry import Matrix
from embodied.registry import register
from embodied.spec import Channels
from sim.world import World

RATE_HZ = 20.0
LOOK = (0.30, 0.0, 0.40, 0.0, 0.08)  # x y z yaw width: out of the front camera's sight
WIDTH_M = 0.08
FINGER_SPEED = 0.2  # m/s of the opening, the real hand's fastest
COLOUR = (0.36, 0.38, 0.42, 1.0)
_GAIN = 0.35  # of the error, per substep; the target moves within the tick, so the arm follows without jerks


@register("robot", "panda")
class Panda:
    """hand_speed: m/s. turn_speed: rad/s of the yaw. grip_force: newtons of each finger. finger_friction: of the pads."""

    def __init__(
        self,
        hand_speed: float = 0.6,
        turn_speed: float = 2.5,
        grip_force: float = 20.0,
        finger_friction: float = 2.0,
    ) -> None:
        self._speeds = hand_speed, turn_speed
        self.grip_force, self.finger_friction = grip_force, finger_friction
        self.body = -1
        self.fingers = (-1, -1)
        self.slack_m = 0.0

    def load(self, world: World) -> None:
        self.world = world
        path = world.data / "franka_panda" / "panda.urdf"
        self.arm = Arm(path)
        self._servo = Servo(self.arm, RATE_HZ, *self._speeds)
        self.body = world.load_urdf(path)
        joints, links = world.joints(self.body), world.links(self.body)
        self._joints = [joints[name] for name in self.arm.joints]
        self._slides = [joints["panda_finger_joint1"], joints["panda_finger_joint2"]]
        self._tip = links["panda_grasptarget"]
        self.fingers = (links["panda_leftfinger"], links["panda_rightfinger"])
        for link in [-1, *links.values()]:
            world.paint(self.body, COLOUR, link=link)
        for finger in self.fingers:
            world.friction(self.body, self.finger_friction, finger, spinning=0.1)
        world.limit_speed(self.body, float(self.arm.speed.max()))
        world.mirror(self.body, *self._slides, force=50.0)
        self._motors = [*self._joints, *self._slides]
        self._efforts = [87.0] * 4 + [12.0] * 3 + [self.grip_force] * 2  # Nm, N
        n = len(self._joints)
        q_names = tuple(f"q{k + 1}" for k in range(n))
        q_low, q_high = tuple(self.arm.low.tolist()), tuple(self.arm.high.tolist())
        self._joint_action = Channels(
            (*q_names, "width"), ("rad",) * n + ("m",), (*q_low, 0.0), (*q_high, WIDTH_M), RATE_HZ
        )
        self._ee_action = Channels(
            ("x", "y", "z", "yaw", "width"),
            ("m", "m", "m", "rad", "m"),
            (0.25, -0.45, 0.008, -np.pi / 2, 0.0),
            (0.76, 0.45, 0.60, np.pi / 2, WIDTH_M),
            RATE_HZ,
        )
        self.states = {
            "arm": Channels(
                ("x", "y", "z", "yaw", "width", "force"),
                ("m", "m", "m", "rad", "m", "N"),
                (*self._ee_action.low, 0.0),
                (*self._ee_action.high, 40.0),
                RATE_HZ,
            ),
            "joints": Channels(q_names, ("rad",) * n, q_low, q_high, RATE_HZ),
        }
        q = np.array([0.0, -0.84, 0.0, -2.6, 0.0, 1.76, 0.785])
        for _ in range(5):
            q = self.arm.solve(q, down(*LOOK[:4]))
        self._home = q
        self.reset()

    def action(self, control: str) -> Channels:
        if control not in ("ee", "joint"):
            raise UserError(f"no control {control!r}; choose from ee, joint")
        return self._ee_action if control == "ee" else self._joint_action

    def reset(self, at: tuple[float, float, float, float] = LOOK[:4], width: float = LOOK[4]) -> None:
        """The arm at once at rest at x y z yaw with the hand open to `width`."""
        q = self._home.copy()
        for _ in range(0 if at == LOOK[:4] else 12):
            q = self.arm.solve(q, down(*at))
        for joint, angle in zip(self._joints, q, strict=True):
            self.world.set_joint(self.body, joint, float(angle))
        self._from = q
        self._servo.start(q, (float(at[0]), float(at[1]), float(at[2]), float(at[3])))
        self.slack_m = 0.0
        self.open_to(width)

    def open_to(self, width_m: float) -> None:
        for slide in self._slides:
            self.world.set_joint(self.body, slide, width_m / 2)
        self._width_from = self._width_to = width_m

    def send(self, control: str, values: NDArray[np.float32]) -> NDArray[np.float32]:
        *wanted, width = values.tolist()  # plain floats: this runs at every tick, numpy on scalars would cost more
        self._from, self._width_from = self._servo.q, self._width_to
        self._width_to = min(WIDTH_M, max(0.0, towards(self._width_to, width, FINGER_SPEED / RATE_HZ)))
        if control == "joint":
            return np.append(self._servo.turn(wanted), self._width_to).astype(np.float32)
        self._servo.follow(*wanted)
        return np.array((*self._servo.aim, self._width_to), np.float32)

    def drive(self, part: float) -> None:
        q = [a + part * (b - a) for a, b in zip(self._from.tolist(), self._servo.q.tolist(), strict=True)]
        width = min(WIDTH_M, self._width_from + part * (self._width_to - self._width_from) + self.slack_m)
        self.world.drive(
            self.body,
            self._motors,
            [*q, width / 2, width / 2],
            self._efforts,
            _GAIN,
        )

    def sense(self) -> dict[str, NDArray[np.float32]]:
        angles, forces = self.world.joint_states(self.body, self._motors)
        n = len(self._joints)
        q = np.array(angles[:n])
        closing = (max(0.0, -forces[n]) + max(0.0, -forces[n + 1])) / 2
        arm = (*self._servo.aim_of(q), angles[n] + angles[n + 1], closing)
        return {"arm": np.array(arm, np.float32), "joints": q.astype(np.float32)}

    def hand(self) -> Matrix:
        return self.world.link_pose(self.body, self._tip)
