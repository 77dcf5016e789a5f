"""The planner as a lifecycle node: a sentence in, checked steps out, joint trajectories to the gate.

    python -m ros_nodes.controller_node --ros-args -p robot:=sim -p weights:=tabletop -p autostart:=true

Takes ~/instruction (String, latched; an empty one stops). Says ~/plan and ~/status (JSON, latched), ~/markers and ~/image (where
the plan's points are) and /diagnostics. ~/replan begins the last instruction anew. The executor does nothing but take and give
messages; the control loop (20 Hz) has a thread, and the policy beside it another. Whatever ends a run ends it standing still.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from std_msgs.msg import Empty, String
from std_srvs.srv import Trigger

from embodied.control.loop import run
from embodied.control.safety import Safety
from embodied.errors import UserError
from policies.motion import Tempo
from ros_nodes import gate_services, instruct_action, wire
from ros_nodes.body import Wire
from ros_nodes.cameras import PICTURE_S
from ros_nodes.description import described
from ros_nodes.process import LATCHED, RELIABLE, computing, live, parameter, ros_s
from ros_nodes.robots import RATE_HZ
from ros_nodes.telling import Teller, Telling

WAIT_S = 10.0  # for cameras and joints, after an instruction
STALE_S = 0.3  # s, of an observation
BUDGET_S = 150.0  # of a run, at full speed
BUSY_S = 5.0  # that a run waits for what the run before still computes
HUNG_S = 0.3  # s without a command of the control loop after which it counts as hung
ENDS = {"finished": "succeeded", "refused": "refused", "stopped": "stopped"}


class ControllerNode(LifecycleNode):
    """One robot's planner. What it needs of an arm is in `link`, `looks` and `policy`."""

    parameters: Mapping[str, tuple[Any, str]] = {
        "robot": ("sim", "a shipped robot, or the path of its .yaml"),
        "weights": ("tabletop", "name of shipped weights, or a folder"),
        "mode": ("skills", "how steps are carried out: skills, visuomotor"),
        "speed_share": (1.0, "of all speed limits, 0 to 1; the same as the gate's"),
        "threads": (1, "of torch"),
        "seed": (0, "of the motion head"),
        "autostart": (True, "configure and activate at once"),
        "instruction": ("", "what to do at once"),
    }

    def __init__(self) -> None:
        super().__init__("controller")
        for key, (value, says) in self.parameters.items():
            parameter(self, key, value, says)
        self.teller = Teller(self)
        self.beat = self.create_publisher(Empty, "controller/heartbeat", RELIABLE)
        self.diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", RELIABLE)
        self.steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_service(Trigger, "~/replan", self.replan)
        gate_services.offer(self, self.stop)
        # As long as the node: a new subscription would be told the last sentence once more, which was carried out long ago.
        self.create_subscription(String, "~/instruction", self.instruct, LATCHED)
        self.instructed = 0  # how often something was asked
        self.begun = False  # whether it was ever active
        self.topics: Any = None  # the robot's, once it is configured
        self.model: Any = None  # the weights, once they are read
        self.made: Any = None  # the policy, from the first run on
        self.turn = threading.Lock()
        self.busy = threading.Lock()  # held while the policy computes
        self.lent: Lent | None = None  # to the newest run
        self.worker: threading.Thread | None = None
        self.halt = threading.Event()
        self.active, self.gate_fault, self.goal = False, "", ""
        self.teller.status = {"state": "unconfigured"}
        self.action = instruct_action.offer(self)
        if self._set("autostart") and self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
            self.trigger_activate()

    @property
    def status(self) -> dict[str, Any]:
        return self.teller.status

    def _set(self, key: str) -> Any:
        return self.get_parameter(key).value

    # --- lifecycle

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Weights and robot description are read and checked against each other."""
        before = {*self.subscriptions, *self.timers, *self.publishers}
        try:
            self.topics = self.link()
            self.topics.stamps_s = partial(ros_s, self)
        except UserError as error:
            self.get_logger().error(str(error))
            return TransitionCallbackReturn.FAILURE
        self.create_subscription(String, "gate/status", self.heed, LATCHED)
        self.create_timer(0.02, self.live_on, clock=self.steady)
        self.create_timer(1.0, self.diagnose, clock=self.steady)
        self.configured = {*self.subscriptions, *self.timers, *self.publishers} - before
        self.teller.say(state="inactive")
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self.active = True
        self.teller.say(state="idle")
        if self._set("instruction") and not self.begun:
            self.instruct(String(data=str(self._set("instruction"))))
        self.begun = True
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self.stop()  # before anything else
        self.active = False
        self.teller.say(state="inactive")
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """What `configure` made is gone, so that it can be done again with other settings."""
        destroy: Any = ((self.subscriptions, self.destroy_subscription), (self.timers, self.destroy_timer))
        for all_, end in (*destroy, (self.publishers, self.destroy_publisher)):
            for one in [one for one in all_ if one in self.configured]:
                end(one)
        self.topics, self.model, self.made = None, None, None
        self.busy = threading.Lock()  # of the next policy, whatever this one still computes
        self.teller.say(state="unconfigured")
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        self.active = False
        self.stop()
        self.teller.say(state="inactive")
        return TransitionCallbackReturn.SUCCESS

    def failed(self, why: str) -> None:
        self.stop()
        self.teller.say(state="stopped", reason=why)

    def leave(self) -> None:
        self.stop()
        if self.topics is not None:
            self.topics.out.said()

    def live_on(self) -> None:
        """A sign of life for the gate, as long as the control loop itself gives one."""
        out = None if self.topics is None else self.topics.out
        if out is not None and out.taken and time.monotonic() - out.sent_s < HUNG_S:
            self.beat.publish(Empty())

    def diagnose(self) -> None:
        state, reason = str(self.status.get("state")), str(self.status.get("reason", ""))
        missing = "" if self.topics is None else self.topics.lacks(time.monotonic() - PICTURE_S)
        level = 2 if state == "stopped" else 1 if missing or state in ("failed", "refused", "inactive") else 0
        name, now = f"{self.get_namespace().rstrip('/')}/controller".lstrip("/"), ros_s(self)
        values = {key: value for key, value in self.status.items() if key not in ("state", "reason")}
        said = wire.diagnostic_message(name, level, reason or state, {**values, "missing": missing}, now)
        self.diagnostics.publish(said)

    def heed(self, message: String) -> None:
        """What the gate has stopped is over: after a reset nothing goes on by itself. A gate that is disabled stands still without
        a fault; a run that went on meanwhile would be far away when it is enabled."""
        said = wire.said(message.data)
        if "fault" not in said:
            self.get_logger().error(f"gate/status is no JSON object with a fault: {message.data[:60]!r}")
            return
        disabled = "disabled" if said.get("state") == "disabled" else ""
        self.gate_fault = fault = str(said["fault"]) or disabled
        if fault and not self.halt.is_set() and self.worker is not None and self.worker.is_alive():
            self.stop()
            self.teller.say(state="stopped", reason=f"gate: {fault}")
        return None

    # --- runs

    def instruct(self, message: String) -> None:
        goal = message.data.strip()
        self.instructed += 1
        self.stop()
        if not self.active:
            self.get_logger().warning("an instruction came while inactive; activate first")
        elif not goal:
            self.teller.say(state="idle")
        elif self.gate_fault:
            self.teller.say(state="refused", goal=goal, reason=f"gate: {self.gate_fault}")
        else:
            self.goal, self.halt = goal, threading.Event()
            self.teller.say(state="waiting", goal=goal)
            self.worker = threading.Thread(target=self.carry_out, args=(goal, self.halt), daemon=True)
            self.worker.start()

    def replan(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """The last instruction anew, from what there is now."""
        response.success, response.message = bool(self.goal), self.goal or "there has been no instruction yet"
        if self.goal:
            self.instruct(String(data=self.goal))
        return response

    def stop(self) -> None:
        """The robot stands still at once. The run's thread ends by itself at its next tick, unheard; nobody waits for it here."""
        self.halt.set()
        if self.topics is not None:
            self.topics.stand_still()

    def carry_out(self, goal: str, halt: threading.Event) -> None:
        """One run, in its own thread."""
        topics, body = self.topics, None
        try:
            asked = time.monotonic()
            while (missing := topics.lacks(asked)) and not halt.is_set():  # pictures of now, not of before
                if time.monotonic() > asked + WAIT_S:
                    raise UserError(f"nothing came within {WAIT_S:.0f} s on {missing}")
                time.sleep(0.02)
            body = topics.body()
            with self.turn:  # one run at a time: the one before has ended, or ends at its next tick
                policy = self.policy(body)
                if halt.is_set():
                    return
                obs = body.reset()
                if not self.teller.say(halt, state="running", goal=goal):  # stopped while it took charge
                    body.close()
                    return
                safety = Safety(body.spec, stale_s=STALE_S, stop=halt.is_set)
                result = run(
                    body, policy, goal, obs=obs, clock=topics.clock, safety=safety, lockstep=False,
                    watch=Telling(self.teller, topics, halt), **self.ways,
                )  # fmt: skip
            end = ENDS.get(result.reason, "failed")
            why = result.error or result.refusal or ("" if end == "succeeded" else result.reason)
        except UserError as error:
            end, why = "refused", str(error)
        except Exception as error:  # nothing raises into the robot
            end, why = "stopped", f"{type(error).__name__}: {error}"
        if body is not None:
            body.close()
        self.teller.say(halt, state=end, goal=goal, reason=why)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """While the policy computes for nobody else. UserError when the run before does not let go of it."""
        busy = self.busy
        if not busy.acquire(timeout=BUSY_S):
            raise UserError(
                f"the policy still computes for the sentence before, after {BUSY_S:.0f} s; say it again, or configure anew"
            )
        try:
            yield
        finally:
            busy.release()

    # --- what an arm needs

    @property
    def ways(self) -> dict[str, Any]:
        """Of a run (embodied.control.loop.run): in slow motion it takes more ticks."""
        return {"max_ticks": round(BUDGET_S / Tempo.of(self.topics.robot.speeds, RATE_HZ).dt_s)}

    def link(self) -> Wire:
        """The robot's topics. UserError when weights and robot do not fit."""
        from policies.planner import check_fit, check_mode

        mode = str(self._set("mode"))
        check_mode(mode)
        made = described(str(self._set("robot")), self.context)
        if lacking := sorted(self.looks() - set(made.cameras)):
            raise UserError(f"the weights need the cameras {', '.join(lacking)}, which {made.name} lacks")
        if (
            self.model is not None
        ):  # sizes that the file leaves open are those of the first run's pictures: checked there
            check_fit(self.model, mode, made.sizes, made.states)
        return Wire(self, made.slowed(float(self._set("speed_share"))))

    def looks(self) -> set[str]:
        """The cameras that the weights look through, which are read here: once, for the runs too."""
        from embodied.model.weights import from_pretrained

        with computing():
            self.model = from_pretrained(str(self._set("weights")))
        return set(self.model.config.cameras)

    def policy(self, body: Any) -> Any:
        """The planner, made at the first run: it needs the cameras' sizes."""
        from policies.planner import Planner

        made, model, get = self.made, self.model, self._set
        with self.alone():
            if made is None or made.model is not model:  # one of the weights before, that a run was still making
                with computing():
                    given = str(get("weights")), str(get("mode")), int(get("threads")), int(get("seed"))
                    made = Planner(body, *given, model=model)
                    # The first time takes longest: not while it is in charge.
                    made.plan(body.observe(), "pick the red block")
                self.made = made
            made.body = body
            made.reset()
            return Lent(made, self)


class Lent:
    """A policy that one run after the other uses, for one of them. A run that was stopped may leave a call behind that still
    computes, in a thread of its own: the next run begins when it has returned, and a call that has not begun by then never does."""

    def __init__(self, policy: Any, node: ControllerNode) -> None:
        self._policy, self._node, self._busy = policy, node, node.busy
        node.lent = self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._policy, name)

    def plan(self, *given: Any) -> Any:
        return self._alone(self._policy.plan, *given)

    def act(self, *given: Any) -> Any:
        return self._alone(self._policy.act, *given)

    def check(self, *given: Any) -> Any:
        return self._alone(self._policy.check, *given)

    def _alone(self, call: Callable[..., Any], *given: Any) -> Any:
        with self._busy:
            if self._node.lent is not self:
                raise RuntimeError("another run has begun")  # which nobody hears any more
            return call(*given)


def main() -> int:
    return live(ControllerNode)


if __name__ == "__main__":
    sys.exit(main())
