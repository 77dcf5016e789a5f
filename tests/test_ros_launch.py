"""The launch files start what they say, where the launch package is there."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("launch.actions", reason="the launch package comes with ROS 2")
pytest.importorskip("launch_ros.actions")
pytestmark = pytest.mark.ros

from launch.launch_context import LaunchContext  # noqa: E402

import launch  # noqa: E402

FOLDER = Path(__file__).parent.parent / "launch"


def started(name: str, **given: str) -> dict[str, dict[str, Any]]:
    """Executable -> parameters of the nodes that this launch file would start."""
    path = FOLDER / f"{name}.launch.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    context, out = LaunchContext(), dict[str, dict[str, Any]]()
    context.launch_configurations.update(given)
    for entity in module.generate_launch_description().entities:
        if isinstance(entity, launch.actions.DeclareLaunchArgument):
            entity.execute(context)
        elif hasattr(entity, "node_executable") and entity.condition.evaluate(context):
            assert entity.node_executable not in out
            out[entity.node_executable] = parameters(entity, context)
    return out


def parameters(node: Any, context: LaunchContext) -> dict[str, Any]:
    from launch_ros.utilities import evaluate_parameters

    out: dict[str, Any] = {}
    for one in evaluate_parameters(context, node._Node__parameters):
        out |= one if isinstance(one, dict) else {"file": str(one)}
    return out


def test_an_arm_and_its_simulator() -> None:
    nodes = started("arm", instruction="pick: it")
    assert set(nodes) == {"gate_node", "controller_node", "sim_node"}
    assert nodes["gate_node"] == {
        "robot": "sim",
        "speed_share": 1.0,
        "fake": False,
        "priority": 0,
        "use_sim_time": False,
    }
    assert nodes["controller_node"]["instruction"] == "pick: it" and nodes["sim_node"]["seed"] == 0
    assert set(started("arm", fake="true")) == {"gate_node", "controller_node", "fake_node"}
    assert started("arm", robot="ur5e", fake="true")["fake_node"] == {"robot": "ur5e", "use_sim_time": False}
    nodes = started("arm", robot="ur5e", dry_run="false", out="data", use_sim_time="true")
    assert set(nodes) == {"gate_node", "controller_node", "record_node"}
    assert nodes["gate_node"] == {
        "robot": "ur5e",
        "speed_share": 1.0,
        "priority": 0,
        "fake": False,
        "use_sim_time": True,
        "dry_run": False,
    }


def test_the_simulator_alone_and_a_vehicle(tmp_path: Path) -> None:
    assert started("sim", task="pick")["sim_node"]["task"] == "pick"
    assert started("vehicle", robot="diff_drive") == {
        "vehicle_gate_node": {"robot": "diff_drive", "speed_share": 1.0, "priority": 0, "use_sim_time": False}
    }
    (tmp_path / "mine.yaml").write_text("/**:\n  ros__parameters:\n    dead_man: false\n")
    given = started("vehicle", robot="diff_drive", dead_man="true", params_file=str(tmp_path / "mine.yaml"))[
        "vehicle_gate_node"
    ]
    nodes = started("vehicle", driver="cruise", instruction="drive on")
    assert set(nodes) == {"vehicle_gate_node", "driver_node", "sim_car_node"}
    assert nodes["driver_node"]["driver"] == "cruise" and nodes["sim_car_node"] == {
        "kind": "follow", "seed": 0, "use_sim_time": False,
    }  # fmt: skip
    assert started("replay", rate="2.0")["replay_node"]["rate"] == 2.0
    assert given["dead_man"] is True and given["file"].endswith("mine.yaml")
