"""The gate's services under the controller's name, for who knows only that: what is asked there is asked of the gate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import ReentrantCallbackGroup
from std_srvs.srv import SetBool, Trigger

SERVICES = {"estop": Trigger, "reset_fault": Trigger, "set_enabled": SetBool}


def offer(node: Any, stop: Callable[[], None]) -> None:
    """~/estop, ~/reset_fault and ~/set_enabled. stop: called before the gate is told to stop, whether it is there or not."""
    group = (
        ReentrantCallbackGroup()
    )  # in the node's own nothing else would be heard until the gate has answered, not even its answer
    for name, kind in SERVICES.items():
        client = node.create_client(kind, f"gate/{name}", callback_group=group)

        async def passed(request: Any, response: Any, name: str = name, client: Any = client) -> Any:
            if name == "estop":
                stop()
            if not client.service_is_ready():
                response.success, response.message = False, "the gate is not there; start it, or use its own services"
                return response
            return await client.call_async(request)

        node.create_service(kind, f"~/{name}", passed, callback_group=group)
