"""A pen behind the gate: what is sent to the robot runs along the strokes; pause, resume and cancel."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial import KDTree

from embodied.draw.residue import along
from embodied.draw.sheet import laid, on_page

pytest.importorskip("rclpy")
pytestmark = pytest.mark.ros
os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 100)
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"

from std_msgs.msg import Bool, String  # noqa: E402

from ros_nodes import start  # noqa: E402
from ros_nodes.fake import LATE, PATIENCE, PATIENT, Bench, variant  # noqa: E402
from ros_nodes.process import LATCHED  # noqa: E402
from ros_nodes.robots import robot  # noqa: E402

PAGE = (120.0, 80.0)
PATHS = ("M20 20L100 20", "M30 60C50 30 70 30 90 60")
SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="120mm" height="80mm" viewBox="0 0 120 80">'
    + "".join(f'<path d="{path}" fill="none" stroke="#000"/>' for path in PATHS)
    + "</svg>"
)


def drawn(bench: Bench, text: str, *done: str, limit_s: float = 60.0) -> None:
    """Until the pen's state is one of these. A stop comes first where the gate has found a fault."""
    out = bench.node.create_publisher(String, "draw/picture", LATCHED)
    out.publish(String(data=text))
    bench.until(lambda: bench.heard.get("draw", {}).get("state") in (*done, "stopped"), limit_s, bench.measure)
    assert bench.heard["draw"]["state"] in done, bench.heard


def behind_the_gate(folder: Path, scene: Callable[[Bench], None], tries: int = 4, **given: Any) -> Bench:
    """Play the scene with a gate and a pen. What a busy machine is late with is a fault, as it should be: all anew then, with
    another bench, so that nothing that was said or heard before is left over. The bench of the scene that came to its end."""
    commands = {
        "gate": start.command("gate_node", {"robot": variant(folder, *PATIENT, more=PATIENCE)}),
        "draw": start.command("draw_node", {"page": "image", **given}),
    }
    bench = Bench()
    bench.hear("draw")
    try:
        with start.processes(commands):
            bench.until(lambda: {"gate", "draw"} <= set(bench.heard), 20.0, bench.measure)
            bench.until(
                lambda: not bench.heard["gate"]["fault"] or bench.call("gate/reset_fault").success, 10.0, bench.measure
            )
            scene(bench)
        return bench
    except AssertionError:
        if tries == 1 or not f"gate: {bench.heard.get('gate', {}).get('fault')}".startswith(LATE):
            raise
    finally:
        bench.close()
    return behind_the_gate(folder, scene, tries - 1, **given)


def test_the_robot_is_sent_along_the_strokes(tmp_path: Path) -> None:
    def scene(bench: Bench) -> None:
        drawn(bench, SVG, "finished")
        assert bench.heard["draw"]["done"] == 2 and not bench.heard["gate"]["fault"]

    bench = behind_the_gate(tmp_path, scene)
    arm = robot("sim").new_arm(0.09)
    tips = on_page(laid(*PAGE), np.array([arm.fk(row[:7])[:3, 3] for row in bench.first]))
    curve = np.linspace(0, 1, 400)[:, None]
    a, b, c, d = np.array([[30, 60], [50, 30], [70, 30], [90, 60]], float)
    bend = (1 - curve) ** 3 * a + 3 * (1 - curve) ** 2 * curve * b + 3 * (1 - curve) * curve**2 * c + curve**3 * d
    path = along([np.array([[20.0, 20.0], [100.0, 20.0]]), bend], 0.05)
    pressed = tips[tips[:, 2] < -0.15]
    assert len(pressed) > 50 and KDTree(path).query(pressed[:, :2])[0].max() < 0.5
    assert KDTree(pressed[:, :2]).query(path)[0].max() < 6.0  # all of it was passed


def test_it_pauses_between_strokes_goes_on_and_is_cancelled_at_once(tmp_path: Path) -> None:
    def scene(bench: Bench) -> None:
        drawn(bench, SVG, "drawing")
        assert bench.call("draw/pause").success
        bench.until(lambda: bench.heard["draw"]["state"] in ("paused", "stopped"), 30.0, bench.measure)
        up = on_page(laid(*PAGE), robot("sim").new_arm(0.09).fk(bench.at[:7])[None, :3, 3])[0, 2]
        assert up > 1.0 and bench.heard["draw"]["done"] <= 1
        assert bench.call("draw/resume").success
        bench.until(lambda: bench.heard["draw"]["state"] in ("drawing", "stopped"), 10.0, bench.measure)
        assert bench.call("draw/cancel").success
        bench.until(lambda: bench.heard["draw"]["state"] in ("cancelled", "stopped"), 10.0, bench.measure)
        drawn(bench, "/nowhere/picture.png", "cancelled")
        bench.until(lambda: "is no file" in bench.heard["draw"]["why"], 10.0, bench.measure)

    behind_the_gate(tmp_path, scene, speed=40.0)


def test_what_the_gate_has_stopped_is_over_and_the_pen_says_why(tmp_path: Path) -> None:
    def scene(bench: Bench) -> None:
        bench.estop.publish(Bool(data=False))
        drawn(bench, SVG, "drawing")
        bench.estop.publish(Bool(data=True))
        bench.until(lambda: bench.heard["draw"]["state"] == "stopped", 10.0, bench.measure)
        assert "gate: " in bench.heard["draw"]["why"] and "gate: controller" not in bench.heard["draw"]["why"]

    behind_the_gate(tmp_path, scene, speed=40.0)
