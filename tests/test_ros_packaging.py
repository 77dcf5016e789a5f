"""The package as the build tools of Humble, Jazzy and today make it: colcon's overlay, its symlinks, the wheel."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
pytestmark = pytest.mark.ros
ROOT = Path(__file__).parent.parent
COLCON = (
    "colcon-core",
    "colcon-ros",
    "colcon-python-setup-py",
    "colcon-library-path",
    "colcon-recursive-crawl",
    "colcon-bash",
)
SETUPTOOLS = ("59.6.0", "68.1.2", "79.0.1")  # of Humble, of Jazzy, and the last that colcon's symlinks work with


@pytest.fixture(scope="module", params=SETUPTOOLS)
def tools(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, Path]:
    """The setuptools' version, a Python that has it and colcon, and a clean copy of the repository."""
    folder = tmp_path_factory.mktemp("colcon")
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    python, copy = folder / "venv" / "bin" / "python", folder / "copy"
    wanted = (f"setuptools=={request.param}", "wheel", *COLCON)
    done = subprocess.run(
        [str(python), "-m", "pip", "install", "-q", *wanted], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "build", "runs", "*.egg-info", "__pycache__"))
    return request.param, python, copy


@pytest.mark.parametrize("how", [(), ("--symlink-install",)], ids=["copied", "linked"])
def test_an_overlay_has_nodes_launch_files_and_what_they_read(
    how: tuple[str, ...], tools: tuple[str, Path, Path], tmp_path: Path
) -> None:
    _, python, copy = tools
    words = [str(python), "-m", "colcon", "build", "--base-paths", str(copy), *how]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    made = tmp_path / "install" / "embodied_planner"
    folder = made / "lib" / "embodied_planner"
    nodes = [folder / p.name for p in (ROOT / "launch" / "nodes").iterdir()]
    assert all(os.access(p, os.X_OK) and p.read_text().startswith("#!/usr/bin/env python3\n") for p in nodes)
    share = made / "share"
    assert {p.name for p in (share / "embodied_planner" / "launch").iterdir()} == {
        p.name for p in (ROOT / "launch").glob("*.py")
    }
    assert (share / "ament_index" / "resource_index" / "packages" / "embodied_planner").exists()
    # The packages of the overlay, with what they read, and none of the checkout's; the gate says in a sentence what it cannot be.
    code = (
        "import embodied, ros_nodes; from embodied.model.weights import find; from ros_nodes.robots import robot; "
        "print(ros_nodes.__file__, robot('sim').name, find('tabletop'))"
    )
    env = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    sourced = f"source {tmp_path / 'install' / 'setup.bash'} && cd / && "
    said = subprocess.run(
        ["bash", "-c", f'{sourced} python -c "{code}"'], env=env, capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stderr
    homes = (str(tmp_path), str(copy)) if how else (str(tmp_path),)  # links lead back to the source
    assert all(word.startswith(homes) for word in said.stdout.split() if "/" in word), said.stdout
    gate = [*("bash", "-c"), f"{sourced} {folder / 'gate_node'} --ros-args -p robot:=r2d2"]
    said = subprocess.run(gate, env=env, capture_output=True, text=True, check=False)
    assert said.returncode == 2 and "no robot 'r2d2'" in said.stderr


def test_a_wheel_has_them_too(tools: tuple[str, Path, Path], tmp_path: Path) -> None:
    version, python, copy = tools
    if int(version.split(".")[0]) < 61:
        pytest.skip("reads no pyproject.toml; pip takes a newer one of its own to build a wheel")
    words = [
        str(python),
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(tmp_path),
        str(copy),
    ]
    subprocess.run(words, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("embodied_planner-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    for ending in ("lib/embodied_planner/gate_node", "launch/arm.launch.py", "ros_nodes/config/robots/sim.yaml"):
        assert any(name.endswith(ending) for name in names), ending
