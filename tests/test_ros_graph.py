"""The document's picture and tables of the nodes are what the running nodes say of themselves."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
pytestmark = [pytest.mark.ros, pytest.mark.slow]
os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 100)
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"

from ros_nodes import graph  # noqa: E402

DOCUMENT = Path(__file__).parent.parent / "docs" / "ros2.md"


def test_the_document_shows_the_nodes_as_they_are() -> None:
    found = re.search(f"{re.escape(graph.BEGIN)}.*{re.escape(graph.END)}", DOCUMENT.read_text(), re.S)
    assert found is not None
    assert found[0] == graph.block(), "write it anew: python -m ros_nodes.graph"
