"""What a run says of itself while it goes on: plan and status, and for people what the plan means."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

from sensor_msgs.msg import Image
from std_msgs.msg import String
from visualization_msgs.msg import MarkerArray

from embodied.control.beside import Beside
from embodied.control.loop import Watch
from embodied.types import Observation, Plan, Step
from ros_nodes import show
from ros_nodes.process import LATCHED, ros_s


class Teller:
    """A node's status (JSON, latched), its plan, markers and picture. say: from any thread."""

    def __init__(self, node: Any) -> None:
        self.node, self.logged, self.status = node, "", dict[str, Any]()
        self._lock = threading.Lock()
        self._plan = node.create_publisher(String, "~/plan", LATCHED)
        self._status = node.create_publisher(String, "~/status", LATCHED)
        self._markers = node.create_publisher(MarkerArray, "~/markers", LATCHED)
        self._image = node.create_publisher(Image, "~/image", LATCHED)
        self._beside = Beside("show")

    def say(self, unless: threading.Event | None = None, **status: Any) -> bool:
        """Whether it was said. unless: a run's, which has nothing to say any more once it is set. Who sets it and then says how it
        stands has the last word: what the run was just saying comes before that."""
        with self._lock:
            if unless is not None and unless.is_set():
                return False
            if (
                now := " ".join(str(status[key]) for key in ("state", "step", "reason") if status.get(key))
            ) != self.logged:
                self.logged = now
                self.node.get_logger().info(now)
            self.status = status
            self._status.publish(String(data=json.dumps(status)))
            return True

    def plan(self, plan: Plan, seconds: float) -> None:
        steps = [{"text": s.text, "points": [[p.u, p.v] for p in s.points]} for s in plan.steps]
        told = {"goal": plan.goal, "at": plan.at, "steps": steps, "refusal": plan.refusal, "ms": round(seconds * 1000)}
        self._plan.publish(String(data=json.dumps(told)))

    def show(self, plan: Plan, obs: Observation, topics: Any) -> None:
        self.beside(self._show, plan, obs, topics)

    def beside(self, call: Callable[..., None], *inputs: Any) -> None:
        """What is only for people to look at: beside the control loop, which has no time for it; the newest alone; it ends no
        run."""

        def safely() -> None:
            try:
                call(*inputs)
            except Exception as error:
                self.node.get_logger().error(f"cannot be shown: {type(error).__name__}: {error}")

        self._beside.latest(safely)

    def _show(self, plan: Plan, obs: Observation, topics: Any) -> None:
        now = ros_s(self.node)
        self._markers.publish(show.markers(plan, obs, topics.spec.cameras, topics.frame, now))
        if obs.images:
            self._image.publish(show.picture(plan, obs, now))


class Telling(Watch):
    """One run's. What a run that was ended still has to say, nobody hears."""

    def __init__(self, teller: Teller, topics: Any, halt: threading.Event) -> None:
        self.teller, self.topics, self._seen = teller, topics, Observation(0.0, {}, {})
        self._halt = halt

    def planned(self, plan: Plan, obs: Observation, seconds: float) -> None:
        self._seen = obs
        if not self._halt.is_set():
            self.teller.plan(plan, seconds)
            self.teller.show(plan, obs, self.topics)

    def began(self, plan: Plan) -> None:
        if self.teller.say(self._halt, **{**self.teller.status, "step": plan.current.text}):
            self.teller.show(plan, self._seen, self.topics)

    def checked(self, step: Step, p: float, obs: Observation) -> None:
        self.teller.say(self._halt, **{**self.teller.status, "checked": step.text, "p": round(p, 3)})
