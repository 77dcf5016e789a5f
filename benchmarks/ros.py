"""How fast the nodes stop, how steady they are, and whether topics cost success: processes on this machine, ROS 2 between.

    python benchmarks/ros.py [parts=stops,fuzz,images,stream,picks] [rounds=5] [messages=10000] [minutes=1] [episodes=20]

stops: from the fault to the last motion commanded, ms, worst of `rounds` (a fake arm that follows).  fuzz: random messages on
every input of the gate; what it sent must stay within limits.  images: 640x480 at 30 Hz between two processes, share received.
stream: intervals of the controller's 20 Hz commands while it works, planning beside it.  picks: place-in-bowl by a sentence
over topics beside the same seeds in one process.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from options import leave, options
from std_msgs.msg import Bool, String

from embodied.errors import UserError
from ros_nodes import start, wire
from ros_nodes.fake import Bench
from ros_nodes.process import RELIABLE, environment
from ros_nodes.robots import robot


def stops(rounds: int) -> None:
    """One gate a fault and round."""
    print("| fault | motion ends after, ms | wanted |\n|---|---|---|")

    def stop_message(bench: Bench, gate: subprocess.Popen) -> None:
        bench.estop.publish(Bool(data=True))

    def ended(number: int):
        return lambda bench, gate: gate.send_signal(number)

    faults = {
        "emergency stop": (stop_message, "moving", 20),
        "SIGINT": (ended(signal.SIGINT), "moving", 20),
        "SIGTERM": (ended(signal.SIGTERM), "moving", 20),
        "joint states lost (limit 150 ms)": (lambda *_: None, "command", 250),
        "controller lost (heartbeat limit 100 ms)": (lambda *_: None, "measure", 200),
        "gate killed -9": (ended(signal.SIGKILL), "moving", 500),
    }
    for name, (act, after, wanted) in faults.items():
        worst = max(stopped(act, after, name == "gate killed -9") for _ in range(rounds))
        print(f"| {name} | {worst * 1e3:.0f} | {wanted} |", flush=True)


def stopped(act: Callable[[Bench, Any], None], after: str, dead: bool) -> float:
    """How long the arm moves on, s; a dead gate cannot stop it: what was sent last is carried out to its end."""
    bench = Bench()
    with start.processes({"gate": start.command("gate_node", {})}, stderr=subprocess.DEVNULL) as running:
        bench.until(lambda: "gate" in bench.heard, 30.0)
        bench.until(lambda: len(bench.sent) > 60, every=bench.moving)
        at = time.monotonic()
        act(bench, running["gate"])
        every = {"moving": bench.moving, "measure": bench.measure, "command": bench.beat_and_move}[after]
        bench.until(lambda: time.monotonic() - at > 0.7, every=every)
        took = bench.moved_since(at) + (bench.ahead if dead else 0.0)
    bench.close()
    return took


def fuzz(messages: int) -> None:
    """Random names, numbers, lengths and stamps on joint_states and command, among good ones; everything sent is checked."""
    rng, bench = random.Random(0), Bench()
    limits = robot("sim").limits
    numbers = (0.0, 1.0, -1.0, float("nan"), float("inf"), -float("inf"), 1e300, -1e9, 1e-310)

    def some(n: int) -> np.ndarray:
        return np.array([rng.choice(numbers) if rng.random() < 0.3 else rng.uniform(-4, 4) for _ in range(n)])

    def names() -> list[str]:
        out = list(bench.names) if rng.random() < 0.6 else rng.sample(bench.names, rng.randint(0, 8))
        return [*out, *(["", "elbow", "x" * 1000][: rng.randint(0, 3)] if rng.random() < 0.2 else [])]

    with start.processes({"gate": start.command("gate_node", {})}) as running:
        bench.until(lambda: "gate" in bench.heard, 30.0)
        for k in range(messages):
            if k % 10 == 0:
                bench.moving()
            joints, when = names(), time.time() + rng.choice([0, 0, 0, -0.1, -9, 9, -1e6])
            if rng.random() < 0.5:
                bench.states.publish(bench.state(joints, some(rng.choice([len(joints), rng.randint(0, 9)])), when))
            else:
                count, width = rng.randint(0, 4), rng.choice([len(joints), len(joints), rng.randint(0, 9)])
                message = wire.trajectory_message(joints, np.zeros(count), np.zeros((count, width)), max(0.0, when))
                for point in message.points:
                    point.positions = some(width).tolist()
                    point.time_from_start = wire.duration(rng.choice([0.0, 0.05, 0.1, -1.0, 1e5]))
                bench.commands.publish(message)
            if k % 200 == 199:
                bench.executor.spin_once(timeout_sec=0.01)
                bench.call("gate/reset_fault")
        for _ in range(100):
            bench.executor.spin_once(timeout_sec=0.01)
        crashed = running["gate"].poll() is not None
    rows = np.array([row for _, row in bench.sent]).reshape(-1, 8)
    unsafe = int(
        np.sum(~np.isfinite(rows).all(1) | (rows < limits.low - 1e-9).any(1) | (rows > limits.high + 1e-9).any(1))
    )
    print(
        f"fuzz: {messages} messages, crashed: {crashed}, commands sent: {len(rows)}, unsafe: {unsafe}; wanted no crash, 0"
    )
    bench.close()


IMAGES = """
import time, numpy as np, rclpy
from sensor_msgs.msg import Image
from ros_nodes import wire
from ros_nodes.process import NEWEST
rclpy.init(); node = rclpy.create_node("camera"); out = node.create_publisher(Image, "picture", NEWEST)
while out.get_subscription_count() == 0: time.sleep(0.01)
time.sleep(0.3); message = wire.image_message(np.zeros((480, 640, 3), np.uint8), "c", 0.0)
at = time.monotonic()
for k in range(180):
    out.publish(message); at += 1 / 30; time.sleep(max(0.0, at - time.monotonic()))
