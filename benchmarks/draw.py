"""Drawing in figures: lines traced, areas filled, shades, the order of strokes, and the arm with its pen, beside their peers.

    python benchmarks/draw.py [parts=trace,fill,tone,order,arm] [data=../shared/data/drawing] [scorer=../shared/bench/draw_score.py]
                              [peers=] [repeats=3] [sketches=3]

trace: every picture at 6 px a mm, scored by `scorer` (needs skia-python); beside it autotrace's centrelines and potrace's and
vtracer's outlines. fill: ink covered, ink outside, and ink laid over area. tone: scikit-image's `camera` in one stroke, the mean
difference of grey values after a blur of 2 mm. order: travel of the raised pen for the same strokes, over that of vpype's
linesort. arm: the simulated Panda; `sketches` seeds with a pen that runs dry, varies, and a sheet that slips.
peers: folder of a second environment's programs, with vpype==1.15.0, pyautotrace and vtracer (README.md here); potrace is looked
for on the PATH. A peer that is not there is left out.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from options import leave, options

from embodied.draw import make, picture, svg, timing, trace
from embodied.draw.bezier import flattened
from embodied.draw.bezier import lines as polyline
from embodied.draw.drawing import Drawing, Layer
from embodied.draw.order import ordered, travel
from embodied.draw.ragged import length
from embodied.errors import UserError

PICTURES = {"house": 3, "junctions": 3, "map": 2, "house_phone": 3, "cursive": 4, "house_marker": 8}
WANTED = {"house": 0.058, "junctions": 0.025, "map": 0.067, "house_phone": 0.085}
AUTOTRACE = """
import sys, numpy as np, autotrace
from PIL import Image
bitmap = autotrace.Bitmap(np.asarray(Image.open(sys.argv[1]).convert("RGB")))
import time; t = time.perf_counter()
vector = bitmap.trace(centerline=True, line_threshold=0.1, error_threshold=1.0, filter_iterations=2)
print(time.perf_counter() - t)
vector.save(sys.argv[2])
"""
LINESORT = """
import sys, time, vpype, vpype_cli
strokes = vpype.read_multilayer_svg(sys.argv[1], quantization=vpype.convert_length("0.01mm"), simplify=False)
took = []
for _ in range(3):
    t = time.process_time()
    done = vpype_cli.execute(sys.argv[3], strokes)
    took.append(time.process_time() - t)
with open(sys.argv[2], "w") as file:
    vpype.write_svg(file, done)
print(min(took))
"""
VTRACER = """
import sys, vtracer, time
t = time.perf_counter()
vtracer.convert_image_to_svg_py(sys.argv[1], sys.argv[2], colormode="binary")
print(time.perf_counter() - t)
"""


def heading(*cells: str) -> None:
    print("\n| " + " | ".join(cells) + " |\n|" + "---|" * len(cells))


def score(scorer: Path, result: Path, source: Path, pen: float) -> dict[str, float]:
    truth = source.with_suffix(".gt.json")
    extra = ["--gt", str(truth)] if truth.is_file() else []
    run = subprocess.run([sys.executable, str(scorer), str(result), str(source), "--pen", str(pen), *extra],
                         capture_output=True, text=True)  # fmt: skip
    if run.returncode:
        raise UserError(f"{scorer.name} failed: {run.stderr.strip().splitlines()[-1]}; it needs skia-python")
    return json.loads(run.stdout)


def traced(source: Path, pen: float, out: Path, repeats: int) -> float:
    """CPU seconds, the least of the repeats, from the picture's file to the curves, in no particular order of strokes."""
    took = []
    for _ in range(repeats):
        start = time.process_time()
        seen = picture.load(source)
        curves, _ = trace.trace(seen, pen, trace.Style("line"))
        took.append(time.process_time() - start)
    layer = Layer("#000000", pen / 6, [curve / 6 for curve in curves])
    out.write_text(svg.written(Drawing(seen.ink.shape[1] / 6, seen.ink.shape[0] / 6, [layer])))
    return min(took)


