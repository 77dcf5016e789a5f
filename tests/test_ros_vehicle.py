"""A vehicle's gate as a process: what it is sent it does while somebody holds the switch; and descriptions that are topics."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path as Folder
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytestmark = pytest.mark.ros
os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 100)
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"

import rclpy  # noqa: E402
from nav_msgs.msg import Odometry  # noqa: E402
from sensor_msgs.msg import PointCloud2, PointField  # noqa: E402
from std_msgs.msg import Bool, String  # noqa: E402
from test_robots import MAKERS, chain  # noqa: E402

from embodied.data import clouds  # noqa: E402
from embodied.drive import above  # noqa: E402
from embodied.errors import UserError  # noqa: E402
from embodied.spec import BodySpec, Channels  # noqa: E402
from ros_nodes import start  # noqa: E402
from ros_nodes.controller_node import ControllerNode  # noqa: E402
from ros_nodes.description import described  # noqa: E402
from ros_nodes.driver_node import DriverNode  # noqa: E402
from ros_nodes.fake import Base, Bench  # noqa: E402
from ros_nodes.process import LATCHED, RELIABLE  # noqa: E402
from ros_nodes.vehicle_body import VehicleWire  # noqa: E402
from ros_nodes.vehicles import FOLDER, vehicle  # noqa: E402


@pytest.fixture
def driver() -> Iterator[Base]:
    made = Base()
    with start.processes(
        {"gate": start.command("vehicle_gate_node", {"robot": "diff_drive", "dry_run": False, "armed": True})}
    ):
        made.until(lambda: "gate" in made.heard, 20.0, made.drive)
        made.until(lambda: made.moves[0] > 0.3, every=made.drive)
        yield made
    made.close()


def test_it_drives_within_its_limits_and_stands_when_the_switch_is_let_go(driver: Base) -> None:
    driver.until(lambda: np.allclose(driver.moves, [0.4, 0.0, 0.5]), every=driver.drive)  # it cannot go sideways
    driver.held = False
    driver.until(lambda: not driver.moves.any() and driver.heard["gate"]["state"] == "released", every=driver.drive)
    driver.held = True
    driver.until(lambda: driver.moves[0] > 0.3, every=driver.drive)
    assert driver.call("gate/estop").success
    driver.until(lambda: not driver.moves.any() and driver.heard["gate"]["state"] == "fault", every=driver.drive)


def test_silence_is_a_stop(driver: Base) -> None:
    driver.until(lambda: not driver.moves.any(), 5.0)  # nobody says anything any more
    driver.until(lambda: driver.heard["gate"].get("fault", "").startswith("odometry"), 5.0)


def test_an_emergency_stop_that_has_to_be_repeated() -> None:
    made = Base()
    given = {"robot": "diff_drive", "dry_run": False, "armed": True, "estop_timeout": 0.5}

    def all_is_well() -> None:
        made.drive()
        made.estop.publish(Bool(data=False))

    with start.processes({"gate": start.command("vehicle_gate_node", given)}):
        made.until(lambda: made.heard.get("gate", {}).get("state") == "fault", 20.0, made.drive)  # nobody repeats it
        assert "silent" in made.heard["gate"]["fault"]
        made.until(lambda: made.call("gate/reset_fault", all_is_well).success, 20.0, all_is_well)
        made.until(lambda: made.moves[0] > 0.3, every=all_is_well)
        made.until(lambda: "silent" in made.heard["gate"]["fault"], 5.0, made.drive)
    made.close()


def test_the_simulated_car_is_driven_by_a_driver_through_its_gate_and_stands_when_it_is_told_to(
    tmp_path: Folder,
) -> None:
    from nav_msgs.msg import Path

    patient = tmp_path / "patient.yaml"
    patient.write_text((FOLDER / "sim_car.yaml").read_text() + "watchdog: 0.5\n")
    made, moves, paths = Bench(arm=False), list[float](), list[Any]()
    take = made.node.create_subscription
    take(Odometry, "odom", lambda m: moves.append(m.twist.twist.linear.x), RELIABLE)
    take(Path, "controller/path", paths.append, RELIABLE)
    said = made.node.create_publisher(String, "controller/instruction", LATCHED)
    nodes = {
        "sim": start.command("sim_car_node", {"seed": 3}),
        "gate": start.command("vehicle_gate_node", {"robot": str(patient)}),
        "controller": start.command("driver_node", {"driver": "cruise"}),
    }
    with start.processes(nodes):
        made.until(lambda: made.heard.get("controller", {}).get("state") == "idle" and "gate" in made.heard, 30.0)
        assert not any(moves)
        said.publish(String(data="follow the road"))
        made.until(lambda: moves and moves[-1] > 4.0, 30.0)
        assert made.heard["controller"]["goal"] == "follow the road" and len(paths[-1].poses) == 60
        assert paths[-1].poses[-1].pose.position.x > 20.0  # of 6 s
        said.publish(String(data=""))
        made.until(lambda: moves[-1] < 0.05, 10.0)
        said.publish(String(data="follow the road"))
        made.until(lambda: moves[-1] > 2.0, 30.0)
        assert made.call("gate/estop").success
        made.until(lambda: moves[-1] < 0.05, 10.0)
        made.until(lambda: made.heard["controller"]["state"] == "stopped")
        assert made.heard["controller"]["reason"] == "gate: emergency stop"
        count = len(moves)
        made.until(lambda: len(moves) > count + 20)  # nothing goes on by itself
        assert max(moves[-10:]) < 0.05
    made.close()


def test_a_robot_is_described_by_a_topic_or_said_not_to_be() -> None:
    bench = Bench(arm=False)
    with pytest.raises(UserError, match="nothing came on robot_description within 0 s; start the robot's"):
        described("ur5e", bench.context, wait_s=0.3)
    said = bench.node.create_publisher(String, "robot_description", LATCHED)
    said.publish(String(data=chain(MAKERS["so101"], "gripper_frame_link")))
    assert described("so101", bench.context).limits.names[0] == "shoulder_pan"
    with start.processes({"gate": start.command("gate_node", {"robot": "so101"})}):
        bench.until(lambda: "gate" in bench.heard, 20.0)
        assert bench.heard["gate"]["dry_run"] and "just started" in bench.heard["gate"]["fault"], json.dumps(
            bench.heard
        )
    bench.close()


class Slow:
    """A planner or driver that computes until it is told to go on, and notes what is asked of it."""

    def __init__(self) -> None:
        self.begun, self.go_on, self.asked, self.model = threading.Event(), threading.Event(), list[str](), None

    def reset(self) -> None:
        self.asked.append("reset")

    def begin(self, spec: Any) -> None:
        self.plan(None, spec.facts["task"]) if "task" in spec.facts else self.reset()

    def plan(self, obs: Any, goal: str) -> None:
        self.asked.append(f"{goal} begins")
        self.begun.set()
        self.go_on.wait(20.0)
        self.asked.append(f"{goal} ends")


@pytest.mark.parametrize("kind", [ControllerNode, DriverNode])
def test_a_run_waits_for_what_the_one_before_still_computes(
    kind: type[ControllerNode], monkeypatch: pytest.MonkeyPatch
) -> None:
    rclpy.init(args=["--ros-args", "-p", "autostart:=false"])
    node, slow = kind(), Slow()
    node.made = slow
    ego = Channels(("speed",), ("m/s",), (0.0,), (9.0,), 20.0)
    body = SimpleNamespace(spec=BodySpec("car", {}, {"ego": ego}, ego))
    old = node.policy(body)
    left = threading.Thread(target=old.plan, args=(None, "old"), daemon=True)
    left.start()
    slow.begun.wait()
    monkeypatch.setattr("ros_nodes.controller_node.BUSY_S", 0.01)
    with pytest.raises(UserError, match="still computes for the sentence before"):
        node.policy(body)
    monkeypatch.setattr("ros_nodes.controller_node.BUSY_S", 5.0)
    threading.Timer(0.0, slow.go_on.set).start()
    new = node.policy(body)
    left.join()
    new.plan(None, "new")
    with pytest.raises(RuntimeError, match="another run"):
        old.plan(None, "old")
    assert slow.asked == ["reset", "old begins", "old ends", "reset", "new begins", "new ends"]
    node.destroy_node()
    rclpy.try_shutdown()


def test_a_lidar_is_looked_at_while_it_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform((1.0, -20.0, 0.0), (40.0, 20.0, 2.0), (500, 3)).astype("<f4")
    message = PointCloud2(height=1, width=len(points), point_step=12, row_step=12 * len(points), data=points.tobytes())
    message.fields = [
        PointField(name=n, offset=4 * k, datatype=PointField.FLOAT32, count=1) for k, n in enumerate("xyz")
    ]
    rclpy.init()
    node = rclpy.create_node("looks")
    try:
        wires = [VehicleWire(node, replace(vehicle("diff_drive"), lidar=lidar)) for lidar in (True, False)]
        assert [one.topic_name for one in node.subscriptions if one.msg_type is PointCloud2] == ["/points"]
        now = [10.0]
        for one in wires:
            monkeypatch.setattr(one, "now_s", lambda: now[0])
            one.take_odometry(Odometry())
        assert "lidar" not in wires[0].observe().images
        wires[0].take_points(message)
        np.testing.assert_array_equal(wires[0].observe().images["lidar"], above.raster(clouds.cloud(message)))
        assert wires[0].observe().images["lidar"].any()
        assert [one.spec.facts for one in wires] == [{"lidar": "from above"}, {}]
        now[0] += 0.6
        wires[0].take_odometry(Odometry())
        assert "lidar" not in wires[0].observe().images
    finally:
        node.destroy_node()
        rclpy.shutdown()
