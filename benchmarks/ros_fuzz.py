"""Random messages on every input of gate, controller and simulator, among good ones: nothing may crash, nothing unsafe be sent."""

from __future__ import annotations

import json
import random
import subprocess
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped
from ros_faults import blind
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Bool, Empty, String
from trajectory_msgs.msg import JointTrajectory

from ros_nodes import start, wire
from ros_nodes.fake import Bench
from ros_nodes.process import LATCHED, NEWEST, RELIABLE
from ros_nodes.robots import robot

NUMBERS = (0.0, 1.0, -1.0, float("nan"), float("inf"), -float("inf"), 1e300, -1e9, 1e-310)
WORDS = (
    "",
    "{",
    "null",
    "[1]",
    '{"fault": 3}',
    '{"state": []}',
    "pick the red block",
    "\x00",
    "ä" * 999,
    "x" * 9999,
    "wave",
    "hang",
)


class Chance:
    """Random parts of messages."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.random, self.all = random.Random(0), names

    def some(self, n: int) -> np.ndarray:
        rng = self.random
        return np.array([rng.choice(NUMBERS) if rng.random() < 0.3 else rng.uniform(-4, 4) for _ in range(n)])

    def names(self) -> list[str]:
        rng = self.random
        out = list(self.all) if rng.random() < 0.6 else rng.sample(self.all, rng.randint(0, 8))
        return [*out, *(["", "elbow", "x" * 1000][: rng.randint(0, 3)] if rng.random() < 0.2 else [])]

    def when(self) -> float:
        return max(0.0, time.time() + self.random.choice([0, 0, 0, -0.1, -9, 9, -1e6]))

    def states(self, bench: Bench) -> Any:
        names = self.names()
        message = bench.state(
            names, self.some(self.random.choice([len(names), self.random.randint(0, 9)])), self.when()
        )
        message.effort = self.some(self.random.choice([0, len(names), 3])).tolist()
        return message

    def trajectory(self) -> JointTrajectory:
        rng, names = self.random, self.names()
        count, width = rng.randint(0, 4), rng.choice([len(names), len(names), rng.randint(0, 9)])
        message = wire.trajectory_message(names, np.zeros(count), np.zeros((count, width)), self.when())
        for point in message.points:
            point.positions = self.some(width).tolist()
            point.time_from_start = wire.duration(rng.choice([0.0, 0.05, 0.1, -1.0, 1e5]))
        return message

    def image(self) -> Image:
        rng = self.random
        height, width = (rng.choice([0, 1, 192, 320, 4_000_000_000]) for _ in range(2))
        encoding = rng.choice(["rgb8", "bgr8", "mono8", "16UC1", "32FC1", "yuv422", "", "rgb8"])
        message = Image(height=height, width=width, encoding=encoding, step=rng.choice([0, 960, 3, 4_000_000_000]))
        message.data = bytes(rng.choice([0, 7, 960 * 192]))
        message.header.stamp = wire.stamp(self.when())
        return message

    def info(self) -> CameraInfo:
        rng = self.random
        message = CameraInfo(
            height=rng.choice([0, 192]), width=rng.choice([0, 320, 7]), d=self.some(rng.randint(0, 8)).tolist()
        )
        message.k, message.p = self.some(9).tolist(), self.some(12).tolist()
        return message

    def pose(self) -> PoseStamped:
        out = PoseStamped()
        out.header.frame_id = self.random.choice(["base", "hand", "", "x" * 99])
        o, p = out.pose.orientation, out.pose.position
        (o.x, o.y, o.z, o.w), (p.x, p.y, p.z) = self.some(4).tolist(), self.some(3).tolist()
        return out


def unsafe(bench: Bench) -> tuple[int, int]:
    """How many commands went to the robot, and how many of them were not within its limits."""
    limits = robot("sim").limits
    rows = np.array([row for _, row in bench.sent]).reshape(-1, 8)
    outside = (rows < limits.low - 1e-9).any(1) | (rows > limits.high + 1e-9).any(1)
    return len(rows), int(np.sum(~np.isfinite(rows).all(1) | outside))


def fuzz(messages: int) -> None:
    for name, make in (("gate", gate), ("controller", controller), ("simulator", simulator)):
        bench = Bench()
        print(one(name, bench, messages, *make(bench, Chance(bench.names))), flush=True)
        bench.close()


def one(
    name: str,
    bench: Bench,
    messages: int,
    nodes: dict[str, list[str]],
    throw: Callable[[], None],
    between: Callable[[], None],
) -> str:
    """Throw them at one node; the line of what came of it."""
    with start.processes(nodes, stderr=subprocess.DEVNULL) as running:
        bench.until(lambda: bench.heard.get("sim" if name == "simulator" else name), 30.0, bench.measure)
        for k in range(messages):
            throw()
            if k % 10 == 0:
                bench.executor.spin_once(timeout_sec=0.0)
                between()
            if k % 20 == 0:
                time.sleep(0.002)  # what is sent faster than it is read is lost
            if k % 500 == 499 and "gate" in nodes:
                bench.call("gate/reset_fault")
        ends = time.monotonic() + 1.0
        bench.until(lambda: time.monotonic() > ends)
        crashed = [who for who, node in running.items() if node.poll() is not None]
        alive = answers(bench, name)
    sent, bad = unsafe(bench)
    return (
        f"fuzz of the {name}: {messages} messages, crashed: {', '.join(crashed) or 'none'}, works afterwards: {alive}, "
        f"commands sent: {sent}, unsafe: {bad}; wanted none, 0"
    )


def answers(bench: Bench, name: str) -> bool:
    """Whether the node still does its work."""
    if name == "simulator":
        return bool(bench.call("sim/reset").success)
    if name == "gate":
        return bool(bench.until(lambda: bench.call("gate/reset_fault").success, 10.0, bench.measure))
    bench.heard.pop("controller", None)
    bench.instruction.publish(String(data=""))
    return bool(bench.until(lambda: bench.heard.get("controller", {}).get("state") == "idle", 20.0, bench.measure))


Parts = tuple[dict[str, list[str]], Callable[[], None], Callable[[], None]]


def gate(bench: Bench, chance: Chance) -> Parts:
    def throw() -> None:
        kind = chance.random.random()
        if kind < 0.48:
            bench.states.publish(chance.states(bench))
        elif kind < 0.98:
            bench.commands.publish(chance.trajectory())
        elif kind < 0.99:
            bench.estop.publish(Bool(data=False))
        else:
            bench.beats.publish(Empty())

    return {"gate": start.command("gate_node", {})}, throw, bench.moving


def controller(bench: Bench, chance: Chance) -> Parts:
    out, rng = bench.node.create_publisher, chance.random
    images, infos = out(Image, "camera/front/image_raw", NEWEST), out(CameraInfo, "camera/front/camera_info", LATCHED)
    small, poses = (
        out(CompressedImage, "camera/front/image_raw/compressed", NEWEST),
        out(PoseStamped, "camera/front/pose", LATCHED),
    )
    status = out(String, "gate/status", LATCHED)
    path = blind("[front]")

    def throw() -> None:
        kind = rng.random()
        if kind < 0.4:
            bench.states.publish(chance.states(bench))
        elif kind < 0.55:
            images.publish(chance.image())
        elif kind < 0.7:
            small.publish(CompressedImage(format=rng.choice(["jpeg", "", "png"]), data=bytes(rng.randint(0, 99))))
        elif kind < 0.8:
            infos.publish(chance.info())
        elif kind < 0.9:
            poses.publish(chance.pose())
        elif kind < 0.95:
            status.publish(String(data=rng.choice([*WORDS, json.dumps({"fault": rng.choice(["", "x"])})])))
        else:
            bench.instruction.publish(String(data=rng.choice(WORDS)))

    child = start.command("stub", {"robot": path})
    return {"gate": start.command("gate_node", {"robot": path}), "controller": child}, throw, bench.measure


def simulator(bench: Bench, chance: Chance) -> Parts:
    bench.arm = False
    out = bench.node.create_publisher(JointTrajectory, "joint_trajectory_controller/joint_trajectory", RELIABLE)
    sim = {"sim": start.command("sim_node", {"picture_hz": 1.0})}
    return sim, lambda: out.publish(chance.trajectory()), lambda: None
