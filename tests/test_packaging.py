"""What the wheel holds, what an import costs, what may import what, and that nothing is pickled."""

from __future__ import annotations

import ast
import configparser
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import tomllib

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("embodied", "policies", "sim", "ros_nodes")
SOURCES = sorted(p for name in PACKAGES for p in (ROOT / name).rglob("*.py"))


def _setup() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


def _python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_package_list_is_the_folders_with_an_init() -> None:
    listed = set(_setup()["options"]["packages"].split())
    found = {".".join(p.parent.relative_to(ROOT).parts) for p in SOURCES if p.name == "__init__.py"}
    assert listed == found


def test_every_package_data_pattern_matches_and_every_data_file_is_matched() -> None:
    for package, patterns in _setup()["options.package_data"].items():
        matched = {f for pattern in patterns.split() for f in (ROOT / package).glob(pattern)}
        there = {
            f
            for f in (ROOT / package).rglob("*")
            if f.is_file() and f.suffix not in (".py", ".pyc") and "__pycache__" not in f.parts
        }
        assert there <= matched, f"{package}: not shipped: {there - matched}"


def test_one_version() -> None:
    import embodied

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    xml = re.search(r"<version>(.*?)</version>", (ROOT / "package.xml").read_text())
    cff = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(), re.M)
    cfg = configparser.ConfigParser()
    cfg.read(ROOT / "setup.cfg")
    assert xml is not None
    assert cff is not None
    assert project["version"] == embodied.__version__ == xml[1] == cff[1] == cfg["metadata"]["version"]
    assert project["name"] == cfg["metadata"]["name"]
    assert f"## {embodied.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_constraints_satisfy_the_bounds() -> None:
    from packaging.requirements import Requirement

    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wishes = project["dependencies"] + [w for extra in project["optional-dependencies"].values() for w in extra]
    for wish in map(Requirement, wishes):
        if wish.name in pins:
            assert wish.specifier.contains(pins[wish.name]), f"{wish} against {pins[wish.name]}"
    assert {Requirement(w).name for w in project["dependencies"]} <= pins.keys()
    assert pins["torch"] == "2.13.0"


def test_import_is_light() -> None:
    """`import embodied` and the contract files need numpy and nothing heavier; less than 0.2 s of CPU."""
    code = (
        "import numpy, sys, time; t = time.process_time(); "
        "import embodied, embodied.types, embodied.spec, embodied.protocols, embodied.geometry, embodied.plan, embodied.control; "
        "took = time.process_time() - t; "
        "heavy = {'torch', 'transformers', 'hydra', 'gymnasium', 'pybullet', 'pyarrow', 'av', 'PIL'} & set(sys.modules); "
        "print(took, sorted(heavy))"
    )
    took, heavy = min((_python(code).split(" ", 1) for _ in range(3)), key=lambda pair: float(pair[0]))
    assert heavy == "[]"
    assert float(took) < 0.2


def test_parts_import_in_milliseconds() -> None:
    """Listing the choices of a group loads no torch and no pybullet."""
    code = (
        "import sys; from embodied import registry; "
        "[registry.choices(g) for g in ('task', 'robot', 'policy', 'data', 'drive', 'driver')]; "
        "print(sorted({'torch', 'pybullet', 'transformers', 'pyarrow', 'av', 'rosbags'} & set(sys.modules)))"
    )
    assert _python(code) == "[]"


def test_weights_are_read_without_the_library_that_trains_them() -> None:
    """Its import takes longer than all else before a robot's node is active."""
    code = (
        "import sys, policies.planner; from embodied.model.decode import Look; from embodied.model.weights import from_pretrained; "
        "model = from_pretrained('tabletop'); model.backbone.reader(); print('transformers' in sys.modules)"
    )
    assert _python(code) == "False"


def test_import_direction() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports"))], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_pickle_no_eval_no_long_file(path: Path) -> None:
    text = path.read_text()
    assert not _imports(path) & {"pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
    assert "torch.load(" not in text
    assert not re.search(r"(?<![\w.])(eval|exec)\(", text)
    assert text.count("\n") <= 350


def test_weights_are_small_and_safe() -> None:
    folder = ROOT / "embodied" / "weights"
    for weights in folder.glob("*/"):
        files = [f for f in weights.iterdir() if f.is_file()]
        assert {f.suffix for f in files} <= {".json", ".safetensors", ".md"}
        assert sum(f.stat().st_size for f in files) <= 25 * 2**20


@pytest.mark.slow
def test_wheel_contents(tmp_path: Path) -> None:
    copy = tmp_path / "copy"  # a build in place leaves build/lib behind, which the next wheel would ship
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "build", "runs", "*.egg-info", "__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path), str(copy)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("embodied_planner-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {str(p.relative_to(ROOT)) for p in SOURCES} <= names
    assert {str(p.relative_to(ROOT)) for p in (ROOT / "embodied" / "conf").rglob("*.yaml")} <= names
    assert {str(p.relative_to(ROOT)) for p in (ROOT / "embodied").glob("weights/*/*")} <= names
    assert any(n.endswith("share/embodied_planner/package.xml") for n in names)
    assert not [n for n in names if n.startswith(("tests/", "docs/", "benchmarks/"))]
