"""The controller as a lifecycle node, with a policy that needs no weights, before a fake arm and a real gate."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytestmark = pytest.mark.ros
os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 100)
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"

import rclpy  # noqa: E402
from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from lifecycle_msgs.msg import Transition  # noqa: E402
from lifecycle_msgs.srv import ChangeState  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402
from std_msgs.msg import String  # noqa: E402

from embodied.errors import UserError  # noqa: E402
from ros_nodes import start, wire  # noqa: E402
from ros_nodes.cameras import PICTURE_S  # noqa: E402
from ros_nodes.controller_node import ControllerNode  # noqa: E402
from ros_nodes.fake import BLIND, PATIENCE, PATIENT, Bench, variant  # noqa: E402
from ros_nodes.instruct_action import Instructions  # noqa: E402
from ros_nodes.process import LATCHED, RELIABLE, ros_s  # noqa: E402
from ros_nodes.stub import Stub  # noqa: E402


class Controlled(Bench):
    """A bench whose joint states come whatever the test does, with words for the controller."""

    def __init__(self) -> None:
        super().__init__()
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.go_on)
        self.thread.start()

    def go_on(self) -> None:
        while not self.ended.wait(0.02):
            self.measure()

    def close(self) -> None:
        self.ended.set()
        self.thread.join()
        super().close()

    def say(self, sentence: str) -> None:
        self.instruction.publish(String(data=sentence))

    def is_now(self, *wanted: str) -> bool:
        return self.heard.get("controller", {}).get("state") in wanted

    def change(self, transition: int) -> bool:
        client = self.node.create_client(ChangeState, "controller/change_state")
        self.until(client.service_is_ready)
        future = client.call_async(ChangeState.Request(transition=Transition(id=transition)))
        self.until(future.done)
        return bool(future.result().success)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Controlled]:
    """A robot without cameras; gate and controller run."""
    given = ["--ros-args", "-p", f"robot:={variant(tmp_path, *BLIND, *PATIENT, more=PATIENCE)}"]
    nodes = {name: [sys.executable, "-m", f"ros_nodes.{module}", *given] for name, module in
             (("gate", "gate_node"), ("controller", "stub"))}  # fmt: skip
    made = Controlled()
    try:
        with start.processes(nodes):
            made.until(lambda: "gate" in made.heard and made.is_now("idle"), 30.0)
            yield made
    finally:
        made.close()


def test_it_stands_still_when_it_is_deactivated_and_works_again_when_it_is_configured_anew(bench: Controlled) -> None:
    bench.say("wave")
    bench.until(lambda: len(bench.sent) > 20)
    assert bench.change(Transition.TRANSITION_DEACTIVATE)
    bench.until(lambda: bench.is_now("inactive"))
    count = len(bench.sent)
    bench.until(lambda: len(bench.sent) > count + 60)  # it has come to where it was measured when it was told to hold
    stood = bench.at
    for sentence in (None, "wave"):  # nobody listens
        count = len(bench.sent)
        if sentence:
            bench.say(sentence)
        bench.until(lambda c=count: len(bench.sent) > c + 40)
        np.testing.assert_allclose(bench.at, stood, atol=2e-3)  # a wave is ten times that
    assert bench.change(Transition.TRANSITION_CLEANUP) and bench.change(Transition.TRANSITION_CONFIGURE)
    assert bench.change(Transition.TRANSITION_ACTIVATE)
    bench.until(lambda: bench.is_now("idle", "waiting", "running"))
    bench.say("wave")
    bench.until(lambda: np.abs(bench.at - stood).max() > 0.02)


def test_a_sentence_ends_and_what_others_say_wrong_ends_nothing(bench: Controlled) -> None:
    diagnosed: list[Any] = []
    bench.node.create_subscription(DiagnosticArray, "/diagnostics", lambda m: diagnosed.extend(m.status), RELIABLE)
    bench.say("nod")
    bench.until(lambda: bench.is_now("succeeded"))
    for text in ("{", "[]", "null"):
        bench.node.create_publisher(String, "gate/status", 10).publish(String(data=text))
    bench.until(lambda: {s.name for s in diagnosed} == {"gate", "controller"})
    assert bench.call("controller/replan").message == "nod"
    bench.until(lambda: bench.is_now("running"))
    bench.until(lambda: bench.is_now("succeeded"))


def test_an_action_waits_for_the_end(bench: Controlled) -> None:
    kind = pytest.importorskip("embodied_msgs.action").ExecuteInstruction
    from rclpy.action import ActionClient

    client = ActionClient(bench.node, kind, "controller/execute")
    bench.until(client.server_is_ready)

    def done(future: Any) -> Any:
        bench.until(future.done)
        return future.result()

    def ask(sentence: str) -> Any:
        return done(client.send_goal_async(kind.Goal(instruction=sentence)))

    assert not ask(" ").accepted
    assert done(ask("nod").get_result_async()).result.state == "succeeded"
    waving = ask("wave")
    bench.until(lambda: bench.is_now("running"))
    done(waving.cancel_goal_async())
    assert done(waving.get_result_async()).result.reason == "canceled" and bench.is_now("idle", "running")
    first, _ = ask("wave"), ask("nod")
    assert "another instruction" in done(first.get_result_async()).result.reason


Make = Callable[..., Any]


@pytest.fixture
def make() -> Iterator[Make]:
    """kind, parameters -> a node in this process, which nobody spins; unconfigured."""
    made: list[Any] = []

    def one(kind: type[ControllerNode], **parameters: str) -> Any:
        given = [word for key, value in parameters.items() for word in ("-p", f"{key}:={value}")]
        rclpy.init(args=["--ros-args", "-p", "autostart:=false", *given])
        made.append(kind())
        return made[0]

    yield one
    for node in made:
        node.leave()
        node.destroy_node()
    rclpy.try_shutdown()


def test_weights_are_read_once_and_checked_against_the_robot_before_anything_is_asked(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = SimpleNamespace(cameras={"front": (192, 320, 32)}, states={"arm": (8, 6)}, statistics={})
    read, model = [], SimpleNamespace(config=config)
    monkeypatch.setattr("embodied.model.weights.from_pretrained", lambda name: read.append(name) or model)

    class Planned:
        def __init__(self, body: Any, *_: Any, model: Any) -> None:
            self.model = model

        def plan(self, *_: Any) -> None: ...
        def reset(self) -> None: ...

    monkeypatch.setattr("policies.planner.Planner", Planned)
    node = make(ControllerNode, robot=variant(tmp_path, more="pictures: [320, 192]\n"), weights="mine")
    assert node.trigger_configure().name == "SUCCESS" and read == ["mine"]
    assert node.policy(SimpleNamespace(observe=lambda: None)).model is model and read == ["mine"]
    for wrong, words in (
        ({"cameras": {"front": (96, 320, 32)}}, "gives 320x192, the weights need 320x96"),
        ({"cameras": {"top": (192, 320, 32)}}, "need the cameras top"),
        ({"states": {"joints": (8, 6)}}, "'joints' of 6 numbers, the body has 7"),
    ):
        model.config = SimpleNamespace(**{**vars(config), **wrong})
        with pytest.raises(UserError, match=words):
            node.link()
    model.config = config
    for mode, words in (("visuomotor", "without motion"), ("levitate", "choose from skills, visuomotor")):
        node.set_parameters([rclpy.Parameter("mode", value=mode)])
        with pytest.raises(UserError, match=words):
            node.link()


@pytest.fixture
def blind(make: Make, tmp_path: Path) -> Any:
    """A stub whose robot has no cameras and says nothing of its joints: its runs wait."""
    return make(Stub, robot=variant(tmp_path, *BLIND), instruction="nod")


def test_a_gate_that_is_disabled_ends_the_run_and_takes_no_sentence(blind: Any) -> None:
    def gate(state: str) -> None:
        blind.heed(String(data=json.dumps({"state": state, "fault": ""})))

    blind.trigger_configure(), blind.trigger_activate()
    gate("enabled")
    assert blind.status["state"] == "waiting"
    gate("disabled")
    assert (blind.status["state"], blind.status["reason"]) == ("stopped", "gate: disabled") and blind.halt.is_set()
    blind.instruct(String(data="wave"))
    assert (blind.status["state"], blind.status["reason"]) == ("refused", "gate: disabled")
    gate("enabled")
    assert blind.status["state"] == "refused"  # nothing goes on by itself
    blind.instruct(String(data="wave"))
    assert blind.status["state"] == "waiting"


def test_an_instruction_is_carried_out_once_however_often_the_node_is_configured_anew(blind: Any) -> None:
    bench, executor = Bench(arm=False), SingleThreadedExecutor()
    executor.add_node(blind)

    def both(there: Callable[[], Any]) -> None:
        bench.until(lambda: executor.spin_once(timeout_sec=0.002) or there())

    bench.instruction.publish(String(data="nod"))
    both(lambda: blind.instructed == 1)  # heard while nobody listens
    gate = bench.node.create_publisher(String, "gate/status", LATCHED)
    told: list[str] = []
    blind.heed = lambda message: told.append(message.data)
    blind.trigger_configure(), blind.trigger_activate()
    assert blind.instructed == 2 and blind.status["goal"] == "nod"  # the parameter's
    gate.publish(String(data="{}"))
    both(lambda: told)
    bench.instruction.publish(String(data="wave"))
    both(lambda: blind.instructed == 3)
    assert (blind.status["state"], blind.status["goal"]) == ("waiting", "wave")
    for change in (blind.trigger_deactivate, blind.trigger_cleanup, blind.trigger_configure, blind.trigger_activate):
        change()
    told.clear()
    both(lambda: told)  # what is latched comes again to who listens anew
    for _ in range(50):
        executor.spin_once(timeout_sec=0.002)
    assert blind.instructed == 3 and blind.status["state"] == "idle"
    bench.instruction.publish(String(data="wave"))  # the same, but said again
    both(lambda: blind.instructed == 4)
    assert blind.status["state"] == "waiting"
    executor.shutdown()
    bench.close()


@pytest.mark.parametrize(
    ("end", "why"),
    [
        (["deactivate"], "the controller is inactive"),
        (["deactivate", "cleanup"], "the controller is unconfigured"),
        (["deactivate", "activate"], "the controller is idle"),
        (["shutdown"], "the controller is inactive"),
    ],
)
def test_a_goal_ends_with_the_node_that_carries_it_out(blind: Any, end: list[str], why: str) -> None:
    blind.trigger_configure(), blind.trigger_activate()
    ended: list[str] = []
    told = SimpleNamespace(Feedback=dict, Result=dict)
    goal = SimpleNamespace(
        request=SimpleNamespace(instruction="wave"), is_cancel_requested=False, publish_feedback=lambda _: None,
        succeed=lambda: ended.append("succeeded"), abort=lambda: ended.append("aborted"),
    )  # fmt: skip
    before = set(blind.timers)
    going = Instructions.execute(SimpleNamespace(node=blind, kind=told), goal)  # type: ignore[arg-type]
    going.send(None)
    (timer,) = set(blind.timers) - before
    timer.callback()
    going.send(None)  # it goes on
    for transition in end:
        getattr(blind, f"trigger_{transition}")()
    assert timer in set(blind.timers)  # which nobody has destroyed, or it would never be heard of
    timer.callback()
    with pytest.raises(StopIteration) as result:
        going.send(None)
    assert result.value.value == {"state": "stopped", "reason": why} and ended == ["aborted"]


def test_what_was_old_when_it_came_is_known_on_the_nodes_own_clock(make: Make, tmp_path: Path) -> None:
    node = make(Stub, robot=variant(tmp_path))
    node.trigger_configure()
    for age_s, old in ((0.0, False), (5.0, True)):
        stamped = wire.image_message(np.zeros((2, 2, 3), np.uint8), "front", ros_s(node) - age_s)
        node.topics.take_picture("front", "image_raw", stamped)
        assert ("camera/front/image_raw" in node.topics.lacks(time.monotonic() - PICTURE_S)) == old


def test_a_stop_while_a_run_takes_charge_is_the_last_that_is_said_and_sent(
    blind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    blind.trigger_configure()
    topics, sent, ran = blind.topics, list[Any](), list[Any]()
    names = list(topics.robot.names)
    topics.take_joints(JointState(name=names, position=[0.0] * len(names)))
    monkeypatch.setattr(
        topics.out, "publisher", SimpleNamespace(publish=sent.append, wait_for_all_acked=lambda _: True)
    )
    monkeypatch.setattr("ros_nodes.controller_node.run", lambda *_, **__: ran.append(1))
    body = topics.body()
    begin = body.reset

    def reset() -> Any:
        blind.stop()
        blind.teller.say(state="idle")
        return begin()

    monkeypatch.setattr(body, "reset", reset)
    monkeypatch.setattr(topics, "body", lambda: body)
    blind.halt = threading.Event()
    blind.carry_out("wave", blind.halt)
    assert blind.status == {"state": "idle"} and not ran
    assert not any(message.points for message in sent) and not topics.out.taken


def test_who_stops_a_run_has_the_last_word(blind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    halt, said = threading.Event(), list[str]()

    def stop() -> None:
        halt.set()
        blind.teller.say(state="idle")

    stopping = threading.Thread(target=stop)

    def publish(message: String) -> None:
        if not halt.is_set():  # the run's own: it is stopped just now
            stopping.start()
            halt.wait()
            stopping.join(0.1)  # it waits for this
        said.append(json.loads(message.data)["state"])

    monkeypatch.setattr(blind.teller, "_status", SimpleNamespace(publish=publish))
    assert blind.teller.say(halt, state="running")
    stopping.join()
    assert said == ["running", "idle"] and not blind.teller.say(halt, state="succeeded")
    assert blind.status == {"state": "idle"}
