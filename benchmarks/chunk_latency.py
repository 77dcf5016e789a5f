"""Fresh observation -> finished action chunk, beside LeRobot's ACT (default config, 51.6 M parameters), in one run.

    python benchmarks/chunk_latency.py [weights=tabletop|FOLDER|random] [rounds=15] [threads=2]

Needs lerobot 0.4.4 beside this project. Both get two pictures as uint8 and a state and give a chunk: ours encodes 320 x 192
and 192 x 192 pixels, reads the step's text and takes five steps of the flow head; ACT (random weights, same cost) gets two
pictures of 224 x 224. They take turns, so that a busy machine slows both; figures are medians.
"""

from __future__ import annotations

import importlib.util
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from embodied.data.normalise import Normalisation
from embodied.errors import UserError
from embodied.model.decode import Look
from embodied.model.lessons import ask_move
from embodied.model.network import EmbodiedModel, ModelConfig
from embodied.model.tokens import Words, train_vocabulary
from embodied.model.weights import from_pretrained

WANTED = 0.5
LINE = "put red block in blue bowl <x089><y076>"


def untrained() -> EmbodiedModel:
    """The shipped size with random weights."""
    statistics = {name: {"mean": [0.0] * 6, "std": [1.0] * 6} for name in ("arm", "action")}
    words = Words(train_vocabulary([LINE] * 2, ("front", "wrist", "arm", "objects")))
    return EmbodiedModel(ModelConfig(statistics=statistics), words).eval()


def ours(weights: str) -> tuple[Callable[[], Any], int]:
    try:
        model = untrained() if weights == "random" else from_pretrained(weights)
    except UserError as error:
        print(f"{error}; going on with random weights of the same size")
        model = untrained()
    if "action" not in model.config.statistics:  # trained without motion: same cost
        scales = {**model.config.statistics, "action": {"mean": [0.0] * 6, "std": [1.0] * 6}}
    else:
        scales = dict(model.config.statistics)
    normalisation, rng = Normalisation.from_dict(scales), np.random.default_rng(0)
    pictures = {c: rng.integers(0, 256, (h, w, 3), np.uint8) for c, (h, w, _) in model.config.cameras.items()}
    states = {s: rng.normal(size=size).astype(np.float32) for s, size in model.config.states.items()}

    def chunk() -> Any:
        images = {c: torch.from_numpy(picture)[None] for c, picture in pictures.items()}
        windows = {s: torch.from_numpy(normalisation.normalise(s, x))[None] for s, x in states.items()}
        rows = Look(model, images, windows).move(ask_move(LINE), 5)
        return normalisation.denormalise("action", rows.numpy())

    return chunk, sum(p.numel() for p in model.parameters())


def theirs() -> tuple[Callable[[], Any], int]:
    import lerobot

    # The package's own __init__ imports every policy, some of which need another transformers than ours; ACT needs none.
    policies = types.ModuleType("lerobot.policies")
    policies.__path__ = [str(Path(lerobot.__path__[0]) / "policies")]
    sys.modules["lerobot.policies"] = policies
    from lerobot.configs.types import FeatureType, PolicyFeature
    from lerobot.policies.act.configuration_act import ACTConfig
    from lerobot.policies.act.modeling_act import ACTPolicy

    names = ["observation.images.front", "observation.images.wrist"]
    inputs = {name: PolicyFeature(FeatureType.VISUAL, (3, 224, 224)) for name in names}
    inputs["observation.state"] = PolicyFeature(FeatureType.STATE, (6,))
    outputs = {"action": PolicyFeature(FeatureType.ACTION, (5,))}
    config = ACTConfig(input_features=inputs, output_features=outputs, device="cpu", pretrained_backbone_weights=None)
    policy, rng = ACTPolicy(config).eval(), np.random.default_rng(0)
    pictures = {name: rng.integers(0, 256, (224, 224, 3), np.uint8) for name in names}

    @torch.inference_mode()
    def chunk() -> Any:
        batch = {n: torch.from_numpy(x).permute(2, 0, 1)[None].float() / 255 for n, x in pictures.items()}
        return policy.predict_action_chunk({**batch, "observation.state": torch.zeros(1, 6)}).numpy()

    return chunk, sum(p.numel() for p in policy.parameters())


def main() -> int:
    options = {"weights": "tabletop", "rounds": "15", "threads": "2"}
    for argument in sys.argv[1:]:
        key, _, value = argument.partition("=")
        options[key] = value
    if importlib.util.find_spec("lerobot") is None:
        print(
            "lerobot is missing; install it beside this project as benchmarks/README.md says, without its older torch"
        )
        return 2
    torch.set_num_threads(int(options["threads"]))
    runs = {"ours": ours(options["weights"]), "ACT": theirs()}
    wall: dict[str, list[float]] = {name: [] for name in runs}
    cpu: dict[str, list[float]] = {name: [] for name in runs}
    for round_ in range(int(options["rounds"]) + 2):
        for name, (chunk, _) in runs.items():
            start, began = time.perf_counter(), time.process_time()
            chunk()
            if round_ >= 2:  # the first two warm up
                wall[name].append((time.perf_counter() - start) * 1e3)
                cpu[name].append((time.process_time() - began) * 1e3)
    print(f"{options['threads']} threads, {options['rounds']} rounds, medians")
    print("| | parameters, M | chunk, ms | chunk, CPU ms |\n|---|---|---|---|")
    for name, (_, size) in runs.items():
        print(f"| {name} | {size / 1e6:.1f} | {np.median(wall[name]):.1f} | {np.median(cpu[name]):.1f} |")
    ratio = [float(np.median(x["ours"]) / np.median(x["ACT"])) for x in (wall, cpu)]
    print(f"ours / ACT: {ratio[0]:.2f} (CPU time {ratio[1]:.2f}); wanted: at most {WANTED}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
