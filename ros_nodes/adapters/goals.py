"""An action's goals where only the newest counts: sent at a pace, refusals reported, answers that stay away too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.action.client import ActionClient
from rclpy.node import Node

ANSWER_S = 1.0  # s within which a goal is accepted or refused


class Goals:
    """One action server's. failed: the sentence for a result that means that the robot will not go on, or nothing."""

    def __init__(
        self, node: Node, kind: Any, name: str, refused: Callable[[str], None], failed: Callable[[Any], str]
    ) -> None:
        self.client, self.name, self.refused, self.failed = ActionClient(node, kind, name), name, refused, failed
        self.count, self.asked_s = 0, float("inf")

    def send(self, goal: Any, now_s: float) -> bool:
        """False when no server is there."""
        if not self.client.server_is_ready():
            self.refused(f"no action server at {self.name}")
            return False
        self.count, self.asked_s = self.count + 1, min(self.asked_s, now_s)
        number = self.count
        self.client.send_goal_async(goal).add_done_callback(lambda future: self._answered(number, future))
        return True

    def check(self, now_s: float) -> None:
        """Call it at every tick."""
        if now_s - self.asked_s > ANSWER_S:
            self.asked_s = float("inf")
            self.refused(f"{self.name} does not answer")

    def _answered(self, number: int, future: Any) -> None:
        self.asked_s, handle = float("inf"), future.result()
        if not handle.accepted:
            return self.refused(f"{self.name} rejected a goal")
        handle.get_result_async().add_done_callback(lambda done: self._ended(number, done))
        return None

    def _ended(self, number: int, future: Any) -> None:
        if number == self.count and (why := self.failed(future.result().result)):  # those before were replaced
            self.refused(f"{self.name}: {why}")
