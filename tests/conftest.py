"""What every test shares: one torch thread, nothing fetched, and skips for what this machine lacks."""

from __future__ import annotations

import importlib.util
import os

import hypothesis
import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    no_ros = importlib.util.find_spec("rclpy") is None
    for item in items:
        if no_ros and item.get_closest_marker("ros"):
            item.add_marker(pytest.mark.skip(reason="ROS 2 is not installed; pip install 'embodied-planner[ros]'"))
        if item.get_closest_marker("gpu"):
            import torch

            if not torch.cuda.is_available():
                item.add_marker(pytest.mark.skip(reason="no CUDA device"))


# A loaded machine must not fail a property; the same examples every time.
hypothesis.settings.register_profile("ours", deadline=None, derandomize=True)
hypothesis.settings.load_profile("ours")
