"""Training on what others trained: only what was chosen moves, and what saves memory or time changes nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from embodied import train
from embodied.cli import main
from embodied.data.normalise import Normalisation
from embodied.data.schedule import SceneLessons
from embodied.data.snapshots import write_shard
from embodied.errors import UserError
from embodied.model.lessons import Teacher
from embodied.model.losses import losses, total
from embodied.model.network import EmbodiedModel
from embodied.model.packing import Batch, collate
from embodied.model.weights import from_pretrained, save_pretrained
from tests.published import ARM, embodied, language, vision
from tests.test_train import fresh_accelerator, moment, settings  # noqa: F401  # a fixture among them

MOMENTS = 34  # the last two are held out


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Snapshots of noise in the size that new models look at, a language model and a vision tower."""
    root, rng = tmp_path_factory.mktemp("root"), np.random.default_rng(0)
    sizes = {"front": (MOMENTS, 192, 320), "wrist": (MOMENTS, 192, 192)}
    arrays = {name: rng.integers(0, 256, (*size, 3), dtype=np.uint8) for name, size in sizes.items()}
    arrays |= {f"{name}_seg": rng.integers(0, 2, size, dtype=np.uint8) for name, size in sizes.items()}
    arrays["arm"] = rng.normal(size=(MOMENTS, 8, 6)).astype(np.float32)
    write_shard(root / "snapshots" / "00000-pick", [moment(k) for k in range(MOMENTS)], arrays)
    (root / "snapshots" / "stats.json").write_text(json.dumps({"arm": ARM}))
    language(root / "words", "llama"), vision(root / "eye", "clip")
    return root


def chosen(root: Path, out: Path, **changes: object) -> train.Settings:
    usual = {
        "init": "",
        "text_share": 1.0,
        "steps": 3,
        "backbone": "hf",
        "backbone_from": str(root / "words"),
        "lr": 1e-2,
    }
    return settings(root / "snapshots", out, **(usual | changes))


@pytest.mark.parametrize(
    "tune", [pytest.param("frozen", marks=pytest.mark.slow), "lora", pytest.param("full", marks=pytest.mark.slow)]
)
def test_a_run_moves_what_was_chosen_goes_on_and_is_read_back(tune: str, root: Path, tmp_path: Path) -> None:
    if tune == "lora":
        pytest.importorskip("peft", reason="the extra lm is not installed")
    asked = chosen(root, tmp_path, tune=tune, average=0.5)
    before = train.make_model(asked, {"arm": ARM}).state_dict()
    assert train.main(asked) == 0
    model = from_pretrained(str(tmp_path / "weights"))
    moved = {name for name, one in model.state_dict().items() if (one - before[name]).abs().max() > 3e-3}
    theirs = {name for name in moved if name.startswith("backbone.lm.")}
    assert "backbone.table" in moved
    assert {"frozen": not theirs, "lora": theirs and all("lora_" in name for name in theirs)}.get(
        tune, len(theirs) > 10
    )
    asked.steps = 4
    assert train.main(asked) == 0  # from its checkpoint
    assert json.loads((tmp_path / "state/facts.json").read_text())["step"] == 4
    assert (tmp_path / "log.csv").read_text().count("\n") >= 4


def batch(model: EmbodiedModel, root: Path, kind: str) -> Batch:
    scale = Normalisation.from_dict({"arm": ARM})
    source = SceneLessons(str(root / "snapshots"), Teacher(model.words), scale, False, kind)
    rng = np.random.default_rng(0)
    lessons = [source.lesson(k, rng) for k in range(2)]
    prompts = [prompt.ids(model.words) for prompt in (model.prompt(), model.motion_prompt())]
    return collate(lessons, *prompts, model.words, model.grid())


@pytest.mark.parametrize("kind", ["tiny", "llama", "gpt2", "lora"])
def test_gradients_with_and_without_checkpointing_are_the_same(kind: str, root: Path, tmp_path: Path) -> None:
    if kind == "lora":
        pytest.importorskip("peft", reason="the extra lm is not installed")
    theirs = kind != "tiny"
    source = language(tmp_path, "llama" if kind == "lora" else kind) if theirs else ""
    model = embodied(
        backbone="hf" if theirs else "tiny", backbone_from=source, tune="lora" if kind == "lora" else ""
    ).train()  # fmt: skip
    words = batch(model, root, "words")
    gradients, calls = [], []
    layers = model.backbone.lm if theirs else model.backbone.dressed()
    layers = layers.h if kind == "gpt2" else layers.layers
    layers[0].mlp.register_forward_pre_hook(lambda *_: calls.append(1))
    for checkpointing in (False, True):
        if checkpointing:
            model.backbone.checkpoint()
        model.zero_grad()
        total(losses(model, words)).backward()
        gradients.append({name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None})
    assert len(calls) == 3  # once, then twice
    assert gradients[0].keys() == gradients[1].keys() and "smear.one.weight" in gradients[0]
    for name, one in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], one, atol=1e-6, rtol=1e-5)


