"""Random messages on every input of every node, among good ones: nothing may crash, and nothing unsafe be sent."""

from __future__ import annotations

import json
import random
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped, TwistStamped
from nav_msgs.msg import Odometry
from ros_faults_controller import blind
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Bool, Empty, String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from ros_nodes import start, wire
from ros_nodes.fake import Base, Bench
from ros_nodes.process import LATCHED, NEWEST, RELIABLE
from ros_nodes.robots import robot
from ros_nodes.vehicles import vehicle

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

    def word(self) -> str:
        return self.random.choice([*WORDS, json.dumps({"fault": self.random.choice(["", "x"])})])

    def twist(self) -> TwistStamped:
        return wire.twist_message(self.some(3), self.random.choice(["base_link", ""]), self.when())

    def odometry(self) -> Odometry:
        return wire.odometry_message(None, self.some(3), self.when())

    def pose(self) -> PoseStamped:
        out = PoseStamped()
        out.header.frame_id = self.random.choice(["base", "hand", "", "x" * 99])
        o, p = out.pose.orientation, out.pose.position
        (o.x, o.y, o.z, o.w), (p.x, p.y, p.z) = self.some(4).tolist(), self.some(3).tolist()
        return out


Throws = dict[str, Callable[[], object]]


@dataclass
class Target:
    """A node under fire. bench: beyond its topics.  nodes: what runs.  throws: input -> one random message on it.  between: good
    messages, now and then.  alive: whether it still does its work.  most: of what is sent to the robot, (low, high); fastest: of
    the same, per s."""

    name: str
    bench: Bench
    nodes: dict[str, list[str]]
    throws: Throws
    between: Callable[[], object]
    alive: Callable[[], bool]
    most: tuple[np.ndarray, np.ndarray]
    fastest: np.ndarray | float = np.inf


def fuzz(messages: int) -> None:
    for make in (gate, vehicle_gate, controller, driver, pen, recorder, replay, simulator, simulated_car):
        target = make()
        print(fire(target, messages), flush=True)
        target.bench.close()


