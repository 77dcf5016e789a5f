"""How fast the nodes stop, how steady they are, and whether topics cost success: processes on this machine, ROS 2 between.

    python benchmarks/ros.py [parts=stops,fuzz,images,latency,stream,picks] [rounds=5] [messages=10000] [minutes=1] [episodes=20]
        [seconds=30] [priority=0]

stops: the fault table (ros_faults.py), median and worst of `rounds` (a fake arm that follows).  fuzz: random messages on every
input of every node (ros_fuzz.py).  images: 640x480 at 30 Hz between two processes, share received.  latency: from an observation
to its command, beside a bare relay (ros_latency.py).  stream: intervals of the controller's 20 Hz commands while it works,
planning beside it, and of a bare timer in the same minutes.  picks: place-in-bowl by a sentence over topics beside the same
seeds in one process.  priority: of controller, relay and timer under SCHED_FIFO in stream, latency and picks (the gate's is
above it).
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import ros_faults
import ros_fuzz
import ros_latency
from options import leave, options

from embodied.errors import UserError
from ros_nodes import start, wire
from ros_nodes.fake import Bench
from ros_nodes.process import NEWEST, WHOLE, environment

HERE = Path(__file__).parent


def images() -> None:
    from sensor_msgs.msg import Image

    bench, got = Bench(), []
    bench.node.create_subscription(Image, "camera/front/image_raw", lambda m: got.append(len(m.data)), NEWEST)
    sender = subprocess.Popen([sys.executable, str(HERE / "flood.py"), "30", "180"])
    bench.until(lambda: sender.poll() is not None, 30.0)
    print(f"images: {len(got)} of 180 at 640x480, 30 Hz = {len(got) / 1.8:.0f} %; wanted 99 %")
    bench.close()


@dataclass
class Work:
    """What came of the sim's own sentences. good, tried: successes, of so many.
    runs: stamps (s) of the commands of each run.  beats: of a bare 20 Hz
    timer beside them.  active_s: from start to active.  again: sentences said again because the machine had made the simulator
    late."""

    good: int = 0
    tried: int = 0
    runs: list[list[float]] = field(default_factory=lambda: [[]])
    beats: list[float] = field(default_factory=list)
    active_s: float = 0.0
    again: int = 0


def work(seeds: range, minutes: float = 0.0, beside: bool = False, priority: int = 0) -> Work:
    """Carry them out; beside: with the bare timer. priority: of controller and timer, the gate's is above it; 0: none."""
    from builtin_interfaces.msg import Time
    from trajectory_msgs.msg import JointTrajectory

    bench, done = Bench(arm=False), Work()

    def note(command: JointTrajectory) -> None:
        """One without points is a "hold": the end of a run, and what the next one begins with."""
        if command.points:
            done.runs[-1].append(wire.seconds(command.header.stamp))
        elif done.runs[-1]:
            done.runs.append([])

    bench.node.create_subscription(JointTrajectory, "controller/command", note, WHOLE)
    bench.node.create_subscription(Time, "metronome", lambda m: done.beats.append(wire.seconds(m)), WHOLE)
    nodes = {
        "sim": start.command("sim_node", {"task": "place-in-bowl", "seed": seeds.start}),
        "gate": start.command("gate_node", {"priority": priority}),
        "controller": start.command("controller_node", {"priority": priority}),
    }
    if beside:
        nodes["metronome"] = [sys.executable, str(HERE / "metronome.py"), "--ros-args", "-p", f"priority:={priority}"]
    began = time.monotonic()
    with start.processes(nodes, stderr=subprocess.DEVNULL):
        bench.until(lambda: bench.heard.get("controller", {}).get("state") == "idle", 60.0)
        done.active_s = time.monotonic() - began
        bench.until(lambda: len(bench.heard) == 3, 30.0)
        until = time.monotonic() + 60 * minutes
        for k in seeds:
            done.again += bench.carry_out(bench.heard["sim"]["goal"])
            done.tried += 1
            done.good += bench.call("sim/success").success
            if minutes and time.monotonic() > until:
                break
            if k + 1 < seeds.stop:
                bench.heard.pop("sim")
                bench.call("sim/reset")
                bench.until(lambda: "sim" in bench.heard)
                # The arm is at its start at once, which no real one could be: carry_out resets the gate.
    bench.close()
    return done


def stream(minutes: float, priority: int) -> None:
    done = work(range(100, 1100), minutes, beside=True, priority=priority)
    print(
        "| 20 Hz | intervals | jitter p50, p99, ms | over 100 ms | when, s, and how long, ms |\n|---|---|---|---|---|"
    )
    for name, runs in (("the controller's commands", done.runs), ("a bare timer beside them", [done.beats])):
        gaps = np.array([gap for run in runs for gap in np.diff(run).tolist()])
        ends = np.array([at for run in runs for at in run[1:]]) - done.beats[0]
        p50, p99 = np.percentile(np.abs(gaps - 0.05) * 1e3, (50, 99))
        late = ", ".join(f"{at:.1f}: {gap * 1e3:.0f}" for at, gap in zip(ends, gaps, strict=True) if gap > 0.1)
        print(f"| {name} | {len(gaps)} | {p50:.1f}, {p99:.1f} | {np.sum(gaps > 0.1)} | {late} |")
    print(f"wanted p99 10 ms, 0.  From start to active: {done.active_s:.1f} s; wanted 5.  Said again: {done.again}")
    print(f"sentences carried out meanwhile: {done.good} of {done.tried}")


def picks(episodes: int, priority: int) -> None:
    from embodied.control.loop import run
    from policies.planner import Planner
    from sim.body import SimBody
    from sim.task import seed_of

    done = work(range(episodes), priority=priority)
    inside = 0
    for k in range(episodes):
        body = SimBody("place-in-bowl", split="seen")
        obs = body.reset(seed_of("seen", 0, k))
        run(body, Planner(body), body.goal, obs=obs)
        inside += body.success()
        body.close()
    print(
        f"picks: {done.good} of {episodes} over topics, {inside} in one process; wanted within 5 points.  "
        f"Said again: {done.again}"
    )


def main(arguments: list[str]) -> int:
    chosen = options(
        arguments, parts="stops,fuzz,images,latency,stream,picks", rounds=5, messages=10000, minutes=1, episodes=20,
        seconds=30, priority=0,
    )  # fmt: skip
    for key, value in (environment() | {"ROS_DOMAIN_ID": str(101 + os.getpid() % 100)}).items():
        os.environ.setdefault(key, value)
    priority = chosen["priority"]
    todo = {
        "stops": lambda: ros_faults.table(chosen["rounds"]), "fuzz": lambda: ros_fuzz.fuzz(chosen["messages"]),
        "images": images, "latency": lambda: ros_latency.latency(chosen["seconds"], priority),
        "stream": lambda: stream(chosen["minutes"], priority), "picks": lambda: picks(chosen["episodes"], priority),
    }  # fmt: skip
    parts = chosen["parts"].split(",")
    if unknown := sorted(set(parts) - todo.keys()):
        raise UserError(f"no part {unknown[0]!r}; choose from {', '.join(todo)}")
    for part in parts:
        todo[part]()
        print(f"({part}: {os.getloadavg()[0]:.1f} processes were waiting for {os.cpu_count()} cores)", flush=True)
    return 0


if __name__ == "__main__":
    leave(main)