def pen_of(scorer: Path) -> Callable[..., np.ndarray]:
    """The scorer's own pen: strokes (px), width, page width and height -> grey page."""
    spec = importlib.util.spec_from_file_location("draw_score", scorer)
    if spec is None or spec.loader is None or not scorer.is_file():
        raise UserError(f"no scorer at {str(scorer)!r}; give scorer=FILE")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except ImportError as missing:
        raise UserError(f"the scorer needs {missing.name!r}; run: pip install skia-python") from None
    return module.draw


def peer_traces(source: Path, folder: Path, peers: Path | None) -> dict[str, tuple[float, Path]]:
    """Seconds and file of every peer that is there, on the same flattened picture."""
    from PIL import Image

    seen = picture.load(source)
    flat = folder / f"{source.stem}-flat.png"
    Image.fromarray((255 * (1 - seen.ink)).astype(np.uint8)).save(flat)
    found: dict[str, tuple[float, Path]] = {}
    for name, code in (("autotrace", AUTOTRACE), ("vtracer", VTRACER)):
        python = peers / "python" if peers else None
        if python is None or not python.exists():
            continue
        out = folder / f"{source.stem}-{name}.svg"
        run = subprocess.run([str(python), "-c", code, str(flat), str(out)], capture_output=True, text=True)
        if run.returncode == 0:
            found[name] = float(run.stdout.split()[0]), out
    if potrace := shutil.which("potrace"):
        out, bitmap = folder / f"{source.stem}-potrace.svg", folder / "in.pbm"
        Image.open(flat).point(lambda v: 255 * (v >= 128)).convert("1").save(bitmap)
        start = time.perf_counter()
        subprocess.run([potrace, "-s", str(bitmap), "-o", str(out)], check=True)
        found["potrace"] = time.perf_counter() - start, out
    return found


def part_trace(given: dict, folder: Path) -> None:
    data, scorer = Path(given["data"]), Path(given["scorer"])
    heading(
        "picture",
        "Chamfer px (wanted)",
        "within 1 px",
        "true line mean / p95 px",
        "strokes",
        "CPU s",
        "peers: Chamfer px, s",
    )
    for name, pen in PICTURES.items():
        source, out = data / f"{name}.png", folder / f"{name}.svg"
        took = traced(source, pen, out, given["repeats"])
        against = source
        if name == "house_phone":  # a photograph: its flattened page is what a pen can be held against
            against = folder / f"{name}-flat.png"
            _save_flat(source, against)
        ours = score(scorer, out, against, pen)
        truth = score(scorer, out, source, pen)
        beside = []
        for peer, (seconds, file) in peer_traces(source, folder, _peers(given)).items():
            beside.append(f"{peer} {score(scorer, file, against, pen)['chamfer']:.3f}, {seconds:.2f}")
        wanted = f" ({WANTED[name]:.3f})" if name in WANTED else ""
        print(f"| {name} | {ours['chamfer']:.3f}{wanted} | {ours['iou1']:.3f} | {truth['gt_mean']:.3f} / {truth['gt_p95']:.3f} | "
              f"{ours['strokes']:.0f} | {took:.2f} | {'; '.join(beside)} |", flush=True)  # fmt: skip


def _save_flat(source: Path, out: Path) -> None:
    from PIL import Image

    Image.fromarray((255 * (1 - picture.load(source).ink)).astype(np.uint8)).save(out)


def part_fill(given: dict, folder: Path) -> None:
    source, draw = Path(given["data"]) / "logo.png", pen_of(Path(given["scorer"]))
    heading("logo, pen 3 px", "cover (0.995)", "spill (0.005)", "ink over area (1.12)")
    for style in ("hatch", "concentric"):
        seen = picture.load(source)
        curves, _ = trace.trace(seen, 3.0, trace.Style("fill", style))
        strokes = [flattened(curve, 0.5) for curve in curves]
        dark, drawn = seen.ink > 0.5, draw(strokes, 3.0, *seen.ink.shape[::-1]) < 128
        ink = sum(map(length, strokes))
        print(f"| {style} | {(dark & drawn).sum() / dark.sum():.4f} | {(drawn & ~dark).sum() / dark.sum():.4f} | "
              f"{ink * 3 / dark.sum():.3f} |", flush=True)  # fmt: skip


