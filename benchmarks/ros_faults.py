"""The fault table: how long motion goes on after each fault. One gate, and where it matters a controller, a fault and round."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, Empty
from trajectory_msgs.msg import JointTrajectory

from ros_nodes import start, wire
from ros_nodes.fake import Bench
from ros_nodes.process import RELIABLE

HERE = Path(__file__).parent
BEST_EFFORT = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
Step = Callable[[], None]
Outcome = tuple[float, float]


@dataclass
class Fault:
    """do: makes it happen. after: what the bench goes on doing. wanted_ms: asked of it; None where nothing was. setup: parameters
    of the gate, and of whoever else. dead: the gate itself cannot stop anything, what it sent last runs out."""

    do: Callable[[Case], None]
    after: str = "moving"
    wanted_ms: float | None = None
    gate: dict[str, Any] = field(default_factory=dict)
    dead: bool = False
    says: str = ""


class Case:
    """A bench, a gate and whatever else runs, with the arm moving."""

    def __init__(self, bench: Bench, running: dict[str, subprocess.Popen]) -> None:
        self.bench, self.running = bench, running
        self.offset_s, self.simulated, self.follow, self.target = 0.0, False, True, None
        self.clock = bench.node.create_publisher(Clock, "/clock", 10)

    @property
    def gate(self) -> subprocess.Popen:
        return self.running["gate"]

    def tell(self) -> None:
        """/clock, with the jump that a fault brings."""
        self.clock.publish(Clock(clock=wire.stamp(time.time() + self.offset_s)))

    def every(self, what: str) -> Step:
        bench = self.bench

        def moving() -> None:
            if self.simulated:
                self.tell()
            bench.moving()

        return {
            "moving": moving, "measure": bench.measure, "command": bench.beat_and_move, "ramp": self.ramp, "nothing": lambda: None,
        }[what]  # fmt: skip

    def ramp(self) -> None:
        """Go on commanding 1 rad/s from where it began, whether the arm follows or not."""
        bench, now = self.bench, time.monotonic()
        if self.target is None:
            self.target, self.began_s = bench.at, now
            bench.refuse()
        ahead = (now - self.began_s) + 0.05 * np.arange(1.0, 6.0)[:, None]
        rows = self.target + np.array([1.0, 0, 0, 0, 0, 0, 0, 0]) * ahead
        bench.measure()
        bench.commands.publish(wire.trajectory_message(bench.names, 0.05 * np.arange(1.0, 6.0), rows, time.time()))


def ended(number: int) -> Callable[[Case], None]:
    return lambda case: case.gate.send_signal(number)


def jump(by_s: float) -> Callable[[Case], None]:
    def do(case: Case) -> None:
        case.offset_s = by_s
        case.tell()

    return do


def command(change: Callable[[Bench], None]) -> Callable[[Case], None]:
    return lambda case: change(case.bench)


FAULTS: dict[str, Fault] = {
    "emergency stop (topic), in the middle of a chunk": Fault(
        lambda c: c.bench.estop.publish(Bool(data=True)), wanted_ms=20
    ),
    "SIGINT": Fault(ended(signal.SIGINT), wanted_ms=20),
    "SIGTERM": Fault(ended(signal.SIGTERM), wanted_ms=20),
    "joint states lost (limit 150 ms)": Fault(lambda c: None, "command", 250, says="joint states"),
    "controller lost (heartbeat limit 100 ms)": Fault(lambda c: None, "measure", 200, says="controller"),
    "gate killed -9": Fault(ended(signal.SIGKILL), wanted_ms=500, dead=True),
    "command of NaN": Fault(command(lambda b: b.move(np.full(8, np.nan))), says="command: not all"),
    "command of 7 positions for 8 joints": Fault(command(lambda b: b.move(np.zeros(7))), says="command"),
    "command with a joint missing": Fault(command(lambda b: b.move(np.zeros(7), b.names[:7])), says="command: joints"),
    "command with a joint of another name": Fault(
        command(lambda b: b.move(np.zeros(8), (*b.names[:7], "elbow"))), says="command: joints"
    ),
    "joint states of NaN": Fault(
        command(lambda b: b.states.publish(b.state(b.names, np.full(8, np.nan), time.time()))), says="joint states"
    ),
    "clock jumps back by 1 s": Fault(jump(-1.0), gate={"use_sim_time": True}, says="clock: went back"),
    "clock jumps ahead by 2 s": Fault(jump(2.0), gate={"use_sim_time": True}, says="clock: jumped ahead"),
    "clock stands still (limit 500 ms)": Fault(
        lambda c: setattr(c, "simulated", False), gate={"use_sim_time": True}, says="clock: stands|stale|joint states"
    ),
    "robot refuses to follow (limit 0.35 rad, at 1 rad/s)": Fault(lambda c: None, "ramp", says="tracking"),
}


@contextlib.contextmanager
def moving(fault: Fault) -> Iterator[Case]:
    """The fake arm in motion behind a gate."""
    bench = Bench()
    with start.processes({"gate": start.command("gate_node", fault.gate)}, stderr=subprocess.DEVNULL) as running:
        case = Case(bench, running)
        case.simulated = bool(fault.gate.get("use_sim_time"))
        bench.until(lambda: "gate" in bench.heard, 30.0, case.tell if case.simulated else None)
        bench.until(lambda: len(bench.sent) > 60, 20.0, every=case.every("moving"))
        yield case
    bench.close()


def outcome(bench: Bench, at_s: float, *how: Any) -> Outcome:
    """After what happened at at_s: how long motion was still commanded, and how long none was from then on, s."""
    took = bench.moved_since(at_s, *how)
    return took, time.monotonic() - at_s - took


def reaction(fault: Fault) -> Outcome:
    with moving(fault) as case:
        bench, at = case.bench, time.monotonic()
        fault.do(case)
        bench.until(lambda: time.monotonic() - at > 1.2, every=case.every(fault.after))
        took, still = outcome(bench, at)
        took += bench.ahead if fault.dead else 0.0
        said = str(bench.heard["gate"].get("fault", ""))
        if fault.says and not any(said.startswith(word) for word in fault.says.split("|")):
            print(f"  the gate says {said!r}, not {fault.says!r}")
    return took, still


def table(rounds: int) -> None:
    from ros_faults_action import ACTIONS
    from ros_faults_controller import WITH_CONTROLLER
    from ros_faults_vehicle import VEHICLE

    print(
        f"| fault | motion ends after, ms: median, worst of {rounds} | wanted | commanded afterwards |\n|---|---|---|---|"
    )
    alone = {name: (partial(reaction, fault), fault.wanted_ms) for name, fault in FAULTS.items()}
    for name, (measure, wanted) in (alone | ACTIONS | WITH_CONTROLLER | VEHICLE).items():
        took, still = zip(*(measure() for _ in range(rounds)), strict=True)
        after = f"none in {min(still):.1f} s" if min(still) > 0.2 else "MOTION"
        words = "" if wanted is None else round(wanted)
        print(f"| {name} | {np.median(took) * 1e3:.0f}, {max(took) * 1e3:.0f} | {words} | {after} |", flush=True)
    took = relayed()
    print(
        f"| beside them: a message to a bare relay and back | {np.median(took):.0f}, {took.max():.0f} of {len(took)} | | |"
    )
    print(f"| joint states sent best effort | {unheard():.0f} commands sent | 0 | |", flush=True)
    print(
        f"| a command whose joints are in another order | {permuted() * 1e6:.0f} urad from the same in order | 0 | |",
        flush=True,
    )


def relayed(seconds: float = 5.0) -> np.ndarray:
    """How long a message takes to a bare relay and back, ms: the anchor of all reactions."""
    bench, took = Bench(), list[float]()
    take = bench.node.create_subscription
    take(JointTrajectory, "relayed", lambda m: took.append(time.time() - wire.seconds(m.header.stamp)), RELIABLE)
    with start.processes({"relay": [sys.executable, str(HERE / "relay.py")]}, stderr=subprocess.DEVNULL):
        bench.until(lambda: len(took) > 10, 30.0, bench.measure)
        took.clear()
        ends = time.monotonic() + seconds
        bench.until(lambda: time.monotonic() > ends, seconds + 10, bench.measure)
    bench.close()
    return np.array(took) * 1e3


def unheard() -> int:
    """Commands sent for a robot whose joint states go out best effort, which the gate does not subscribe to."""
    bench = Bench()
    bench.states = bench.node.create_publisher(JointState, "joint_states", BEST_EFFORT)
    with start.processes({"gate": start.command("gate_node", {})}, stderr=subprocess.DEVNULL):
        bench.until(lambda: "gate" in bench.heard, 30.0)
        at = time.monotonic()
        bench.until(lambda: time.monotonic() - at > 2.0, every=bench.moving)
        sent = len(bench.sent)
    bench.close()
    return sent


def permuted() -> float:
    """How far the arm is from where the same command in order has brought it, rad, when the names and numbers come reversed."""
    ends = []
    for step in (1, -1):
        bench = Bench()
        goal = bench.at + np.array([0.05, -0.04, 0.03, 0.02, -0.01, 0.02, 0.01, 0.0])
        with start.processes({"gate": start.command("gate_node", {})}, stderr=subprocess.DEVNULL):
            bench.until(lambda b=bench: "gate" in b.heard, 30.0, bench.measure)

            def go(b: Bench = bench, step: int = step, goal: np.ndarray = goal) -> None:
                b.measure()
                b.beats.publish(Empty())
                b.move(goal[::step], tuple(b.names[::step]))

            at = time.monotonic()
            bench.until(lambda at=at: time.monotonic() - at > 2.0, every=go)
            ends.append(bench.at)
        bench.close()
    return float(np.abs(ends[0] - ends[1]).max()) + float(np.abs(ends[0] - goal).max())
