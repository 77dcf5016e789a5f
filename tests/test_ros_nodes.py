"""The nodes as processes: a sentence becomes motion, every fault ends it, nothing stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytestmark = pytest.mark.ros
os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 100)
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"

from embodied.control.priority import first  # noqa: E402
from ros_nodes import start  # noqa: E402
from ros_nodes.fake import BLIND, PATIENCE, PATIENT, Bench, variant  # noqa: E402


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()


@pytest.fixture
def gate(bench: Bench, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A gate whose robot moves."""
    robot = variant(tmp_path, *PATIENT, more=PATIENCE)
    with start.processes({"gate": start.command("gate_node", {"robot": robot})}) as running:
        bench.until(lambda: "gate" in bench.heard, 20.0)
        bench.until(
            lambda: len(bench.sent) > 20 and np.abs(bench.sent[-1][1] - bench.sent[0][1]).max() > 0.01,
            every=bench.moving,
        )
        yield running["gate"]


FAULTS = {
    "nan": lambda bench: bench.move(np.full(8, np.nan)),
    "a joint missing": lambda bench: bench.move(np.zeros(7), bench.names[:7]),
    "another joint": lambda bench: bench.move(np.zeros(8), (*bench.names[:7], "elbow")),
    "emergency stop": lambda bench: bench.call("gate/estop"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_stops_the_arm_until_it_is_reset(fault: str, bench: Bench, gate: subprocess.Popen[bytes]) -> None:
    FAULTS[fault](bench)
    bench.until(lambda: bench.heard["gate"]["state"] == "fault", every=bench.moving)
    held, count = bench.sent[-1][1], len(bench.sent)
    bench.until(lambda: len(bench.sent) > count + 20, every=bench.moving)  # commands go on coming
    assert np.abs(bench.sent[-1][1] - held).max() < 1e-9
    assert bench.call("gate/reset_fault").success
    bench.until(lambda: np.abs(bench.sent[-1][1] - held).max() > 0.01, every=bench.moving)


def test_an_emergency_stop_is_heard_from_a_publisher_that_keeps_no_messages_for_later(
    bench: Bench, gate: subprocess.Popen[bytes]
) -> None:
    from rclpy.qos import QoSProfile, ReliabilityPolicy
    from std_msgs.msg import Bool

    plain = bench.node.create_publisher(Bool, "estop", QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT))

    def pressed() -> bool:
        plain.publish(Bool(data=True))
        return bench.heard["gate"]["state"] == "fault"

    bench.until(pressed, every=bench.moving)
    assert bench.call("gate/reset_fault").message == "the topic estop still says true"
    # Whose word a false is nobody can tell: while there are two, none takes back what another has pressed.
    for _ in range(5):
        bench.estop.publish(Bool(data=False))
        assert not bench.call("gate/reset_fault").success
    bench.node.destroy_publisher(plain)

    def taken_back() -> bool:
        bench.estop.publish(Bool(data=False))
        return bench.call("gate/reset_fault").success

    bench.until(taken_back, 20.0)


def test_silence_of_the_joints_and_of_the_controller_are_faults(bench: Bench, gate: subprocess.Popen[bytes]) -> None:
    bench.until(lambda: bench.heard["gate"]["state"] == "fault", every=bench.measure)
    assert bench.heard["gate"]["fault"].startswith("controller")
    assert bench.call("gate/reset_fault").success
    bench.until(lambda: bench.heard["gate"]["state"] == "enabled", every=bench.moving)
    bench.until(lambda: bench.heard["gate"]["state"] == "fault", every=bench.move)
    assert bench.heard["gate"]["fault"].startswith("joint states")


def test_a_gate_that_is_not_armed_waits_and_one_whose_stop_is_pressed_is_not_reset(bench: Bench) -> None:
    from std_msgs.msg import Bool

    with start.processes({"gate": start.command("gate_node", {"armed": False})}):
        bench.until(lambda: bench.heard.get("gate", {}).get("state") == "fault", 20.0, bench.moving)
        assert "just started" in bench.heard["gate"]["fault"]
        bench.until(lambda: len(bench.sent) > 20, every=bench.moving)
        assert np.abs(bench.sent[-1][1] - bench.sent[0][1]).max() < 1e-6  # commands come, and nothing moves
        bench.estop.publish(Bool(data=True))
        bench.until(lambda: not bench.call("gate/reset_fault").success)
        bench.estop.publish(Bool(data=False))
        bench.until(lambda: bench.call("gate/reset_fault").success)
        first = bench.sent[-1][1]
        bench.until(lambda: np.abs(bench.sent[-1][1] - first).max() > 0.01, every=bench.moving)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_gate_that_is_told_to_end_leaves_the_arm_standing(
    how: signal.Signals, bench: Bench, gate: subprocess.Popen[bytes]
) -> None:
    gate.send_signal(how)
    bench.until(lambda: gate.poll() is not None, every=bench.moving)
    assert gate.returncode == 0 and np.abs(bench.sent[-1][1] - bench.at).max() < 1e-9


def test_what_a_gate_cannot_be_is_said_in_a_sentence() -> None:
    for parameters, words in (
        ({"robot": "r2d2"}, "no robot 'r2d2'"), ({"speed_share": 1.5}, "only slow"), ({"speed_share": 2}, "only slow"),
        ({"speed_share": "slow"}, "must be a number"), ({"dry_run": "maybe"}, "must be a bool"),
        ({"priority": 90}, "priority=90 is not allowed"), ({"priority": -1}, "priority=-1 is not allowed"),
    ):  # fmt: skip
        ended = subprocess.run(start.command("gate_node", parameters), capture_output=True, text=True, timeout=30)
        assert ended.returncode == 2 and words in ended.stderr and "Traceback" not in ended.stderr, ended.stderr


def test_the_command_says_what_is_wrong_before_it_starts_anything(capsys: pytest.CaptureFixture[str]) -> None:
    from embodied.cli import main

    for words, says in (
        (["robot=r2d2"], "choose from franka_fr3, sim"),
        (["speed_share=1.5"], "only slow"),
        (["robot=sim_car", "speed_share=0.5"], "vehicle.launch.py"),
        (["mode=dance"], "choose from skills"),
        (["dry_run=maybe"], "true"),
        (["fake=true", "robot=diff_drive"], "fake=true is for arms"),
        (["instruction=tidy up"], "names no thing"),
    ):
        assert main(["ros", "run", *words]) == 2 and says in capsys.readouterr().err


def test_a_gate_comes_before_those_whom_it_guards_against(bench: Bench) -> None:
    if not first(1):
        pytest.skip("this system allows no SCHED_FIFO")
    first(0)
    asked = {"priority": 7}
    nodes = {"gate": start.command("gate_node", asked), "controller": start.command("controller_node", asked)}
    with start.processes(nodes) as running:

        def got() -> dict[str, int]:
            return {name: os.sched_getparam(one.pid).sched_priority for name, one in running.items()}

        bench.until(lambda: got() == {"gate": 17, "controller": 7}, 30.0)  # said soon after they are heard of


def test_a_fake_arm_does_what_even_a_dry_run_says_and_shows_pictures(bench: Bench, tmp_path: Path) -> None:
    from sensor_msgs.msg import CameraInfo, Image, JointState
    from std_msgs.msg import String

    from ros_nodes.process import LATCHED, NEWEST, RELIABLE

    bench.arm, joints, pictures, infos = False, [], [], []
    for topic, kind, quality, kept in (
        ("joint_states", JointState, RELIABLE, joints), ("camera/wrist/image_raw", Image, NEWEST, pictures),
        ("camera/wrist/camera_info", CameraInfo, LATCHED, infos),
    ):  # fmt: skip
        bench.node.create_subscription(kind, topic, kept.append, quality)
    robot = {"robot": variant(tmp_path, *BLIND, *PATIENT, more=PATIENCE)}
    commands = {
        "gate": start.command("gate_node", {**robot, "dry_run": True}),
        "controller": start.command("stub", robot),
        "fake": start.command("fake_node", {}),
    }
    with start.processes(commands):
        bench.until(lambda: bench.heard.get("controller", {}).get("state") == "idle" and pictures, 30.0)
        assert not joints  # somebody else may say where the joints are: the bench
        bench.node.destroy_publisher(bench.states)
        bench.until(lambda: len(joints) > 10, 30.0)
        bench.call("gate/reset_fault")
        first = np.array(joints[-1].position)

        def told() -> None:
            """The controller refuses until it has heard of the reset too."""
            if bench.heard["controller"]["state"] in ("idle", "refused"):
                bench.heard["controller"] = {"state": "told"}
                bench.instruction.publish(String(data="wave"))

        bench.until(lambda: np.abs(np.array(joints[-1].position) - first).max() > 0.05, 30.0, told)
        bench.until(lambda: infos)
        assert bench.call("controller/estop").success  # which is the gate's
        bench.until(lambda: bench.heard["gate"]["fault"] == "emergency stop")
        assert bench.call("controller/reset_fault").success
        bench.until(lambda: not bench.heard["gate"]["fault"])
    assert not bench.sent and (pictures[0].width, pictures[0].height) == (infos[0].width, infos[0].height)


def test_without_its_clock_nothing_has_an_age_and_nothing_is_obeyed(bench: Bench) -> None:
    with start.processes({"gate": start.command("gate_node", {"use_sim_time": True})}):
        bench.until(lambda: "gate" in bench.heard, 20.0, bench.moving)

        def unstamped() -> None:
            bench.states.publish(bench.state(bench.names, bench.at, 0.0))
            bench.beat_and_move()

        before = time.monotonic()
        bench.until(lambda: time.monotonic() - before > 1.5, every=unstamped)
        assert not bench.sent and not bench.call("gate/reset_fault", unstamped).success


def test_nothing_is_left_of_a_run_that_is_interrupted() -> None:
    words = [sys.executable, "-m", "embodied", "ros", "run", "robot=sim", "fake=true"]
    background = lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)  # noqa: E731  # as a shell starts it with "&"
    run = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=background)
    children = f"/proc/{run.pid}/task/{run.pid}/children"
    bench = Bench(arm=False)
    try:
        bench.until(lambda: len(bench.heard) == 2, 60.0)
        theirs = Path(children).read_text().split()
        assert len(theirs) == 3
        run.send_signal(signal.SIGINT)
        run.wait(20.0)
    finally:
        bench.close()
        run.terminate()  # it ends what it has started, which a kill would leave behind
        run.wait(20.0)
    assert not [pid for pid in theirs if Path(f"/proc/{pid}").exists()]


