"""A recorded drive over topics is the recorded drive, and so is what its driver says."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytestmark = pytest.mark.ros
os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 100)
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"

from nav_msgs.msg import Odometry, Path  # noqa: E402
from rclpy.qos import QoSProfile  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402
from sensor_msgs.msg import CameraInfo, CompressedImage, Image  # noqa: E402
from std_msgs.msg import Float32, String  # noqa: E402

from embodied import registry  # noqa: E402
from embodied.data import drives  # noqa: E402
from embodied.drive import sample  # noqa: E402
from embodied.drive.forecast import Forecast  # noqa: E402
from embodied.drive.replay import Replay  # noqa: E402
from embodied.types import Command  # noqa: E402
from ros_nodes import start, wire  # noqa: E402
from ros_nodes.fake import Bench  # noqa: E402
from ros_nodes.process import LATCHED, NEWEST  # noqa: E402
from ros_nodes.replay_node import FIRST_S  # noqa: E402

MANY = QoSProfile(depth=2000)
RATE = 4.0


class Viewer(Bench):
    """Keeps all that a replay says."""

    def __init__(self) -> None:
        super().__init__(arm=False)
        self.hear("replay")
        self.came: dict[str, list[Any]] = {}
        kinds = {
            "odom": Odometry,
            "/clock": Clock,
            "replay/path": Path,
            "replay/decision": String,
            "replay/hazard": Float32,
        }
        for topic, kind in kinds.items():
            self.keep(topic, kind, NEWEST if topic == "/clock" else MANY)
        self.keep("camera/front/image_raw", Image, NEWEST)
        self.keep("camera/front/camera_info", CameraInfo, LATCHED)

    def keep(self, topic: str, kind: type, quality: QoSProfile) -> None:
        kept = self.came.setdefault(topic, [])
        self.node.create_subscription(kind, topic, kept.append, quality)

    @property
    def state(self) -> str:
        return str(self.heard.get("replay", {}).get("state"))


@pytest.fixture
def viewer() -> Iterator[Viewer]:
    made = Viewer()
    yield made
    made.close()


def spoken() -> tuple[list[Any], list[Forecast]]:
    """The sample's moments as recorded, and what the prior says of each, in this process."""
    drive, driver = drives.read(sample())[0], registry.build("driver", "relaxing")
    raw, body, said = list(drive.stream()), Replay(drive), []
    obs = body.reset()
    driver.begin(body.spec)
    while not body.ended:
        said.append(driver(obs))
        body.apply(Command(obs.t_s, np.zeros(len(body.spec.action.names), np.float32)))
        obs = body.observe()
    return raw, said


def test_what_comes_over_topics_is_what_was_recorded_and_what_the_driver_says_of_it(viewer: Viewer) -> None:
    command = start.command("replay_node", {"rate": RATE, "clock": True, "paused": True})
    with start.processes({"replay": command}):
        viewer.until(lambda: viewer.state == "paused", 20.0)
        assert viewer.call("replay/resume").success
        viewer.until(lambda: viewer.state == "finished", 60.0)
        assert viewer.heard["replay"]["length_s"] == pytest.approx(viewer.heard["replay"]["t_s"], abs=1e-3)
        raw, said = spoken()
        odometry, paths = viewer.came["odom"], viewer.came["replay/path"]
        viewer.until(lambda: len(odometry) == len(paths) == len(viewer.came["replay/hazard"]) == len(raw))
    pictures = {wire.seconds(m.header.stamp): m for m in viewer.came["camera/front/image_raw"]}
    assert len(pictures) > 50  # best effort, and four times as fast as it was recorded
    by_time = {round(FIRST_S + obs.t_s, 6): k for k, obs in enumerate(raw)}
    for message in odometry[::7]:
        obs = raw[by_time[round(wire.seconds(message.header.stamp), 6)]]
        at, turned = message.pose.pose.position, message.pose.pose.orientation
        yaw = 2 * np.arctan2(turned.z, turned.w)
        pose = obs.states["pose"][-1]
        np.testing.assert_allclose([at.x, at.y], pose[:2], atol=1e-6)
        assert np.cos(yaw - pose[2]) == pytest.approx(1.0)
        assert message.twist.twist.linear.x == pytest.approx(float(obs.states["ego"][-1, 0]))
    for when in list(pictures)[::40]:
        np.testing.assert_array_equal(wire.picture(pictures[when]), raw[by_time[round(when, 6)]].images["front"])
    for message in paths[::7]:
        k = by_time[round(wire.seconds(message.header.stamp), 6)]
        points = [(p.pose.position.x, p.pose.position.y) for p in message.poses]
        np.testing.assert_allclose(points, said[k].path, atol=1e-9)
    assert [m.data for m in viewer.came["replay/decision"]] == [s.decision for s in said]
    np.testing.assert_allclose([m.data for m in viewer.came["replay/hazard"]], [s.hazard for s in said], atol=1e-6)
    ticks = [wire.seconds(m.clock) for m in viewer.came["/clock"]]
    assert np.all(np.diff(ticks) > 0) and ticks[-1] == pytest.approx(FIRST_S + raw[-1].t_s)
    assert viewer.came["camera/front/camera_info"][0].width == raw[0].images["front"].shape[1]


