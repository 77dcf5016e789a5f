"""Messages become episodes: what the dataset holds is what was sensed and what was sent, from a bag as from topics."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("rosbags")
pytestmark = pytest.mark.ros
os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 100)
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"

from geometry_msgs.msg import PoseStamped  # noqa: E402
from rclpy.serialization import serialize_message  # noqa: E402
from rosbags.rosbag2 import Writer  # noqa: E402
from rosbags.serde import SerdeError  # noqa: E402
from rosbags.typesys import Stores, get_typestore  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402
from std_msgs.msg import String  # noqa: E402
from trajectory_msgs.msg import JointTrajectory  # noqa: E402

from embodied.cli import main  # noqa: E402
from embodied.data.dataset import Dataset  # noqa: E402
from embodied.types import Command  # noqa: E402
from ros_nodes import wire  # noqa: E402
from ros_nodes.robots import robot  # noqa: E402
from sim.body import SimBody  # noqa: E402

GOAL = "put the red block in the blue bowl"
TICKS = 12


class Bag:
    """A rosbag2 that is written message by message."""

    def __init__(self, path: Path) -> None:
        self.writer, self.types, self.connections = Writer(path, version=9), get_typestore(Stores.ROS2_JAZZY), {}
        self.writer.open()

    def add(self, topic: str, message: object, at_s: float) -> None:
        kind = type(message).__module__.split(".")[0] + "/msg/" + type(message).__name__
        if topic not in self.connections:
            self.connections[topic] = self.writer.add_connection(topic, kind, typestore=self.types)
        data = serialize_message(message)
        for spare in range(0, 16, 4):  # what rclpy serialises ends in bytes that no middleware sends
            with contextlib.suppress(SerdeError):
                self.types.deserialize_cdr(data[: len(data) - spare], kind)
                break
        self.writer.write(self.connections[topic], round(at_s * 1e9), data[: len(data) - spare])


def drive(
    bag: Bag, body: SimBody, at_s: float, end: str
) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
    """One run of the controller: what was sensed (joints, front pictures) and commanded at every tick."""
    panda, commands, joints, fronts = robot("sim"), [], [], []
    servo = body.robot._servo
    bag.add("/controller/status", String(data=json.dumps({"state": "running", "goal": GOAL})), at_s)
    steps = [{"text": "pick red block", "points": [[0.5, 0.5]]}]
    bag.add("/controller/plan", String(data=json.dumps({"goal": GOAL, "at": 0, "steps": steps})), at_s)
    for k in range(TICKS):
        seen, now = body.observe(), at_s + 0.05 * k + 0.01
        arm, q = seen.states["arm"][-1], seen.states["joints"][-1]
        for name, spec in body.spec.cameras.items():
            pose = PoseStamped(pose=wire.pose_message(spec.parent_from_cam))
            pose.header.frame_id = spec.parent
            bag.add(f"/camera/{name}/camera_info", wire.camera_message(spec, name, now), now)
            bag.add(f"/camera/{name}/pose", pose, now)
            bag.add(f"/camera/{name}/image_raw", wire.image_message(seen.images[name], name, now), now)
        message = JointState(name=list(panda.names), position=[*q.tolist(), panda.grip(float(arm[4]))])
        bag.add("/joint_states", message, now)
        command = Command(now, np.array([0.5, 0.1, 0.3, 0.2, 0.03 + 0.001 * k], np.float32))
        body.apply(command)
        row = np.append(servo.q, panda.grip(float(command.values[4])))
        bag.add("/gate/sent", wire.trajectory_message(panda.names, np.array([0.05]), row[None], now), now)
        joints.append(q)
        fronts.append(seen.images["front"])
        commands.append(np.array([*servo.aim_of(servo.q), command.values[4]]))  # where the joints sent put the hand
    bag.add("/controller/status", String(data=json.dumps({"state": end, "goal": GOAL})), at_s + 0.05 * TICKS + 0.02)
    return joints, fronts, commands


def test_a_bag_of_two_runs_becomes_the_episode_that_succeeded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    body, bag = SimBody("place-in-bowl"), Bag(tmp_path / "bag")
    body.reset(3)
    joints, fronts, commands = drive(bag, body, 1000.0, "succeeded")
    drive(bag, body, 1010.0, "stopped")
    bag.writer.close()
    body.close()
    assert main(["ros", "record", f"bag={tmp_path / 'bag'}", f"out={tmp_path / 'data'}"]) == 0
    assert "1 episodes" in capsys.readouterr().out
    made = Dataset(tmp_path / "data")
    assert len(made.episodes) == 1 and made.episodes[0].tasks == (GOAL,) and len(made) == TICKS
    np.testing.assert_allclose(made.states["joints"], joints, atol=1e-6)
    np.testing.assert_allclose(made.column("action"), commands, atol=1e-5)
    assert np.abs(made.pictures("front", 0).astype(int) - np.array(fronts)).mean() < 5
    assert set(made.text("step")) == {"pick red block <x064><y064>"}
    assert main(["ros", "record", f"bag={tmp_path / 'bag'}", f"out={tmp_path / 'all'}", "keep=all"]) == 0
    assert len(Dataset(tmp_path / "all").episodes) == 2
    assert main(["ros", "record", f"bag={tmp_path / 'bag'}", f"out={tmp_path / 'one'}", "task=pick it up"]) == 0
    assert [e.tasks for e in Dataset(tmp_path / "one").episodes] == [("pick it up",)]


def test_what_is_no_bag_or_lacks_a_topic_is_said_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = Bag(tmp_path / "bag")
    bag.add("/chatter", String(data="hello"), 1.0)
    bag.writer.close()
    given = (
        ([f"bag={tmp_path / 'bag'}"], "no /joint_states; it has /chatter"),
        ([f"bag={tmp_path / 'bag'}", "robot=ur5e"], "no /robot_description"),
        ([f"bag={tmp_path / 'none'}"], "no rosbag2"),
        (["keep=some"], "choose from succeeded"),
        (["robot=r2d2"], "no robot 'r2d2'"),
    )
    for words, says in given:
        assert main(["ros", "record", f"out={tmp_path / 'data'}", *words]) == 2 and says in capsys.readouterr().err
    assert main(["ros", "record"]) == 2 and "out= is missing" in capsys.readouterr().err


def test_topics_become_an_episode_while_the_robot_works(tmp_path: Path) -> None:
    """A robot without cameras, whose run is told to succeed."""
    from ros_nodes import robots, start
    from ros_nodes.fake import Bench
    from ros_nodes.process import LATCHED, RELIABLE

    blind = (
        (robots.FOLDER / "sim.yaml").read_text().replace("[front, wrist]", "[]").replace("fixed: [front]", "fixed: []")
    )
    (tmp_path / "blind.yaml").write_text(blind)
    bench, out = Bench(), tmp_path / "data"
    status = bench.node.create_publisher(String, "controller/status", LATCHED)
    sent = bench.node.create_publisher(JointTrajectory, "gate/sent", RELIABLE)
    target = bench.at + np.array([0.3, 0, 0, 0, 0, 0, 0, -0.01])

    def work() -> None:
        bench.measure()
        sent.publish(wire.trajectory_message(bench.names, np.array([0.05]), target[None], 0.0))

    def said(state: str) -> None:
        status.publish(String(data=json.dumps({"state": state, "goal": GOAL})))

    bench.hear("record")
    given = {"robot": str(tmp_path / "blind.yaml"), "out": str(out)}
    with start.processes({"record": start.command("record_node", given)}):
        bench.until(lambda: bench.heard.get("record", {}).get("state") == "waiting", 20.0, work)
        said("running")
        bench.until(lambda: bench.heard["record"]["state"] == "recording", every=work)
        ticks = iter(range(30))
        bench.until(lambda: next(ticks, None) is None, every=work)
        said("succeeded")
        bench.until(lambda: bench.heard["record"]["kept"] == 1, every=work)
    bench.close()
    made, panda = Dataset(out), robot("sim")
    assert [one.tasks for one in made.episodes] == [(GOAL,)] and not made.cameras
    np.testing.assert_allclose(made.column("action")[:, :3], [panda.reached(target)] * len(made), atol=1e-5)
    np.testing.assert_allclose(made.column("action")[:, 4], 2 * target[-1], atol=1e-6)
    np.testing.assert_allclose(made.states["joints"], [bench.at[:-1]] * len(made), atol=1e-6)