time.sleep(0.5)
"""


def images() -> None:
    from sensor_msgs.msg import Image

    from ros_nodes.process import NEWEST

    bench, got = Bench(), []
    bench.node.create_subscription(Image, "picture", lambda m: got.append(len(m.data)), NEWEST)
    sender = subprocess.Popen([sys.executable, "-c", IMAGES])
    bench.until(lambda: sender.poll() is not None, 30.0)
    print(f"images: {len(got)} of 180 at 640x480, 30 Hz = {len(got) / 1.8:.0f} %; wanted 99 %")
    bench.close()


def work(seeds: range, minutes: float = 0.0) -> tuple[int, list[float], float]:
    """Carry out the sim's own sentences; successes, intervals of commands while running, seconds from start to active."""
    from trajectory_msgs.msg import JointTrajectory

    bench, stamps, gaps, good = Bench(arm=False), [], [], 0
    bench.node.create_subscription(
        JointTrajectory,
        "controller/command",
        lambda m: stamps.extend([wire.seconds(m.header.stamp)] * bool(m.points)),
        RELIABLE,
    )
    nodes = {
        "sim": start.command("sim_node", {"task": "place-in-bowl", "seed": seeds.start}),
        "gate": start.command("gate_node", {}),
        "controller": start.command("controller_node", {}),
    }
    with start.processes(nodes, stderr=subprocess.DEVNULL):
        began = time.monotonic()
        bench.until(lambda: bench.heard.get("controller", {}).get("state") == "idle", 30.0)
        active = time.monotonic() - began
        bench.until(lambda: len(bench.heard) == 3, 30.0)
        until = time.monotonic() + 60 * minutes
        for k in seeds:
            stamps.clear()
            carried_out(bench)
            gaps += np.diff(stamps).tolist()  # of motion; a run begins and ends with a "hold"
            good += bench.call("sim/success").success
            if minutes and time.monotonic() > until:
                break
            if k + 1 < seeds.stop:
                bench.heard.pop("sim")
                bench.call("sim/reset")
                bench.until(lambda: "sim" in bench.heard)
                # The arm is at its start at once, which no real one could be: the gate has to be told.
                bench.until(lambda: bench.call("gate/reset_fault").success)
                bench.until(lambda: bench.heard["gate"]["state"] == "enabled")
    bench.close()
    return good, gaps, active


def carried_out(bench: Bench) -> None:
    """The simulator's own sentence, from the instruction to the end."""
    ends = ("succeeded", "failed", "refused", "stopped")
    bench.instruction.publish(String(data=bench.heard["sim"]["goal"]))
    bench.until(lambda: bench.heard["controller"]["state"] not in (*ends, "idle"), 20.0)
    bench.until(lambda: bench.heard["controller"]["state"] in ends, 120.0)


def stream(minutes: float) -> None:
    _, gaps, active = work(range(100, 1100), minutes)
    off = np.abs(np.array(gaps) - 0.05) * 1e3
    missed = int(np.sum(np.array(gaps) > 0.1))
    print(
        f"stream: {len(gaps)} commands, jitter p50 {np.percentile(off, 50):.1f} ms, p99 {np.percentile(off, 99):.1f} ms,"
    )
    print(f"  intervals over 100 ms: {missed}; wanted p99 10 ms, 0.  From start to active: {active:.1f} s; wanted 5")


def picks(episodes: int) -> None:
    from embodied.control.loop import run
    from policies.planner import Planner
    from sim.body import SimBody
    from sim.task import seed_of

    over, _, _ = work(range(episodes))
    inside = 0
    for k in range(episodes):
        body = SimBody("place-in-bowl", split="seen")
        obs = body.reset(seed_of("seen", 0, k))
        run(body, Planner(body), body.goal, obs=obs)
        inside += body.success()
        body.close()
    print(f"picks: {over} of {episodes} over topics, {inside} in one process; wanted within 5 points")


def main(arguments: list[str]) -> int:
    chosen = options(
        arguments, parts="stops,fuzz,images,stream,picks", rounds=5, messages=10000, minutes=1, episodes=20
    )
    for key, value in (environment() | {"ROS_DOMAIN_ID": str(101 + os.getpid() % 100)}).items():
        os.environ.setdefault(key, value)
    todo = {
        "stops": lambda: stops(chosen["rounds"]), "fuzz": lambda: fuzz(chosen["messages"]), "images": images,
        "stream": lambda: stream(chosen["minutes"]), "picks": lambda: picks(chosen["episodes"]),
    }  # fmt: skip
    parts = chosen["parts"].split(",")
    if unknown := sorted(set(parts) - todo.keys()):
        raise UserError(f"no part {unknown[0]!r}; choose from {', '.join(todo)}")
    for part in parts:
        todo[part]()
    return 0


if __name__ == "__main__":
    leave(main)