def test_it_pauses_goes_on_and_begins_anew_with_a_clock_that_never_goes_back(viewer: Viewer) -> None:
    viewer.keep("camera/front/image_raw/compressed", CompressedImage, NEWEST)
    given = {"rate": 20.0, "clock": True, "loop": True, "compressed": True, "driver": ""}
    with start.processes({"replay": start.command("replay_node", given)}):
        viewer.until(lambda: len(viewer.came["odom"]) > 5, 20.0)
        viewer.call("replay/pause")
        stands = {
            viewer.call("replay/pause").message for _ in range(5)
        }  # each a round trip, in which nothing is played
        assert len(stands) == 1 and "paused at" in stands.pop()
        assert viewer.call("replay/resume").success
        viewer.until(lambda: viewer.heard["replay"]["rounds"] >= 2, 60.0)
    picture = wire.picture(viewer.came["camera/front/image_raw/compressed"][0])
    assert picture.dtype == np.uint8 and picture.shape[2] == 3
    assert np.all(np.diff([wire.seconds(m.header.stamp) for m in viewer.came["odom"]]) > 0)
    assert not viewer.came["replay/path"]


def test_a_bag_of_a_replay_is_replayed_as_it_was(viewer: Viewer, tmp_path: Any) -> None:
    pytest.importorskip("rosbags")
    from tests.test_ros_record import Bag

    def replayed(**given: Any) -> list[Odometry]:
        for kept in viewer.came.values():
            kept.clear()
        viewer.heard.clear()
        given |= {"rate": 10.0, "clock": True, "paused": True, "driver": ""}
        with start.processes({"replay": start.command("replay_node", given)}):
            viewer.until(lambda: viewer.state == "paused", 20.0)
            assert viewer.call("replay/resume").success
            viewer.until(lambda: viewer.state == "finished", 60.0)
            ends = FIRST_S + viewer.heard["replay"]["t_s"]  # what is said of the end may be here before the end itself
            viewer.until(lambda: wire.seconds(viewer.came["odom"][-1].header.stamp) > ends - 1e-3)
            viewer.until(lambda: viewer.came["camera/front/image_raw"])
        return list(viewer.came["odom"])

    first, bag = replayed(), Bag(tmp_path / "bag")
    for message in first:
        bag.add("/odometry", message, wire.seconds(message.header.stamp))
    pictures = list(viewer.came["camera/front/image_raw"])
    for message in pictures:
        bag.add("/eye", message, wire.seconds(message.header.stamp))
    bag.writer.close()
    again = replayed(drive=str(tmp_path / "bag"), topics="image=/eye odom=/odometry")

    def moving(messages: list[Odometry]) -> tuple[np.ndarray, np.ndarray]:
        stamps = [wire.seconds(m.header.stamp) for m in messages]
        return np.array(stamps), np.array([[m.pose.pose.position.x, m.twist.twist.linear.x] for m in messages])

    (t, values), (t_again, values_again) = moving(first), moving(again)
    assert len(again) == len(pictures)  # a moment of a drive with pictures is a picture's
    begins = wire.seconds(pictures[0].header.stamp)
    for column in (0, 1):
        wanted = np.interp(t_again - t_again[0] + begins, t, values[:, column])
        np.testing.assert_allclose(
            values_again[:, column] - values_again[0, 0] * (1 - column), wanted - wanted[0] * (1 - column), atol=1e-3
        )
    shown = viewer.came["camera/front/image_raw"]
    by_time = {round(wire.seconds(m.header.stamp) - begins, 3): m for m in pictures}
    same = [(m, by_time[k]) for m in shown if (k := round(wire.seconds(m.header.stamp) - t_again[0], 3)) in by_time]
    assert len(same) > len(shown) // 2
    for one, other in same[::20]:
        np.testing.assert_array_equal(wire.picture(one), wire.picture(other))


def test_what_cannot_be_replayed_is_said_in_a_sentence(tmp_path: Any) -> None:
    import subprocess

    for given, words in (
        ({"drive": str(tmp_path / "none")}, "there is no drive"), ({"rate": 0.0}, "above 0"), ({"driver": "me"}, "unknown driver"),
        ({"only": "moon"}, "in its name"),
    ):  # fmt: skip
        ended = subprocess.run(start.command("replay_node", given), capture_output=True, text=True, timeout=60)
        assert ended.returncode == 2 and words in ended.stderr and "Traceback" not in ended.stderr, ended.stderr
