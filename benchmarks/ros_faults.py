"""The fault table: how long motion goes on after each fault. One gate, and where it matters a controller, a fault and round."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Bool, String

from ros_nodes import robots, start, wire
from ros_nodes.fake import Bench
from ros_nodes.process import LATCHED, NEWEST

HERE = Path(__file__).parent
BEST_EFFORT = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
Step = Callable[[], None]


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


def reaction(fault: Fault) -> float:
    """How long the arm was still commanded to move, s."""
    with moving(fault) as case:
        bench, at = case.bench, time.monotonic()
        fault.do(case)
        bench.until(lambda: time.monotonic() - at > 1.2, every=case.every(fault.after))
        took = bench.moved_since(at) + (bench.ahead if fault.dead else 0.0)
        said = str(bench.heard["gate"].get("fault", ""))
        if fault.says and not any(said.startswith(word) for word in fault.says.split("|")):
            print(f"  the gate says {said!r}, not {fault.says!r}")
    return took


def table(rounds: int) -> None:
    print(f"| fault | motion ends after, ms: median, worst of {rounds} | wanted |\n|---|---|---|")
    alone = {name: (partial(reaction, fault), fault.wanted_ms) for name, fault in FAULTS.items()}
    for name, (measure, wanted) in (alone | WITH_CONTROLLER).items():
        took = [measure() * 1e3 for _ in range(rounds)]
        print(
            f"| {name} | {np.median(took):.0f}, {max(took):.0f} | {'' if wanted is None else round(wanted)} |",
            flush=True,
        )
    print(f"| joint states sent best effort | {unheard():.0f} commands sent | 0 |", flush=True)


# --- with the controller's own node beside it


def blind(cameras: str = "[]") -> str:
    """The path of sim.yaml with these cameras, all fixed."""
    text = (robots.FOLDER / "sim.yaml").read_text()
    path = Path(tempfile.mkdtemp()) / "fake.yaml"
    path.write_text(
        text.replace("cameras: [front, wrist]", f"cameras: {cameras}").replace("fixed: [front]", f"fixed: {cameras}")
    )
    return str(path)


class Camera:
    """A front camera whose pictures come at 30 Hz until it stops or freezes."""

    def __init__(self, bench: Bench) -> None:
        from geometry_msgs.msg import PoseStamped
        from sensor_msgs.msg import CameraInfo

        from sim.camera import front

        self.bench, self.spec, self.state = bench, front(), "alive"
        out = bench.node.create_publisher
        self.pictures = out(Image, "camera/front/image_raw", NEWEST)
        self.info, self.pose = (
            out(CameraInfo, "camera/front/camera_info", LATCHED),
            out(PoseStamped, "camera/front/pose", LATCHED),
        )
        self.info.publish(wire.camera_message(self.spec, "front", 0.0))
        pose = PoseStamped(pose=wire.pose_message(self.spec.parent_from_cam))
        pose.header.frame_id = "base"
        self.pose.publish(pose)
        self.picture = np.zeros((self.spec.height, self.spec.width, 3), np.uint8)
        self.last = wire.image_message(self.picture, "front", 1.0)

    def work(self) -> None:
        if self.state == "alive":
            self.last = wire.image_message(self.picture, "front", time.time())
        if self.state != "stopped":
            self.pictures.publish(self.last)
        self.bench.measure()


@contextlib.contextmanager
def stub(
    instruction: str, cameras: str = "[]"
) -> Iterator[tuple[Bench, Step, Camera | None, dict[str, subprocess.Popen]]]:
    """Gate and controller with the stub policy, carrying out this instruction; the arm is in motion."""
    bench = Bench()
    camera = Camera(bench) if cameras != "[]" else None
    every = camera.work if camera else bench.measure
    path = blind(cameras)
    child = start.command("stub", {"robot": path})
    nodes = {"gate": start.command("gate_node", {"robot": path}), "controller": child}
    with start.processes(nodes, stderr=subprocess.DEVNULL) as running:
        bench.until(
            lambda: "gate" in bench.heard and bench.heard.get("controller", {}).get("state") == "idle", 30.0, every
        )
        bench.instruction.publish(String(data=instruction))
        bench.until(lambda: len(bench.sent) > 20, 20.0, every=every)
        yield bench, every, camera, running
    bench.close()


def camera_fault(state: str) -> float:
    with stub("wave", "[front]") as (bench, every, camera, _):
        assert camera is not None
        at, camera.state = time.monotonic(), state
        bench.until(lambda: time.monotonic() - at > 2.2, every=every)
        return bench.moved_since(at)


def hung() -> float:
    """From when its rows have run out, 0.5 s after it began: how long the fingertips are still sent on. (The elbow may yet be drawn
    to its posture while the hand is held.)"""
    with stub("hang") as (bench, every, _, _):
        at = bench.sent[0][0]
        bench.until(lambda: time.monotonic() - at > 4.0, every=every)
        return max(0.0, bench.moved_since(at, robots.robot("sim").reached, 1e-3) - 0.5)


def frozen() -> float:
    with stub("wave") as (bench, every, _, running):
        at = time.monotonic()
        running["controller"].send_signal(signal.SIGSTOP)
        bench.until(lambda: time.monotonic() - at > 1.0, every=every)
        running["controller"].send_signal(signal.SIGCONT)
        return bench.moved_since(at)


def killed() -> float:
    with stub("wave") as (bench, every, _, running):
        at = time.monotonic()
        running["controller"].kill()
        bench.until(lambda: time.monotonic() - at > 1.0, every=every)
        return bench.moved_since(at)


def deactivated() -> float:
    from lifecycle_msgs.msg import Transition
    from lifecycle_msgs.srv import ChangeState

    with stub("wave") as (bench, every, _, _):
        client = bench.node.create_client(ChangeState, "controller/change_state")
        bench.until(client.service_is_ready, every=every)
        request = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_DEACTIVATE))
        at, future = time.monotonic(), client.call_async(request)
        bench.until(lambda: time.monotonic() - at > 1.0, every=every)
        assert future.done() and future.result().success
        return bench.moved_since(at)


def stopped_by_topic() -> float:
    with stub("wave") as (bench, every, _, _):
        at = time.monotonic()
        bench.instruction.publish(String(data=""))
        bench.until(lambda: time.monotonic() - at > 1.0, every=every)
        return bench.moved_since(at)


def flooded() -> float:
    """The emergency stop while 640x480 pictures come at 60 Hz to the controller that is in charge."""
    with stub("wave", "[front]") as (bench, every, _, _):
        with start.processes({"flood": [sys.executable, str(HERE / "flood.py")]}, stderr=subprocess.DEVNULL):
            began = time.monotonic()
            bench.until(lambda: time.monotonic() - began > 4.0, every=every)
            at = time.monotonic()
            bench.estop.publish(Bool(data=True))
            bench.until(lambda: time.monotonic() - at > 1.0, every=every)
        assert bench.heard["gate"]["fault"] == "emergency stop", bench.heard
        return bench.moved_since(at)


WITH_CONTROLLER: dict[str, tuple[Callable[[], float], float | None]] = {
    "controller deactivated": (deactivated, 20),
    "an empty instruction": (stopped_by_topic, None),
    "controller killed -9 (heartbeat limit 100 ms)": (killed, 200),
    "controller process hangs (SIGSTOP; limit 100 ms)": (frozen, 200),
    "policy hangs (after its last row; fingertips, 1 mm)": (hung, None),
    "camera stops (limit 1 s)": (lambda: camera_fault("stopped"), None),
    "camera freezes: the same picture again and again (limit 1 s)": (lambda: camera_fault("frozen"), None),
    "emergency stop under a flood of pictures, 640x480 at 60 Hz": (flooded, 20),
}


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
