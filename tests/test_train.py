"""Training: a stop changes nothing, held-out moments stay held out, a kill at any moment leaves a checkpoint."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file

from embodied import checkpoint, train
from embodied.data.normalise import Normalisation
from embodied.data.schedule import TIMES, SceneLessons, Schedule
from embodied.data.snapshots import Record, write_shard
from embodied.errors import UserError
from embodied.model.lessons import Teacher
from embodied.model.network import EmbodiedModel, ModelConfig
from embodied.model.tokens import Words, train_vocabulary
from embodied.model.weights import from_pretrained, save_pretrained
from embodied.optimizers import moments, optimizers
from embodied.recipe import averaged, follow, rate
from embodied.train import Settings

GOALS = ["put the red block in the blue bowl", "pick up the red block"]
ARM = {"mean": [0.0] * 6, "std": [1.0] * 6}
MOMENTS = 40  # of each shard; the last two are held out


@pytest.fixture(autouse=True)
def fresh_accelerator() -> None:
    """The library keeps the settings of the first run of a process, which another file's tests may have made."""
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)


def moment(k: int) -> Record:
    line = f"pick red block <x{k:03d}><y051>"
    things = {"red block": [0.3, 0.4], "blue bowl": [0.7, 0.6]}
    checks, plans = [("pick red block", k % 2 == 0)], [("pick red block", [line])]
    jobs, parts = ["pick red block"], [[], []]
    return Record("pick", GOALS, jobs, parts, "", checks, list(things), things, plans=plans, moment=k % 4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shards of noise with labels, statistics, and small weights to start from."""
    root, rng = tmp_path_factory.mktemp("snapshots"), np.random.default_rng(0)
    for shard in ("00000-pick", "00001-pick"):
        arrays = {
            "front": rng.integers(0, 256, (MOMENTS, 96, 160, 3), dtype=np.uint8),
            "wrist": rng.integers(0, 256, (MOMENTS, 96, 96, 3), dtype=np.uint8),
            "front_depth": rng.integers(5000, 15000, (MOMENTS, 96, 160), dtype=np.uint16),
            "front_seg": rng.integers(0, 2, (MOMENTS, 96, 160), dtype=np.uint8),
            "wrist_seg": np.full((MOMENTS, 96, 96), 255, np.uint8),
            "arm": rng.normal(size=(MOMENTS, 8, 6)).astype(np.float32),
        }
        write_shard(root / shard, [moment(k) for k in range(MOMENTS)], arrays)
    (root / "stats.json").write_text(json.dumps({"arm": ARM}))
    config = ModelConfig(
        layers=1, dim=48, heads=3, mlp=64, vit_depth=1, vit_channels=16, statistics={"arm": ARM},
        cameras={"front": (96, 160, 32), "wrist": (96, 96, 32)},
    )  # fmt: skip
    words = Words(train_vocabulary(GOALS * 2, [*config.cameras, *config.states, "objects"]))
    torch.manual_seed(0)
    save_pretrained(EmbodiedModel(config, words), root / "small")
    return root


def settings(folder: Path, out: Path, **changes: Any) -> Settings:
    fast = {"steps": 6, "batch": 2, "warmup": 2, "workers": 0, "precision": "no", "save_every_s": 0.0}
    common = {"out": str(out), "snapshots": str(folder), "init": str(folder / "small"), "text_share": 0.5}
    return Settings(**(fast | common | changes))


def test_a_stopped_and_resumed_run_ends_with_the_same_bits(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares = {"text_share": 0.3, "sight_share": 0.1, "finding_share": 0.3}  # and the rest are scenes
    whole, parted = (settings(folder, tmp_path / name, **shares) for name in ("whole", "parted"))
    assert train.main(whole) == 0

    def stopping(step: int, steps: int, warmup: int) -> float:
        if step == 3:
            raise KeyboardInterrupt
        return rate(step, steps, warmup)

    with monkeypatch.context() as patch:
        patch.setattr(train, "rate", stopping)
        with pytest.raises(KeyboardInterrupt):
            train.main(parted)
    assert json.loads((tmp_path / "parted/state/facts.json").read_text())["step"] == 3
    halfway = load_file(tmp_path / "parted/state/state.safetensors")
    assert train.main(parted) == 0
    one, other = (load_file(tmp_path / name / "state/state.safetensors") for name in ("whole", "parted"))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert any(not torch.equal(one[name], halfway[name]) for name in one)
    finished = [(tmp_path / name / "weights/model.safetensors").read_bytes() for name in ("whole", "parted")]
    assert finished[0] == finished[1]
    steps = {int(line.split(",")[0]) for line in (tmp_path / "parted/log.csv").read_text().splitlines()}
    assert steps == {1, 2, 3, 4, 5, 6}


def test_a_past_and_solved_examples_are_learnt_together(folder: Path, tmp_path: Path) -> None:
    shares = {"shot_share": 0.4, "text_share": 0.2, "sight_share": 0.1}
    asked = settings(folder, tmp_path, steps=3, history=2, shots=1, **shares)
    seen: list[tuple[int, ...]] = []
    run = train.Training(asked, Accelerator(cpu=True))
    losses = run.losses.forward
    run.losses.forward = lambda batches: (
        seen.extend(b.images["front"].shape for b in batches if b.images) or losses(batches)
    )
    run.run()
    assert {shape[1] for shape in seen if len(shape) == 5} == {2, 4} and any(len(shape) == 4 for shape in seen)
    assert {batch.images["front"].shape[1] for batch in run.exam} == {2}
    learnt, before = from_pretrained(str(tmp_path / "weights")), from_pretrained(asked.init)
    assert learnt.config.history == 2 and "held-out verdicts" in (tmp_path / "log.csv").read_text()
    assert not torch.equal(learnt.state_dict()["smear.one.weight"], before.state_dict()["smear.one.weight"])
    with pytest.raises(UserError, match="shares of a batch"):
        train.main(settings(folder, tmp_path, text_share=0.9, shots=1))


def test_frozen_parameters_stay(folder: Path, tmp_path: Path) -> None:
    train.main(settings(folder, tmp_path, steps=1, text_share=0.0, freeze="backbone,encoders.front"))
    before, after = (load_file(at / "model.safetensors") for at in (folder / "small", tmp_path / "weights"))
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert any(name.startswith("cell_colour") for name in moved)
    assert not any(name.startswith(("backbone", "encoders.front")) for name in moved)


def test_held_out_moments_are_never_trained_on(folder: Path) -> None:
    words, scale = Words(train_vocabulary(GOALS, [])), Normalisation.from_dict({"arm": ARM})
    learnt, held_out = (SceneLessons(str(folder), Teacher(words), scale, validation) for validation in (False, True))
    assert not set(learnt.rows) & set(held_out.rows)
    assert sorted(learnt.rows + held_out.rows) == list(range(2 * MOMENTS))
    assert [held_out.data.index[i] for i in held_out.rows] == [(0, 38), (0, 39), (1, 38), (1, 39)]
    assert learnt.augment and not held_out.augment


@pytest.mark.parametrize("kind", TIMES)
def test_lessons_of_each_kind_come_from_the_same_moments(folder: Path, kind: str) -> None:
    words, scale = Words(train_vocabulary(GOALS, [])), Normalisation.from_dict({"arm": ARM})
    learnt = SceneLessons(str(folder), Teacher(words), scale, False, kind)
    lesson = learnt.lesson(0, np.random.default_rng(0))
    assert len(learnt) == 2 * (MOMENTS - 2) and learnt.times == TIMES[kind]
    assert set(lesson.images) == (set() if kind == "words" else {"front", "wrist"})
    assert set(lesson.depth) == ({"front"} if kind == "finding" else set())
    assert bool(lesson.segments) == (kind in ("words", "scenes"))


def test_moments_in_words_teach_words_alone(tmp_path: Path) -> None:
    write_shard(tmp_path / "00000-words", [moment(k) for k in range(MOMENTS)], {})
    words, scale = Words(train_vocabulary(GOALS, [])), Normalisation.from_dict({"arm": ARM})
    assert (
        SceneLessons(str(tmp_path), Teacher(words), scale, False, "words").lesson(0, np.random.default_rng(0)).segments
    )
    for kind in ("scenes", "sight", "finding"):
        with pytest.raises(UserError, match="words alone"):
            SceneLessons(str(tmp_path), Teacher(words), scale, False, kind)


class Rows:
    """A source whose lessons tell what was asked for."""

    def __init__(self, name: str, times: int) -> None:
        self.name, self.times = name, times

    def __len__(self) -> int:
        return 1000

    def lesson(self, row: int, rng: np.random.Generator) -> tuple[str, int, float]:
        return self.name, row, rng.random()


def test_what_a_step_learns_follows_from_its_number_alone() -> None:
    sources = [Rows("a", 1), Rows("b", 4)]
    whole = Schedule(sources, [0.25, 0.75], 4, 7, 0, 20)
    rest = Schedule(sources, [0.25, 0.75], 4, 7, 12, 20)
    neighbour = Schedule(sources, [0.25, 0.75], 4, 7, 0, 20, process=1)
    assert [rest[k] for k in range(len(rest))] == [whole[k] for k in range(12, 20)]
    for k in range(20):
        assert whole[k] != neighbour[k]
        assert [[name for name, _, _ in lessons] for lessons in whole[k]] == [["a"], ["b"] * 12]


def test_rate_warms_up_and_falls_to_a_tenth() -> None:
    rates = [rate(step, 100, 10) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == pytest.approx(1.0)
    assert rates[55] == pytest.approx(0.55)
    assert rates[100] == rate(1000, 100, 10) == pytest.approx(0.1)
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_missing_data_says_what_to_do() -> None:
    with pytest.raises(UserError, match="kind=snapshots"):
        train.main(Settings())


class Run:
    """A layer in training, with what a checkpoint holds of it."""

    def __init__(self, seed: int) -> None:
        torch.manual_seed(seed)
        layer = torch.nn.Linear(3, 2)
        self.named = {
            f"smear.{name}": p for name, p in layer.named_parameters()
        }  # a matrix for Muon, a vector for AdamW
        self.average = {name: torch.randn_like(p) for name, p in self.named.items()}
        self.made = optimizers(self.named, 0.1, 0.0)
        self.layer = layer

    def step(self) -> None:
        for optimizer in self.made:
            optimizer.zero_grad()
        self.layer(torch.ones(1, 3)).square().sum().backward()
        for optimizer in self.made:
            optimizer.step()

    def tensors(self) -> list[torch.Tensor]:
        kept = [t for p in self.named.values() for _, t in sorted(moments(self.made, p).items())]
        return [*self.named.values(), *self.average.values(), *kept]

    def save(self, folder: Path, **facts: int) -> None:
        checkpoint.save(folder, self.named, self.average, self.made, facts)

    def load(self, folder: Path) -> dict[str, Any]:
        return checkpoint.load(folder, self.named, self.average, self.made)


def same(one: Run, other: Run) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.tensors(), other.tensors(), strict=True))


def test_checkpoint_is_exact_and_training_goes_on_from_it(tmp_path: Path) -> None:
    one, other = Run(0), Run(1)
    one.step()
    one.save(tmp_path / "state", step=1)
    assert other.load(tmp_path / "state") == {"step": 1}
    assert same(one, other)
    one.step()
    other.step()
    assert same(one, other)
    stranger = {"another": torch.nn.Parameter(torch.zeros(1))}
    with pytest.raises(UserError, match="of another model"):
        checkpoint.load(tmp_path / "state", stranger, {}, one.made)


@pytest.mark.parametrize("killed_at", [0, 1])
def test_a_kill_during_the_swap_leaves_the_checkpoint_before(
    killed_at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other, third, state = Run(0), Run(1), Run(2), tmp_path / "state"
    one.step()
    one.save(state, step=1)
    other.load(state)
    one.step()
    rename, renames = Path.rename, []

    def killed(self: Path, target: Path) -> Path:
        renames.append(target)
        if len(renames) > killed_at:
            raise KeyboardInterrupt
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            one.save(state, step=2)
    assert state.exists() == (killed_at == 0)
    assert state.with_suffix(".old").exists() == (killed_at == 1)
    assert third.load(state) == {"step": 1}
    assert same(third, other)
    one.save(state, step=2)
    assert third.load(state) == {"step": 2}
    assert same(third, one)
    assert [p.name for p in tmp_path.iterdir()] == ["state"]


def test_what_is_to_begin_anew_does_and_nothing_else(folder: Path, tmp_path: Path) -> None:
    before = from_pretrained(str(folder / "small")).state_dict()
    asked = settings(folder, tmp_path, text_share=0.0)
    same, anew = (train.make_model(replace(asked, fresh=f), {"arm": ARM}).state_dict() for f in ("", "finder"))
    assert all(torch.equal(same[name], before[name]) for name in before)
    changed = {name for name in before if not torch.equal(anew[name], before[name])}
    assert changed and all(name.startswith("finder.") for name in changed)
    assert any(name.startswith("finder.eye.") for name in changed)


def test_an_average_stands_in_for_the_weights_and_they_come_back_whatever_happens() -> None:
    named = {"w": torch.nn.Parameter(torch.tensor([1.0, 2.0]))}
    average = {"w": torch.zeros(2)}
    follow(average, named, step=1, most=0.998)  # early on it goes most of the way
    assert torch.allclose(average["w"], 9 / 11 * torch.tensor([1.0, 2.0]))

    def breaks() -> None:
        with averaged(average, named):
            assert torch.equal(named["w"].detach(), average["w"])
            raise KeyError

    with pytest.raises(KeyError):
        breaks()
    assert named["w"].tolist() == [1.0, 2.0]
    for _ in range(3):
        follow(average, named, step=10**6, most=0.5)
    assert torch.allclose(named["w"].detach() - average["w"], torch.tensor([1.0, 2.0]) * 2 / 11 / 8)