def part_tone(given: dict, folder: Path) -> None:
    from PIL import Image
    from scipy.ndimage import gaussian_filter
    from skimage import data

    draw = pen_of(Path(given["scorer"]))
    image = Image.fromarray(data.camera()).resize((1024, 1024), Image.Resampling.LANCZOS)
    seen = picture.of(image)
    heading("camera, 1024 px, pen 3 px", "grey difference of 255 after 2 mm blur (11)", "r (0.965)", "strokes", "s")
    for style in ("stipple", "hatch", "squiggle"):
        start = time.perf_counter()
        curves, _ = trace.trace(seen, 3.0, trace.Style("tone", style))
        took = time.perf_counter() - start
        page = draw([flattened(curve, 0.5) for curve in curves], 3.0, *seen.grey.shape[::-1]).astype(float)
        a, b = gaussian_filter(255.0 * seen.grey, 12), gaussian_filter(page, 12)
        alike = np.corrcoef(a.ravel(), b.ravel())[0, 1]
        print(f"| {style} | {np.abs(a - b).mean():.1f} | {alike:.4f} | {len(curves)} | {took:.1f} |", flush=True)


def part_order(given: dict, folder: Path) -> None:
    """The strokes of each picture, as traced, in mm; vpype reads them from an SVG and writes one."""
    data, peers = Path(given["data"]), _peers(given)
    python = peers / "python" if peers and (peers / "vpype").exists() else None
    heading(
        "picture",
        "strokes",
        "linesort: mm, own s",
        "two-opt",
        "ours, 1 s",
        "ours in half of linesort's own time",
        "time min: ours, retrace=max",
    )
    ratios: list[list[float]] = []
    for name, pen in [*PICTURES.items(), ("text", 3), ("logo", 3)]:
        seen = picture.load(data / f"{name}.png")
        found, _ = trace.trace(seen, pen, trace.Style())
        strokes = [flattened(curve, 1.2) / 6 for curve in found]
        rng = np.random.default_rng(0)
        strokes = [strokes[k] for k in rng.permutation(len(strokes))]
        best = ordered(strokes, budget_s=1.0)
        cells, theirs, own = ["-", "-"], [np.nan, np.nan], 0.1
        if python:
            (folder / "in.svg").write_text(
                svg.written(Drawing(171, 171, [Layer("#000000", pen / 6, [polyline(s) for s in strokes])]))
            )
            for k, how in enumerate(("linesort", "linesort --two-opt")):
                run = [str(python), "-c", LINESORT, str(folder / "in.svg"), str(folder / "out.svg"), how]
                took = float(subprocess.run(run, capture_output=True, text=True, check=True).stdout.split()[-1])
                back = [s for layer in svg.read(folder / "out.svg").layers for s in layer.strokes(1e9)]
                theirs[k] = travel(back)
                cells[k] = f"{theirs[k]:.0f}, {took:.3f}"
                own = took if k == 0 else own
        start = time.process_time()
        fast = ordered(strokes, budget_s=own / 2)
        quick = time.process_time() - start
        ratios.append([travel(best) / theirs[0], travel(best) / theirs[1], travel(fast) / theirs[0]])
        again = make.in_order(
            Layer("#000000", pen / 6, [polyline(s) for s in strokes]), make.Plan(retrace="max")
        ).strokes()
        minutes = [_minutes(some) for some in (best, again)]
        print(f"| {name} | {len(strokes)} | {cells[0]} | {cells[1]} | {travel(best):.0f} | {travel(fast):.0f}, {quick:.3f} | "
              f"{minutes[0]:.2f}, {minutes[1]:.2f} |", flush=True)  # fmt: skip
    mean = np.exp(np.log(np.array(ratios)).mean(0))
    print(
        f"\ngeometric means: ours over linesort {mean[0]:.3f} (wanted 0.70), over two-opt {mean[1]:.3f} (0.85), "
        f"fast over linesort {mean[2]:.3f} (0.80)"
    )


