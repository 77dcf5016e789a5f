"""docs/ros2.md's picture and tables of the nodes, asked of the running nodes themselves, so that a test can check them.

python -m ros_nodes.graph          # prints the block between the document's two marks
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from rcl_interfaces.srv import DescribeParameters, GetParameters, ListParameters
from rclpy.parameter import parameter_value_to_python
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy

from embodied.errors import UserError
from ros_nodes import start
from ros_nodes.fake import Bench
from ros_nodes.process import environment

BEGIN, END = "<!-- asked of the running nodes: python -m ros_nodes.graph -->", "<!-- end -->"
# Namespaces: a vehicle's nodes are called as an arm's, a pen takes the controller's place and a fake arm the robot's, a recording
# the vehicle's.
CAR, PEN, TAPE = "car", "pen", "tape"
# What a topic holds, and in which unit; whatever the nodes have and this lacks is an error.
TOPICS = {
    "camera/<n>/camera_info": "intrinsics, px; the pictures must be rectified",
    "camera/<n>/depth": "32FC1 in m or 16UC1 in mm along the optical axis; 0 unknown",
    "camera/<n>/image_raw": "rgb8, bgr8, rgba8, bgra8, mono8",
    "camera/<n>/image_raw/compressed": "JPEG or PNG; in place of image_raw",
    "cmd_vel": "m/s and rad/s in the vehicle's frame; as the vehicle's file says",
    "camera/<n>/pose": "the camera in the base frame or in the frame its header names (`hand`), m",
    "clock": "the simulated world's time, or with `clock` the recording's, s",
    "controller/command": "rad and m, due at stamp + time_from_start; no points: stand still",
    "controller/decision": "what the driver does: keep, accelerate, brake, stop, turn left, turn right",
    "controller/hazard": "the driver's probability of a collision within 3 s if nobody acts",
    "controller/heartbeat": "50 Hz while a run is in charge",
    "controller/image": "the front picture with the plan beside it and the current step's points on it",
    "controller/instruction": "a sentence; an empty one stops",
    "controller/markers": "a ball at each grounded point, base frame, m",
    "controller/path": "where the driver goes: 60 poses of the next 6 s, base_link, m",
    "controller/plan": "JSON: goal, steps with points (share of width and height), at, refusal, ms",
    "controller/status": "JSON: state, goal, step, checked, p, reason",
    "controller/twist": "m/s and rad/s in the vehicle's frame",
    "dead_man": "true again and again while somebody holds the switch, 10 Hz or more",
    "diagnostics": "once a second and at every change",
    "draw/image": "a picture to draw",
    "draw/picture": "a path of a picture or SVG, or an SVG's text",
    "draw/status": "JSON: state, strokes done and in all, seconds, why not",
    "estop": "true stops",
    "gate/sent": "what goes to the robot, in all joints (rad, m) or as a twist (m/s, rad/s); in a dry run what would",
    "gate/status": "JSON: state, fault, dry_run, how often each rule acted",
    "joint_states": "rad and m; merged by name, partial messages and other joints are fine",
    "joint_trajectory_controller/joint_trajectory": "rad, m, rad/s, m/s; 0.25 s at most; as the robot's file says",
    "odom": "twist in the vehicle's frame, m/s and rad/s; pose in the frame odom, m, where it is known",
    "replay/decision": "as controller/decision, of the driver that drives along",
    "replay/hazard": "as controller/hazard",
    "replay/path": "as controller/path",
    "replay/status": "JSON: state, drive, t_s, length_s (known after the first round), rounds, why",
    "record/status": "JSON: state, goal, kept, dropped, missing",
    "robot_description": "URDF",
    "sim/goal": "the task's own sentence",
}
SERVICES = {
    "controller/estop": "stop, and gate/estop",
    "controller/replan": "the last instruction anew",
    "controller/reset_fault": "gate/reset_fault",
    "controller/set_enabled": "gate/set_enabled",
    "draw/cancel": "stop drawing, at once",
    "draw/pause": "stop when the stroke is drawn",
    "draw/resume": "go on",
    "replay/pause": "stand still, time too",
    "replay/resume": "go on",
    "gate/estop": "stop",
    "gate/reset_fault": "clear the fault; says why not, if not",
    "gate/set_enabled": "false: stand still, without a fault",
    "sim/reset": "lay the next table",
    "sim/success": "whether the goal is reached",
}
VEHICLE, DRIVER, ROAD, OTHERS = "vehicle gate", "driver", "simulated car", "you and the robot"
OWN = ("rosout", "parameter_events", "controller/transition_event")  # of every node


class Graph:
    """Nodes, and what each says, hears, offers and can be set to."""

    def __init__(self, bench: Bench, nodes: Mapping[str, str]) -> None:
        self.bench, self.nodes = bench, nodes
        self.out: dict[str, dict[str, tuple[str, str]]] = {name: {} for name in nodes}
        self.into: dict[str, dict[str, tuple[str, str]]] = {name: {} for name in nodes}
        self.services: dict[str, dict[str, str]] = {name: {} for name in nodes}
        known = {(space.rpartition("/")[0] or "/", space.rpartition("/")[2]): name for name, space in nodes.items()}
        for topic, kinds in bench.node.get_topic_names_and_types():
            short, kind = self.short(topic), kinds[0].replace("/msg/", "/")
            saying, hearing = (
                bench.node.get_publishers_info_by_topic(topic),
                bench.node.get_subscriptions_info_by_topic(topic),
            )
            for side, ends in ((self.out, saying), (self.into, hearing)):
                for one in ends:
                    name = known.get((one.node_namespace, one.node_name))
                    if name is not None and short not in OWN:
                        before = side[name][short][1].split(", ") if short in side[name] else []
                        side[name][short] = kind, ", ".join(sorted({*before, _quality(one.qos_profile)}))
        for name, space in nodes.items():
            inside, _, node = space.rpartition("/")
            for service, kinds in bench.node.get_service_names_and_types_by_node(node, inside or "/"):
                if not kinds[0].startswith(("rcl_interfaces", "type_description", "lifecycle_msgs")):
                    self.services[name][self.short(service)] = kinds[0].replace("/srv/", "/")

    def short(self, name: str) -> str:
        name = name.removeprefix(f"/{CAR}").removeprefix(f"/{PEN}").removeprefix(f"/{TAPE}").lstrip("/")
        for camera in ("front", "wrist"):
            name = name.replace(f"camera/{camera}/", "camera/<n>/")
        return name

    def space(self, node: str) -> str:
        return self.nodes[node].rpartition("/")[0]

    def _ask(self, kind: Any, service: str, **given: Any) -> Any:
        client = self.bench.node.create_client(kind, service)
        self.bench.until(client.service_is_ready)
        future = client.call_async(kind.Request(**given))
        self.bench.until(future.done)
        return future.result()

    def parameters(self, name: str) -> list[tuple[str, str, str, str]]:
        """Name, type, default, what; without those of every node."""
        space = self.nodes[name]
        of_all = ("use_sim_time", "start_type_description_service")
        names = [
            n for n in sorted(self._ask(ListParameters, f"{space}/list_parameters").result.names) if n not in of_all
        ]
        described = self._ask(DescribeParameters, f"{space}/describe_parameters", names=names).descriptors
        values = self._ask(GetParameters, f"{space}/get_parameters", names=names).values
        out = []
        for one, value in zip(described, values, strict=True):
            is_now = "must be given" if one.name == "out" else repr(parameter_value_to_python(value))
            kind = type(parameter_value_to_python(value)).__name__
            out.append((one.name, kind, is_now, one.description))
        return out

    def picture(self) -> list[str]:
        """Mermaid: who says what to whom; `you and the robot` stands for all that is not ours."""
        edges: dict[tuple[str, str], set[str]] = defaultdict(set)
        for one in self.nodes:
            mates = [other for other in self.nodes if self.space(other) == self.space(one)]
            for topic in self.out[one]:
                for other in [mate for mate in mates if topic in self.into[mate]] or [OTHERS]:
                    edges[one, other].add(topic)
            for topic in self.into[one]:
                if not any(topic in self.out[mate] for mate in mates):
                    edges[OTHERS, one].add(topic)
        lines = []
        for (a, b), topics in sorted(edges.items()):
            words = "<br/>".join(topic.replace("<n>", "n") for topic in sorted(topics))
            lines.append(f'  {a.replace(" ", "_")}["{a}"] -->|"{words}"| {b.replace(" ", "_")}["{b}"]')
        return ["```mermaid", "flowchart LR", *lines, "```"]

    def tables(self, name: str) -> list[str]:
        """Markdown: its topics, services and parameters."""
        lines = ["| topic | type | QoS | what |", "|---|---|---|---|"]
        for side, topics in (("in", self.into[name]), ("out", self.out[name])):
            for topic, (kind, quality) in sorted(topics.items()):
                lines.append(f"| {side} `{topic}` | {kind} | {quality} | {_says(TOPICS, topic)} |")
        if self.services[name]:
            lines += ["", "| service | type | what |", "|---|---|---|"]
            lines += [
                f"| `{one}` | {kind} | {_says(SERVICES, one)} |" for one, kind in sorted(self.services[name].items())
            ]
        lines += ["", "| parameter | type | default | what |", "|---|---|---|---|"]
        return lines + [f"| `{key}` | {kind} | {value} | {says} |" for key, kind, value, says in self.parameters(name)]


def settled(bench: Bench, nodes: Mapping[str, str], still_s: float = 10.0) -> Graph:
    """The graph once it has been the same for so long: what a node offers becomes known piece by piece, after the node itself.

    A datagram of the discovery that is lost comes again with its writer's next heartbeat: every 3 s in Fast DDS, by default.
    """
    latest, since = Graph(bench, nodes), time.monotonic()

    def still() -> bool:
        nonlocal latest, since
        now = Graph(bench, nodes)
        if (now.out, now.into, now.services) != (latest.out, latest.into, latest.services):
            latest, since = now, time.monotonic()
        return time.monotonic() - since >= still_s

    bench.until(still, 60.0)
    return latest


def _quality(profile: Any) -> str:
    latched = profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
    return (
        "latched" if latched else "best effort" if profile.reliability == ReliabilityPolicy.BEST_EFFORT else "reliable"
    )


def _says(table: Mapping[str, str], name: str) -> str:
    if name not in table:
        raise UserError(f"{name} is a topic or service of a node, and ros_nodes/graph.py does not say what it is")
    return table[name]


def block() -> str:
    """What stands in the document, from nodes that run now."""
    bench = Bench(arm=False)
    nodes = {
        "controller": "/controller",
        "gate": "/gate",
        "record": "/record",
        "sim": "/sim",
        "draw": f"/{PEN}/draw",
        "fake": f"/{PEN}/fake",
        VEHICLE: f"/{CAR}/gate",
        DRIVER: f"/{CAR}/controller",
        ROAD: f"/{CAR}/sim",
        "replay": f"/{TAPE}/replay",
    }
    with tempfile.TemporaryDirectory() as out:
        commands = {
            "sim": start.command("sim_node", {}), "gate": start.command("gate_node", {}),
            "controller": start.command("controller_node", {}), "record": start.command("record_node", {"out": out}),
            "draw": start.command("draw_node", {}, PEN), "fake": start.command("fake_node", {}, PEN),
            VEHICLE: start.command("vehicle_gate_node", {}, CAR),
            DRIVER: start.command("driver_node", {}, CAR), ROAD: start.command("sim_car_node", {}, CAR),
            "replay": start.command("replay_node", {}, TAPE),
        }  # fmt: skip
        for name in ("record", f"{PEN}/draw", f"{CAR}/gate", f"{CAR}/controller", f"{TAPE}/replay"):
            bench.hear(name)
        with start.processes(commands, stderr=subprocess.DEVNULL):
            bench.until(lambda: len(bench.heard) == 8 and bench.heard["controller"].get("state") == "idle", 180.0)
            graph = settled(bench, nodes)
            lines = [BEGIN, "", *graph.picture()]
            for name in nodes:
                lines += ["", f"### {name}", "", *graph.tables(name)]
    bench.close()
    return "\n".join([*lines, "", END])


def main() -> int:
    for key, value in environment().items():
        os.environ.setdefault(key, value)
    # Where nobody else is: of two nodes of one name the graph tells what one of them offers, a stranger's perhaps.
    os.environ["ROS_DOMAIN_ID"] = str(1 + (int(os.environ.get("ROS_DOMAIN_ID") or 0) + 50) % 100)
    print(block())
    return 0


if __name__ == "__main__":
    sys.exit(main())
