"""The controller of a vehicle: any driver of the group `driver` in the seat, through the same loop and lifecycle as an arm's.

    python -m ros_nodes.driver_node --ros-args -p robot:=sim_car -p driver:=cruise -p instruction:="drive on"

Takes ~/instruction (what the driver is told of its route; an empty one stops), odom and the vehicle's cameras. Says
controller/twist to the vehicle's gate, and of the driver ~/path, ~/decision and ~/hazard.
"""

from __future__ import annotations

import sys
from typing import Any

from embodied import registry
from embodied.control.chunks import Blend
from embodied.types import ActionChunk, Observation, Plan
from policies.steering import Steering
from ros_nodes.controller_node import ControllerNode, Lent
from ros_nodes.forecasts import Forecasts
from ros_nodes.process import live, ros_s
from ros_nodes.vehicle_body import VehicleWire
from ros_nodes.vehicles import vehicle

NO_END = 10**9  # ticks: whoever instructs it ends it


class DriverNode(ControllerNode):
    """One vehicle's driver."""

    parameters = {
        "robot": ("sim_car", "a shipped vehicle, or the path of its .yaml"),
        "driver": ("cruise", "who drives: a name of the group `driver`"),
        "autostart": (True, "configure and activate at once"),
        "instruction": ("", "what to do at once"),
    }

    def __init__(self) -> None:
        self.forecasts: Forecasts | None = None
        super().__init__()

    @property
    def ways(self) -> dict[str, Any]:
        """A forecast is of its moment: not faded into the next. It is never done and never planned again."""
        return {"seam": Blend(rows=0), "confirm": False, "replan": False, "max_ticks": NO_END, "log": False}

    def link(self) -> VehicleWire:
        made = vehicle(str(self._set("robot")))
        registry.part("driver", str(self._set("driver")))
        topics, self.forecasts = VehicleWire(self, made), Forecasts(self)
        return topics

    def policy(self, body: Any) -> Any:
        with self.alone():
            if self.made is None:
                self.made = registry.build("driver", str(self._set("driver")))
            return Lent(TellingSteering(self.made, body.spec, self), self)


class TellingSteering(Steering):
    """Steering whose forecasts are said."""

    def __init__(self, driver: Any, spec: Any, node: DriverNode) -> None:
        self._node = node
        super().__init__(driver, spec)

    def act(self, obs: Observation, plan: Plan) -> ActionChunk:
        chunk = super().act(obs, plan)
        assert self.said is not None and self._node.forecasts is not None
        self._node.teller.beside(self._node.forecasts.tell, self.said, ros_s(self._node))
        return chunk


def main() -> int:
    return live(DriverNode)


if __name__ == "__main__":
    sys.exit(main())
