"""The planner as a lifecycle node: a sentence in, checked steps out, joint trajectories to the gate.

    python -m ros_nodes.controller_node --ros-args -p robot:=sim -p weights:=tabletop -p autostart:=true

Takes ~/instruction (String, latched; an empty one stops). Says ~/plan and ~/status (JSON, latched), ~/markers and ~/image (where
the plan's points are) and /diagnostics. ~/replan begins the last instruction anew. The executor does nothing but take and give
messages; the control loop (20 Hz) has a thread, and the policy beside it another. Whatever ends a run ends it standing still.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from sensor_msgs.msg import Image
from std_msgs.msg import Empty, String
from std_srvs.srv import Trigger
from visualization_msgs.msg import MarkerArray

from embodied.control.clock import RealClock
from embodied.control.loop import Watch, run
from embodied.control.safety import Safety
from embodied.errors import UserError
from embodied.types import Observation, Plan, Step
from ros_nodes import instruct_action, show, wire
from ros_nodes.body import RosBody, Wire
from ros_nodes.description import described
from ros_nodes.inbox import PICTURE_S
from ros_nodes.process import LATCHED, RELIABLE, live, parameter, ros_s

PARAMETERS: dict[str, tuple[Any, str]] = {
    "robot": ("sim", "a shipped robot, or the path of its .yaml"),
    "weights": ("tabletop", "name of shipped weights, or a folder"),
    "mode": ("skills", "how steps are carried out: skills, visuomotor"),
    "threads": (1, "of torch"),
    "seed": (0, "of the motion head"),
    "autostart": (True, "configure and activate at once"),
    "instruction": ("", "what to do at once"),
}
WAIT_S = 10.0  # for cameras and joints, after an instruction
STALE_S = 0.3  # s, of an observation
HUNG_S = 0.3  # s without a command of the control loop after which it counts as hung


class ControllerNode(LifecycleNode, Watch):
    """One robot's planner."""

    def __init__(self) -> None:
        super().__init__("controller")
        for key, (value, says) in PARAMETERS.items():
            parameter(self, key, value, says)
        self.plan_said = self.create_publisher(String, "~/plan", LATCHED)
        self.status_said = self.create_publisher(String, "~/status", LATCHED)
        self.beat = self.create_publisher(Empty, "controller/heartbeat", RELIABLE)
        self.markers = self.create_publisher(MarkerArray, "~/markers", LATCHED)
        self.image = self.create_publisher(Image, "~/image", LATCHED)
        self.diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", RELIABLE)
        self.steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_service(Trigger, "~/replan", self.replan)
        self.instructed = 0  # how often something was asked
        self.action = instruct_action.offer(self)
        self.topics: Wire | None = None
        self.made: Any = None  # the policy, once it is loaded
        self.turn = threading.Lock()
        self.worker: threading.Thread | None = None
        self.halt = threading.Event()
        self.active, self.logged, self.gate_fault, self.goal = False, "", "", ""
        self.status: dict[str, Any] = {"state": "unconfigured"}
        if self._set("autostart"):
            self.trigger_configure()
            self.trigger_activate()

    def _set(self, key: str) -> Any:
        return self.get_parameter(key).value

    # --- lifecycle

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Weights and robot description are read and checked against each other."""
        self.before = {*self.subscriptions, *self.timers, *self.publishers}
        try:
            made = described(str(self._set("robot")), self.context)
            if lacking := sorted(self.looks() - set(made.cameras)):
                raise UserError(f"the weights need the cameras {', '.join(lacking)}, which {made.name} lacks")
            self.topics = Wire(self, made)
        except UserError as error:
            self.get_logger().error(str(error))
            return TransitionCallbackReturn.FAILURE
        self.create_subscription(String, "~/instruction", self.instruct, LATCHED)
        self.create_subscription(String, "gate/status", self.heed, LATCHED)
        self.create_timer(0.02, self.live_on, clock=self.steady)
        self.create_timer(1.0, self.diagnose, clock=self.steady)
        self.say(state="inactive")
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self.active = True
        self.say(state="idle")
        if self._set("instruction"):
            self.instruct(String(data=str(self._set("instruction"))))
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self.active = False
        self.stop()
        self.say(state="inactive")
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """What `configure` made is gone, so that it can be done again with other settings."""
        destroy: Any = ((self.subscriptions, self.destroy_subscription), (self.timers, self.destroy_timer))
        for all_, end in (*destroy, (self.publishers, self.destroy_publisher)):
            for one in [one for one in all_ if one not in self.before]:
                end(one)
        self.topics, self.made = None, None
        self.say(state="unconfigured")
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        self.stop()
        return TransitionCallbackReturn.SUCCESS

    def failed(self, why: str) -> None:
        self.stop()
        self.say(state="stopped", reason=why)

    def leave(self) -> None:
        self.stop()
        if self.topics is not None:
            self.topics.said()

    def live_on(self) -> None:
        """A sign of life for the gate, as long as the control loop itself gives one."""
        sender = None if self.topics is None else self.topics.sender
        if sender is not None and time.monotonic() - sender.applied_s < HUNG_S:
            self.beat.publish(Empty())

    def diagnose(self) -> None:
        state, reason = str(self.status.get("state")), str(self.status.get("reason", ""))
        missing = "" if self.topics is None else self.topics.missing(time.monotonic() - PICTURE_S)
        level = 2 if state == "stopped" else 1 if missing or state in ("failed", "refused", "inactive") else 0
        name, now = f"{self.get_namespace().rstrip('/')}/controller".lstrip("/"), ros_s(self)
        values = {key: value for key, value in self.status.items() if key not in ("state", "reason")}
        said = wire.diagnostic_message(name, level, reason or state, {**values, "missing": missing}, now)
        self.diagnostics.publish(said)

    def heed(self, message: String) -> None:
        """What the gate has stopped is over: after a reset nothing goes on by itself."""
        try:
            said = json.loads(message.data)
        except json.JSONDecodeError:
            said = None
        if not isinstance(said, dict):
            self.get_logger().error(f"gate/status is no JSON object: {message.data[:60]!r}")
            return
        self.gate_fault = fault = str(said.get("fault", ""))
        if fault and self.worker is not None and self.worker.is_alive():
            self.stop()
            self.say(state="stopped", reason=f"gate: {fault}")
        return None

    # --- runs

    def instruct(self, message: String) -> None:
        goal = message.data.strip()
        self.instructed += 1
        self.stop()
        if not goal:
            self.say(state="idle" if self.active else "inactive")
        elif self.gate_fault:
            self.say(state="refused", goal=goal, reason=f"gate: {self.gate_fault}")
        elif not self.active:
            self.get_logger().warning("an instruction came while inactive; activate first")
        else:
            self.goal, self.halt = goal, threading.Event()
            self.say(state="waiting", goal=goal)
            self.worker = threading.Thread(target=self.carry_out, args=(goal, self.halt), daemon=True)
            self.worker.start()

    def replan(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """The last instruction anew, from what there is now."""
        response.success, response.message = bool(self.goal), self.goal or "there has been no instruction yet"
        if self.goal:
            self.instruct(String(data=self.goal))
        return response

    def stop(self) -> None:
        """The robot stands still at once; the run's thread ends by itself."""
        self.halt.set()
        if self.topics is not None:
            self.topics.stand_still()
        if self.worker is not None:
            self.worker.join(timeout=0.2)

    def looks(self) -> set[str]:
        """The cameras that the weights look through."""
        from embodied.model.weights import from_pretrained

        return set(from_pretrained(str(self._set("weights"))).config.cameras)

    def policy(self, body: RosBody) -> Any:
        """The planner, loaded at the first run; it reads the cameras' sizes."""
        from policies.planner import Planner

        if self.made is None:
            get = self._set
            self.made = Planner(body, str(get("weights")), str(get("mode")), int(get("threads")), int(get("seed")))
            # The first time takes longest: not while it is in charge.
            self.made.plan(body.observe(), "pick the red block")
        self.made.body = body
        self.made.reset()
        return self.made

    def carry_out(self, goal: str, halt: threading.Event) -> None:
        """One run, in its own thread."""
        assert self.topics is not None
        try:
            asked = time.monotonic()
            while (missing := self.topics.missing(asked)) and not halt.is_set():  # pictures of now, not of before
                if time.monotonic() > asked + WAIT_S:
                    raise UserError(f"nothing came within {WAIT_S:.0f} s on {missing}")
                time.sleep(0.02)
            body = RosBody(self.topics)
            policy = self.policy(body)
            with self.turn:  # one run at a time: the one before has ended, or ends at its next tick
                if halt.is_set():
                    return
                obs = body.reset()
                safety = Safety(body.spec, stale_s=STALE_S, stop=halt.is_set)
                self.say(state="running", goal=goal)
                result = run(body, policy, goal, obs=obs, clock=RealClock(), safety=safety, watch=self, lockstep=False)
            ends = {"finished": "succeeded", "refused": "refused", "stopped": "stopped"}
            end = ends.get(result.reason, "failed")
            why = result.error or result.refusal or ("" if end == "succeeded" else result.reason)
        except UserError as error:
            end, why = "refused", str(error)
        except Exception as error:  # nothing raises into the robot
            end, why = "stopped", f"{type(error).__name__}: {error}"
        if not halt.is_set():
            self.topics.stand_still()
            self.say(state=end, goal=goal, reason=why)

    def say(self, **status: Any) -> None:
        if (now := " ".join(str(status[key]) for key in ("state", "step", "reason") if status.get(key))) != self.logged:
            self.logged = now
            self.get_logger().info(now)
        self.status = status
        self.status_said.publish(String(data=json.dumps(status)))

    # --- Watch

    def planned(self, plan: Plan, obs: Observation, seconds: float) -> None:
        steps = [{"text": s.text, "points": [[p.u, p.v] for p in s.points]} for s in plan.steps]
        told = {"goal": plan.goal, "at": plan.at, "steps": steps, "refusal": plan.refusal, "ms": round(seconds * 1000)}
        self.plan_said.publish(String(data=json.dumps(told)))
        self.seen = obs
        self.show(plan, obs)

    def show(self, plan: Plan, obs: Observation) -> None:
        assert self.topics is not None
        now = ros_s(self)
        try:
            self.markers.publish(show.markers(plan, obs, self.topics.spec.cameras, self.topics.robot.frame, now))
            if obs.images:
                self.image.publish(show.picture(plan, obs, now))
        except Exception as error:  # what is only for people to look at ends no run
            self.get_logger().error(f"cannot show the plan: {type(error).__name__}: {error}")

    def began(self, plan: Plan) -> None:
        self.show(plan, self.seen)
        self.say(**{**self.status, "step": plan.current.text})

    def checked(self, step: Step, p: float, obs: Observation) -> None:
        self.say(**{**self.status, "checked": step.text, "p": round(p, 3)})


def main() -> int:
    return live(ControllerNode)


if __name__ == "__main__":
    sys.exit(main())
