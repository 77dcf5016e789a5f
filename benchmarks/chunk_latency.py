"""Fresh observation -> finished action chunk, beside LeRobot's ACT (default config, 51.6 M parameters), in one run.

    python benchmarks/chunk_latency.py [weights=tabletop|FOLDER] [rounds=15] [threads=2]

Needs lerobot 0.4.4 beside this project. Both get two pictures as uint8, a state and, ours, a step in words, and give a
chunk: ours by Planner.act, pictures of 320 x 192 and 192 x 192 and five steps of the flow head; ACT (random weights, same cost)
from two pictures of 224 x 224. They take turns, so that a busy machine slows both; figures are medians.
"""

from __future__ import annotations

import importlib.util
import sys
import time
import types
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from beside import declare_operators
from options import leave, options

WANTED = 0.5


def ours(weights: str, threads: int) -> tuple[dict[str, Callable[[], Any]], int]:
    """The first chunk of a step, from nothing but an observation: things found in both pictures, the listing read, the step
    grounded in it and its geometry in the depth picture, then the chunk; and a later one, when what it goes for is known."""
    from policies.planner import Planner
    from sim.body import SimBody
    from sim.task import FIRST_EVALUATION_SEED

    body = SimBody("place-in-bowl")
    policy = Planner(body, weights, mode="visuomotor", threads=threads)
    obs = body.reset(FIRST_EVALUATION_SEED)
    plan = policy.plan(obs, body.goal)
    body.close()

    def first() -> Any:
        policy.reset()
        return policy.act(obs, plan)

    def later() -> Any:
        return policy.act(replace(obs), plan)

    return {"ours, first of a step": first, "ours, later": later}, sum(p.numel() for p in policy.model.parameters())


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


def main(arguments: list[str]) -> int:
    chosen = options(arguments, weights="tabletop", rounds=15, threads=2)
    if importlib.util.find_spec("lerobot") is None:
        print(
            "lerobot is missing; install it beside this project as benchmarks/README.md says, without its older torch"
        )
        return 2
    declare_operators()
    torch.set_num_threads(chosen["threads"])
    mine, size = ours(chosen["weights"], chosen["threads"])
    act, large = theirs()
    runs, sizes = {**mine, "ACT": act}, {**dict.fromkeys(mine, size), "ACT": large}
    wall: dict[str, list[float]] = {name: [] for name in runs}
    cpu: dict[str, list[float]] = {name: [] for name in runs}
    for round_ in range(chosen["rounds"] + 2):
        for name, chunk in runs.items():
            start, began = time.perf_counter(), time.process_time()
            chunk()
            if round_ >= 2:  # the first two warm up
                wall[name].append((time.perf_counter() - start) * 1e3)
                cpu[name].append((time.process_time() - began) * 1e3)
    print(f"{chosen['threads']} threads, {chosen['rounds']} rounds, medians")
    print("| | parameters, M | chunk, ms | chunk, CPU ms | of ACT's (CPU time) |\n|---|---|---|---|---|")
    for name in runs:
        of_act = np.median(wall[name]) / np.median(wall["ACT"]), np.median(cpu[name]) / np.median(cpu["ACT"])
        print(
            f"| {name} | {sizes[name] / 1e6:.1f} | {np.median(wall[name]):.1f} | {np.median(cpu[name]):.1f} "
            f"| {of_act[0]:.2f} ({of_act[1]:.2f}) |"
        )
    print(f"wanted: at most {WANTED} of ACT's")
    return 0


if __name__ == "__main__":
    leave(main)