def fire(target: Target, messages: int) -> str:
    """So many on each input; the line of what came of it."""
    bench, throws = target.bench, list(target.throws.values())
    with start.processes(target.nodes, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as running:
        first = next(iter(running))
        bench.until(lambda: bench.heard.get(first), 60.0, target.between)
        for k in range(messages * len(throws)):
            throws[k % len(throws)]()
            if k % 10 == 0:
                bench.executor.spin_once(timeout_sec=0.0)
                target.between()
            if k % 20 == 0:
                time.sleep(0.002)  # what is sent faster than it is read is lost
            if k % 500 == 499 and "gate" in target.nodes:
                bench.call("gate/reset_fault")
        ends = time.monotonic() + 1.0
        bench.until(lambda: time.monotonic() > ends)
        crashed = [who for who, node in running.items() if node.poll() is not None]
        alive = not crashed and target.alive()
    sent = np.array([row for _, row in bench.sent]).reshape(-1, len(target.most[0]))
    first, speeds = (
        np.array(rows).reshape(-1, sent.shape[1]) for rows in (bench.first or sent, bench.speeds or 0 * sent)
    )
    low, high = target.most
    told = [np.array([*bench.told.get(name, ())]) for name in bench.names] if bench.first else [np.zeros(0)] * len(low)
    # Beyond a limit it may be held where a joint was measured, and come back; nothing else.
    out, before = (np.maximum(np.maximum(low - rows, rows - high), 0.0) for rows in (sent, first))
    measured = np.array([np.isin(column, of) for column, of in zip(sent.T, told, strict=True)]).T.reshape(sent.shape)
    beyond = (out > 1e-9) & ~measured & ~(out < before)
    bad = int(np.sum((~np.isfinite(sent) | beyond | (speeds > target.fastest + 1e-6)).any(1)))
    return (
        f"fuzz of the {target.name}: {messages} messages on each of {', '.join(target.throws)}; crashed: "
        f"{', '.join(crashed) or 'none'}, works afterwards: {alive}, commands sent: {len(sent)}, unsafe: {bad}; wanted none, 0"
    )


# --- the nodes


def _arm(name: str, nodes: dict[str, list[str]], throws: Throws, bench: Bench, alive: Callable[[], bool], moving: bool = False,
         measured: bool = True) -> Target:  # fmt: skip
    limits = robot("sim").limits
    between: Callable[[], object] = bench.moving if moving else bench.measure if measured else lambda: None
    return Target(name, bench, nodes, throws, between, alive, (limits.low, limits.high), limits.speed)


def reset(bench: Bench, every: Callable[[], None]) -> bool:
    return bool(bench.until(lambda: bench.call("gate/reset_fault", every).success, 10.0, every))


def idles(bench: Bench, every: Callable[[], None]) -> bool:
    """Whether an empty sentence brings the controller to rest."""
    bench.heard.pop("controller", None)
    bench.instruction.publish(String(data=""))
    return bool(bench.until(lambda: bench.heard.get("controller", {}).get("state") == "idle", 20.0, every))


def joints(bench: Bench, chance: Chance) -> Throws:
    return {"joint_states": lambda: bench.states.publish(chance.states(bench))}


def words(bench: Bench, chance: Chance, **topics: str) -> Throws:
    """Strings on these topics: name -> topic."""
    outs = {name: bench.node.create_publisher(String, topic, LATCHED) for name, topic in topics.items()}
    return {name: lambda out=out: out.publish(String(data=chance.word())) for name, out in outs.items()}


def cameras(bench: Bench, chance: Chance, name: str = "front") -> Throws:
    rng, out = chance.random, bench.node.create_publisher
    images, depths = out(Image, f"camera/{name}/image_raw", NEWEST), out(Image, f"camera/{name}/depth", NEWEST)
    infos, poses = (
        out(CameraInfo, f"camera/{name}/camera_info", LATCHED),
        out(PoseStamped, f"camera/{name}/pose", LATCHED),
    )
    small = out(CompressedImage, f"camera/{name}/image_raw/compressed", NEWEST)
    return {
        "image_raw": lambda: images.publish(chance.image()), "depth": lambda: depths.publish(chance.image()),
        "compressed": lambda: small.publish(
            CompressedImage(format=rng.choice(["jpeg", "", "png"]), data=bytes(rng.randint(0, 99)))
        ),
        "camera_info": lambda: infos.publish(chance.info()), "pose": lambda: poses.publish(chance.pose()),
    }  # fmt: skip


def stops(bench: Bench) -> Throws:
    return {"estop": lambda: bench.estop.publish(Bool(data=False))}


def gate() -> Target:
    bench = Bench()
    chance = Chance(bench.names)
    throws = joints(bench, chance) | {
        "command": lambda: bench.commands.publish(chance.trajectory()),
        "heartbeat": lambda: bench.beats.publish(Empty()),
    }
    nodes = {"gate": start.command("gate_node", {})}
    return _arm("gate", nodes, throws | stops(bench), bench, lambda: reset(bench, bench.measure), moving=True)


def vehicle_gate() -> Target:
    base = Base()
    chance = Chance(base.names)
    throws = {
        "odom": lambda: base.odometry.publish(chance.odometry()),
        "twist": lambda: base.twists.publish(chance.twist()),
        "dead_man": lambda: base.switch.publish(Bool(data=chance.random.random() < 0.8)),
    }
    nodes = {"gate": start.command("vehicle_gate_node", {"robot": "diff_drive", "dry_run": False, "armed": True})}
    most = np.array(vehicle("diff_drive").speed)
    alive = lambda: reset(base, base.roll)  # noqa: E731
    return Target("vehicle gate", base, nodes, throws | stops(base), base.drive, alive, (-most, most))


def controller() -> Target:
    bench, path = Bench(), blind("[front]")
    chance = Chance(bench.names)
    throws = joints(bench, chance) | cameras(bench, chance)
    throws |= words(bench, chance, status="gate/status", instruction="controller/instruction")
    nodes = {"controller": start.command("stub", {"robot": path}), "gate": start.command("gate_node", {"robot": path})}
    return _arm("controller", nodes, throws, bench, lambda: idles(bench, bench.measure))


def driver() -> Target:
    base = Base()
    chance = Chance(base.names)
    throws = {"odom": lambda: base.odometry.publish(chance.odometry())} | cameras(base, chance)
    throws |= words(base, chance, status="gate/status", instruction="controller/instruction")
    nodes = {
        "controller": start.command("driver_node", {"robot": "sim_car"}),
        "gate": start.command(
            "vehicle_gate_node", {"robot": "diff_drive", "dry_run": False, "armed": True, "dead_man": False}
        ),
    }
    most = np.array(vehicle("diff_drive").speed)
    return Target("driver", base, nodes, throws, base.roll, lambda: idles(base, base.roll), (-most, most))


def pen() -> Target:
    bench = Bench()
    bench.hear("draw")
    chance = Chance(bench.names)
    images = bench.node.create_publisher(Image, "draw/image", NEWEST)
    throws = joints(bench, chance) | {"image": lambda: images.publish(chance.image())}
    throws |= words(bench, chance, status="gate/status", picture="draw/picture")
    nodes = {"draw": start.command("draw_node", {}), "gate": start.command("gate_node", {})}
    return _arm("pen", nodes, throws, bench, lambda: bool(bench.call("draw/cancel").success))


def recorder() -> Target:
    bench, out = Bench(), tempfile.mkdtemp()
    bench.hear("record")
    chance = Chance(bench.names)
    sent = bench.node.create_publisher(JointTrajectory, "gate/sent", RELIABLE)
    throws = joints(bench, chance) | cameras(bench, chance) | {"sent": lambda: sent.publish(chance.trajectory())}
    throws |= words(bench, chance, plan="controller/plan", status="controller/status")
    nodes = {"record": start.command("record_node", {"out": f"{out}/data", "robot": blind("[front]")})}
    return _arm("recorder", nodes, throws, bench, lambda: True)


def replay() -> Target:
    bench = Bench(arm=False)
    bench.hear("replay")
    clients = {name: bench.node.create_client(Trigger, f"replay/{name}") for name in ("pause", "resume")}

    def call(name: str) -> None:
        clients[name].remove_pending_request(clients[name].call_async(Trigger.Request()))

    throws: Throws = {name: partial(call, name) for name in clients}
    nodes = {"replay": start.command("replay_node", {"loop": True, "rate": 4.0})}
    return _arm("replay", nodes, throws, bench, lambda: bool(bench.call("replay/resume")), measured=False)


def simulator() -> Target:
    bench = Bench(arm=False)
    chance = Chance(bench.names)
    out = bench.node.create_publisher(JointTrajectory, "joint_trajectory_controller/joint_trajectory", RELIABLE)
    nodes = {"sim": start.command("sim_node", {"picture_hz": 1.0})}
    throws: Throws = {"joint_trajectory": lambda: out.publish(chance.trajectory())}
    return _arm("simulator", nodes, throws, bench, lambda: bool(bench.call("sim/reset").success), measured=False)


def simulated_car() -> Target:
    bench = Bench(arm=False)
    chance = Chance(bench.names)
    out = bench.node.create_publisher(TwistStamped, "cmd_vel", RELIABLE)
    nodes = {"sim": start.command("sim_car_node", {"picture_hz": 1.0})}
    throws: Throws = {"cmd_vel": lambda: out.publish(chance.twist())}
    return _arm("simulated car", nodes, throws, bench, lambda: bool(bench.call("sim/reset").success), measured=False)
