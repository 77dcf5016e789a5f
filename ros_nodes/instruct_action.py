"""The action ExecuteInstruction beside the topic of sentences, where embodied_msgs (interfaces/) is built: its end is told."""

from __future__ import annotations

from typing import Any

from rclpy.action.server import ActionServer, CancelResponse, GoalResponse
from rclpy.task import Future
from std_msgs.msg import String

ENDS = ("succeeded", "failed", "refused", "stopped")
AWAY = ("idle", "inactive", "unconfigured")  # of a node that has no run any more and says nothing of how it ended
LOOK_S = 0.05  # s between looks at how it goes


def offer(node: Any) -> ActionServer | None:
    """~/execute of a controller; nothing where the action's messages are not installed."""
    try:
        from embodied_msgs.action import ExecuteInstruction  # type: ignore[import-not-found]
    except ImportError:
        return None
    return Instructions(node, ExecuteInstruction).server


class Instructions:
    """One goal at a time: a new sentence, by action or topic, ends the one before."""

    def __init__(self, node: Any, kind: Any) -> None:
        self.node, self.kind = node, kind
        self.server = ActionServer(
            node,
            kind,
            "~/execute",
            self.execute,
            goal_callback=self.asked,
            cancel_callback=lambda _: CancelResponse.ACCEPT,
        )

    def asked(self, goal: Any) -> GoalResponse:
        return GoalResponse.ACCEPT if self.node.active and goal.instruction.strip() else GoalResponse.REJECT

    async def execute(self, handle: Any) -> Any:
        node = self.node
        node.instruct(String(data=handle.request.instruction))
        number, told = node.instructed, [""]
        done: Any = Future(executor=node.executor)

        def look() -> None:
            state, reason = str(node.status.get("state")), str(node.status.get("reason", ""))
            if node.instructed != number:
                state, reason = "stopped", "another instruction came"
            elif handle.is_cancel_requested:
                node.instruct(String(data=""))
                state, reason = "stopped", "canceled"
            elif state in AWAY:
                state, reason = "stopped", f"the controller is {state}"
            if state in ENDS:
                return done.set_result((state, reason)) if not done.done() else None
            if (step := str(node.status.get("step", ""))) + state != told[0]:
                told[0] = step + state
                handle.publish_feedback(self.kind.Feedback(state=state, step=step))
            return None

        timer = node.create_timer(LOOK_S, look, clock=node.steady)
        state, reason = await done
        node.destroy_timer(timer)
        (handle.canceled if reason == "canceled" else handle.succeed if state == "succeeded" else handle.abort)()
        return self.kind.Result(state=state, reason=reason)
