"""The document's picture and tables of the nodes are what the running nodes say of themselves."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
pytestmark = [pytest.mark.ros, pytest.mark.slow]

from ros_nodes import graph  # noqa: E402

DOCUMENT = Path(__file__).parent.parent / "docs" / "ros2.md"


def test_the_document_shows_the_nodes_as_they_are() -> None:
    found = re.search(f"{re.escape(graph.BEGIN)}.*{re.escape(graph.END)}", DOCUMENT.read_text(), re.S)
    assert found is not None
    now = subprocess.run(
        [sys.executable, "-m", "ros_nodes.graph"], check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    assert found[0] == now.strip(), "write it anew: python -m ros_nodes.graph"