def _minutes(strokes: list[np.ndarray]) -> float:
    """At 100 mm/s ink, 250 mm/s travel, 0.4 s a lift, without acceleration."""
    ink = sum(map(length, strokes))
    return float(ink / 100 + travel(strokes) / 250 + 0.4 * len(strokes)) / 60


def part_arm(given: dict, folder: Path) -> None:
    from policies.draw import PenPolicy
    from policies.sketch import Sketch
    from sim.draw import RATE_HZ, DrawBody, home
    from sim.paper import Trouble

    plan = make.Plan()
    made, _ = make.drawing(Path(given["data"]) / "house.png", plan)
    strokes = made.layers[0].strokes()
    troubled = Trouble(0.05, slip_mm=2.0, slip_deg=1.0, vary=0.2)
    heading(
        "arm, house on A4",
        "within 0.5 mm (0.95)",
        "Chamfer mm (0.25)",
        "tip mm: mean / p95 / max (0.06 / 0.10 / 0.25)",
        "time: simulated over estimated (1.03)",
    )
    runs = [("no trouble", Trouble(), 2, 0.0, 0)]
    for seed in range(given["sketches"]):
        runs += [
            (f"trouble, open loop, seed {seed}", troubled, 0, 0.0, seed),
            (f"trouble, closed loop, seed {seed}", troubled, 2, 10.0, seed),
        ]
    for name, trouble, passes, look_s, seed in runs:
        body = DrawBody((made.width, made.height), plan.pen_mm, trouble)
        body.reset(seed)
        policy = PenPolicy(body.arm, RATE_HZ, plan.pace)
        at = folder / name.replace(" ", "-")
        at.mkdir()
        sketch = Sketch(body, policy, strokes, plan.pen_mm, at, look_s, passes)
        result = sketch.run()
        tip, ratio = "-", "-"
        if not trouble.slip_mm:
            from scipy.spatial import KDTree

            from embodied.draw.residue import along

            way = np.array(body.way)
            off = KDTree(along(strokes, 0.02)).query(way[way[:, 2] < 0][:, :2])[0]
            tip = f"{off.mean():.3f} / {np.quantile(off, 0.95):.3f} / {off.max():.3f}"
            guess = timing.estimate(strokes, home(body), plan.pace)
            ratio = f"{body.now_s / guess.total_s:.3f}"
        body.close()
        print(f"| {name} | {result['iou']:.3f} | {result['chamfer_mm']:.3f} | {tip} | {ratio} |", flush=True)


def _peers(given: dict) -> Path | None:
    return Path(given["peers"]) if given["peers"] else None


def main(arguments: list[str]) -> int:
    given = options(arguments, parts="trace,fill,tone,order,arm", data="../shared/data/drawing",
                    scorer="../shared/bench/draw_score.py", peers="", repeats=3, sketches=3)  # fmt: skip
    known = {"trace": part_trace, "fill": part_fill, "tone": part_tone, "order": part_order, "arm": part_arm}
    parts = given["parts"].split(",")
    if unknown := [part for part in parts if part not in known]:
        raise UserError(f"unknown part {unknown[0]!r}; choose from {', '.join(known)}")
    if not Path(given["data"]).is_dir():
        raise UserError(f"no folder {given['data']!r} of test pictures; give data=FOLDER")
    with tempfile.TemporaryDirectory() as folder:
        for part in parts:
            known[part](given, Path(folder))
    return 0


if __name__ == "__main__":
    leave(main)
