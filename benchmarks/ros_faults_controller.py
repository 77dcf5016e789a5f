"""The controller's part of the fault table: its own node with a stub policy, a real gate and a fake arm, in motion."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from ros_faults import HERE, Outcome, Step, outcome
from sensor_msgs.msg import Image
from std_msgs.msg import Bool, String

from ros_nodes import robots, start, wire
from ros_nodes.fake import BLIND, Bench, variant
from ros_nodes.process import LATCHED, NEWEST


def blind(cameras: str = "[]") -> str:
    """The path of sim.yaml with these cameras, all fixed."""
    changes = [(before, before.split(":")[0] + f": {cameras}") for before, _ in BLIND]
    return variant(Path(tempfile.mkdtemp()), *changes)


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
    instruction: str, cameras: str = "[]", moves: bool = True
) -> Iterator[tuple[Bench, Step, Camera | None, dict[str, subprocess.Popen]]]:
    """Gate and controller with the stub policy, carrying out this instruction; the arm is in motion, if it moves."""
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
        bench.until(lambda: len(bench.sent) > 20 or not moves, 20.0, every=every)
        yield bench, every, camera, running
    bench.close()


def camera_fault(state: str) -> Outcome:
    with stub("wave", "[front]") as (bench, every, camera, _):
        assert camera is not None
        at, camera.state = time.monotonic(), state
        bench.until(lambda: time.monotonic() - at > 2.2, every=every)
        return outcome(bench, at)


def hung() -> Outcome:
    """From when its rows have run out, 0.5 s after it began: how long the fingertips are still sent on. (The elbow may yet be drawn
    to its posture while the hand is held.)"""
    with stub("hang") as (bench, every, _, _):
        at = bench.sent[0][0]
        bench.until(lambda: time.monotonic() - at > 4.0, every=every)
        took, still = outcome(bench, at, robots.robot("sim").reached, 1e-3)
        return max(0.0, took - 0.5), still


def pondering() -> Outcome:
    """A planner that never answers: from the sentence on."""
    with stub("ponder", moves=False) as (bench, every, _, _):
        at = time.monotonic()
        bench.until(lambda: time.monotonic() - at > 2.0, every=every)
        return outcome(bench, at, robots.robot("sim").reached, 1e-3)


def frozen() -> Outcome:
    with stub("wave") as (bench, every, _, running):
        at = time.monotonic()
        running["controller"].send_signal(signal.SIGSTOP)
        bench.until(lambda: time.monotonic() - at > 1.0, every=every)
        running["controller"].send_signal(signal.SIGCONT)
        return outcome(bench, at)


def killed() -> Outcome:
    with stub("wave") as (bench, every, _, running):
        at = time.monotonic()
        running["controller"].kill()
        bench.until(lambda: time.monotonic() - at > 1.0, every=every)
        return outcome(bench, at)


def deactivated() -> Outcome:
    from lifecycle_msgs.msg import Transition
    from lifecycle_msgs.srv import ChangeState

    with stub("wave") as (bench, every, _, _):
        client = bench.node.create_client(ChangeState, "controller/change_state")
        bench.until(client.service_is_ready, every=every)
        known = time.monotonic()  # by the node too: until then the middleware repeats a request after 0.1 s
        bench.until(lambda: time.monotonic() - known > 1.0, every=every)
        request = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_DEACTIVATE))
        at, future = time.monotonic(), client.call_async(request)
        bench.until(lambda: time.monotonic() - at > 1.0, every=every)
        assert future.done() and future.result().success
        return outcome(bench, at)


def stopped_by_topic() -> Outcome:
    with stub("wave") as (bench, every, _, _):
        at = time.monotonic()
        bench.instruction.publish(String(data=""))
        bench.until(lambda: time.monotonic() - at > 1.0, every=every)
        return outcome(bench, at)


def flooded() -> Outcome:
    """The emergency stop while 640x480 pictures come at 60 Hz to the controller that is in charge."""
    with stub("wave", "[front]") as (bench, every, _, _):
        with start.processes({"flood": [sys.executable, str(HERE / "flood.py")]}, stderr=subprocess.DEVNULL):
            began = time.monotonic()
            bench.until(lambda: time.monotonic() - began > 4.0, every=every)
            at = time.monotonic()
            bench.estop.publish(Bool(data=True))
            bench.until(lambda: time.monotonic() - at > 1.0, every=every)
        if (said := bench.heard["gate"]["fault"]) != "emergency stop":
            print(f"  the gate says {said!r}, not 'emergency stop'")
        return outcome(bench, at)


WITH_CONTROLLER: dict[str, tuple[Callable[[], Outcome], float | None]] = {
    "controller deactivated": (deactivated, 20),
    "an empty instruction": (stopped_by_topic, None),
    "controller killed -9 (heartbeat limit 100 ms)": (killed, 200),
    "controller process hangs (SIGSTOP; limit 100 ms)": (frozen, 200),
    "planner hangs (from the sentence on; fingertips, 1 mm)": (pondering, None),
    "policy hangs (after its last row; fingertips, 1 mm)": (hung, None),
    "camera stops (limit 1 s)": (lambda: camera_fault("stopped"), None),
    "camera freezes: the same picture again and again (limit 1 s)": (lambda: camera_fault("frozen"), None),
    "emergency stop under a flood of pictures, 640x480 at 60 Hz": (flooded, 20),
}