def test_a_run_with_kept_features_equals_the_one_that_computes_them(root: Path, tmp_path: Path, monkeypatch) -> None:
    eyes = {
        "vision": "hf",
        "vision_from": str(root / "eye"),
        "vision_tokens": 4,
        "text_share": 0.0,
        "steps": 1,
        "batch": 1,
    }
    kept = {name: chosen(root, tmp_path / name, cache=str(tmp_path / "cache"), **eyes) for name in ("first", "second")}
    calls = []
    from embodied.model.kept import Kept

    features = Kept.features

    def counted(self: Kept, images: torch.Tensor, compute):
        return features(self, images, lambda new: calls.append(len(new)) or compute(new))

    monkeypatch.setattr(Kept, "features", counted)
    train.main(kept["first"])
    computed = sum(calls)
    train.main(kept["second"])
    assert computed > 0 and sum(calls) == computed  # the second run computes nothing
    monkeypatch.setattr(Kept, "features", lambda self, images, compute: compute(images))
    train.main(chosen(root, tmp_path / "third", cache=str(tmp_path / "cache"), **eyes))
    first, second, third = (
        load_file(tmp_path / name / "weights/model.safetensors") for name in ("first", "second", "third")
    )
    assert all(torch.equal(first[name], second[name]) for name in first)
    for name in first:
        torch.testing.assert_close(
            third[name], first[name], atol=2e-3, rtol=1e-2
        )  # batched otherwise, and 16 bits on disk


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["backbone=bert"], "unknown backbone 'bert'"),
        (["backbone=hf", "backbone_from=no-such/model"], "no language model at"),
        (["vision=hf"], "needs vision_from="),
        (["cache=x"], "cache= is for vision=hf"),
        (["init=tabletop", "backbone=hf"], "needs backbone_from="),
    ],
)
def test_bad_choices_are_one_sentence_and_exit_code_2(
    words: list[str], told: str, root: Path, tmp_path: Path, capsys
) -> None:
    assert main(["train", f"snapshots={root / 'snapshots'}", f"out={tmp_path}", "steps=1", "workers=0", *words]) == 2
    said = capsys.readouterr().err
    assert told in said and said.count("\n") == 1


def test_another_language_model_under_the_same_eyes(root: Path, tmp_path: Path) -> None:
    asked = chosen(root, tmp_path, init=str(root / "old"), steps=1)
    save_pretrained(embodied(cameras={"front": (192, 320, 32), "wrist": (192, 192, 64)}), root / "old", torch.float32)
    before = from_pretrained(asked.init)
    model = train.make_model(asked, {"arm": ARM})
    assert model.config.backbone == "hf" and set(model.config.statistics) == {"arm"} < set(before.config.statistics)
    old = before.state_dict()
    kept = {name for name, one in model.state_dict().items() if name in old and torch.equal(one, old[name])}
    assert {"finder.colour.0.weight", "encoders.front.merge.weight", "encoders.objects.mlp.0.weight"} <= kept
    assert not [name for name in kept if name.startswith(("backbone.", "head.rows"))]
    sees = {"backbone": "tiny", "backbone_from": "", "vision": "hf", "vision_from": str(root / "eye")}
    eyes = train.make_model(chosen(root, tmp_path, init=asked.init, **sees), {"arm": ARM})
    assert eyes.words.tokens()[: len(before.words)] == before.words.tokens()
    torch.testing.assert_close(eyes.backbone.layers[0].mlp.up_proj.weight, before.backbone.layers[0].mlp.up_proj.weight)
    assert train.main(asked) == 0 and from_pretrained(str(tmp_path / "weights")).config.tune == "frozen"


def test_cells_cannot_be_taught_to_a_tower(root: Path, tmp_path: Path) -> None:
    eyes = {"vision": "hf", "vision_from": str(root / "eye"), "text_share": 0.0, "sight_share": 1.0}
    with pytest.raises(UserError, match="which vision=hf has none of"):
        train.main(chosen(root, tmp_path, **eyes))


@pytest.mark.slow
def test_two_processes_train_one_model(root: Path, tmp_path: Path) -> None:
    given = {
        "snapshots": root / "snapshots", "out": tmp_path, "steps": 2, "workers": 0, "batch": 2, "text_share": 1.0,
        "backbone": "hf", "backbone_from": root / "words", "precision": "no", "checkpointing": "true",
    }  # fmt: skip
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command = [*torchrun, "-m", "embodied", "train"]
    words = [f"{key}={value}" for key, value in given.items()]
    done = subprocess.run([*command, *words], capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr[-2000:]
    assert from_pretrained(str(tmp_path / "weights")).config.tune == "frozen"