def test_a_table_is_laid_for_the_sentence_and_says_that_it_has_no_test(bench: Bench) -> None:
    bench.arm, goal = False, "put the red block in the blue bowl"
    with start.processes({"sim": start.command("sim_node", {"instruction": goal})}):
        bench.until(lambda: "sim" in bench.heard, 60.0)
        told = bench.call("sim/success")
    assert bench.heard["sim"]["goal"] == goal and not told.success and "no test" in told.message


@pytest.mark.slow
@pytest.mark.parametrize("simulated", [False, True], ids=["machine's time", "simulator's time"])
def test_a_sentence_over_topics_becomes_a_checked_pick_and_place(simulated: bool, bench: Bench, tmp_path: Path) -> None:
    bench.arm = False
    clock = {"use_sim_time": simulated}
    robot = {"robot": variant(tmp_path, *PATIENT, more=PATIENCE), **clock}
    commands = {
        "sim": start.command("sim_node", {"task": "place-in-bowl", "seed": 1, "picture_hz": 2.0, **clock}),
        "gate": start.command("gate_node", robot),
        "controller": start.command("controller_node", robot),
    }
    from std_msgs.msg import String

    with start.processes(commands) as running:
        bench.until(lambda: len(bench.heard) == 3, 90.0)
        bench.carry_out(bench.heard["sim"]["goal"], 60.0, attempts=6)
        assert bench.heard["controller"]["state"] == "succeeded", bench.heard
        assert bench.call("sim/success").success
        bench.instruction.publish(String(data="put the purple bowl in the purple bowl on the moon"))
        bench.until(lambda: bench.heard["controller"]["state"] == "refused", 20.0)
    assert all(one.poll() is not None for one in running.values())
