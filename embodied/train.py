"""`embodied train`: text, grounding and motion from snapshots and demonstrations, resumable at the same step and order."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from embodied.errors import UserError


def _setting(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass
class Settings:
    """What `embodied train` takes."""

    out: str = _setting("runs/train", "folder of checkpoints, logs and the finished weights")
    snapshots: str = _setting("", "folder of snapshots (embodied record kind=snapshots)")
    motions: str = _setting("", "LeRobotDataset of demonstrations (embodied record); empty: no motion loss")
    init: str = _setting("", "weights to start from: a folder or a shipped name")
    steps: int = _setting(5000, "optimiser steps")
    batch: int = _setting(32, "sentences a step and process")
    motion_share: float = _setting(0.5, "share of the steps that learn motion, when there are demonstrations")
    lr: float = _setting(1.5e-3, "peak learning rate (AdamW, linear warm-up, cosine to a tenth)")
    warmup: int = _setting(200, "warm-up steps")
    decay: float = _setting(0.02, "weight decay")
    average: float = _setting(0.998, "decay of the running average of the weights, which is what is saved")
    seed: int = _setting(0, "seed of initial weights, order and augmentation")
    threads: int = _setting(1, "torch threads a process; two busy threads on two shared cores measured slower than one")
    workers: int = _setting(1, "data loading processes")
    precision: str = _setting("bf16", "bf16 | no; bf16 doubles the speed on CPUs that have it")
    validate_every: int = _setting(500, "steps between validations on held-out snapshots")
    save_every_s: float = _setting(120.0, "seconds between checkpoints")
    head: str = _setting("flow", "motion head: flow | bins")
    freeze: str = _setting("", "comma-separated parameter name prefixes that stay as they are")


class Schedule:
    """Sentence g of the run, g = 0, 1, ...: which record and which augmentation follow from (seed, g) alone."""

    def __init__(self, sources: list[Any], shares: list[float], batch: int, seed: int, start: int, stop: int) -> None:
        self.sources, self.shares, self.batch, self.seed = sources, shares, batch, seed
        self.start, self.stop = start, stop

    def __len__(self) -> int:
        return self.stop - self.start

    def __getitem__(self, k: int) -> list[Any]:
        """All lessons of step start + k: one source a step, so that a batch is of one kind."""
        import numpy as np

        step = self.start + k
        rng = np.random.default_rng([self.seed, step])
        source = self.sources[rng.choice(len(self.sources), p=self.shares)]
        rows = rng.integers(0, len(source), self.batch)
        return [source.lesson(int(row), np.random.default_rng([self.seed, step, i])) for i, row in enumerate(rows)]


class SceneLessons:
    """Snapshots as lessons; the last moments of every shard, whole episodes but for the cut, are for validation."""

    def __init__(self, root: str, teacher: Any, normalisation: Any, validation: bool) -> None:
        from embodied.data.snapshots import Snapshots

        self.data = Snapshots(Path(root))
        sizes = [len(lines) for lines in self.data.lines]
        self.rows = [
            i for i, (shard, row) in enumerate(self.data.index) if (row >= sizes[shard] * 97 // 100) == validation
        ]
        self.teacher, self.normalisation, self.augment = teacher, normalisation, not validation

    def __len__(self) -> int:
        return len(self.rows)

    def lesson(self, row: int, rng: Any) -> Any:
        record, arrays = self.data[self.rows[row]]
        states = {"arm": self.normalisation.normalise("arm", arrays.pop("arm"))}
        return self.teacher.lesson(record, arrays, states, rng, self.augment)


def rate(step: int, settings: Settings) -> float:
    """Learning rate factor: linear warm-up, cosine to a tenth."""
    if step < settings.warmup:
        return (step + 1) / settings.warmup
    done = (step - settings.warmup) / max(1, settings.steps - settings.warmup)
    return 0.1 + 0.45 * (1 + math.cos(math.pi * min(1.0, done)))


def main(settings: Settings) -> int:
    """Train; returns the exit code. The finished weights are in out/weights."""
    import numpy as np
    import torch
    from accelerate import Accelerator
    from accelerate.utils import set_seed
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from embodied import checkpoint
    from embodied.data.motions import MotionLessons
    from embodied.data.normalise import Normalisation
    from embodied.model.lessons import Teacher, collate
    from embodied.model.losses import losses, total
    from embodied.model.network import EmbodiedModel, ModelConfig
    from embodied.model.scores import scores
    from embodied.model.tokens import Words, train_vocabulary
    from embodied.model.weights import from_pretrained, save_pretrained

    if not settings.snapshots:
        raise UserError("train needs snapshots=FOLDER; make one with `embodied record kind=snapshots out=FOLDER`")
    out, root = Path(settings.out), Path(settings.snapshots)
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(settings.threads)
    accelerator = Accelerator(mixed_precision=settings.precision, cpu=not torch.cuda.is_available())
    set_seed(settings.seed)
    statistics = json.loads((root / "stats.json").read_text())
    normalisation = Normalisation.from_stats(statistics, ["arm"])
    kept = {"arm": statistics["arm"]}
    if settings.motions:
        kept["action"] = MotionLessons.statistics(settings.motions)
    if settings.init:
        model = from_pretrained(settings.init)
        config = dataclasses.replace(
            model.config,
            statistics={
                **kept,
                **({"action": model.config.statistics["action"]} if "action" in model.config.statistics else {}),
            },
        )
        model.config = config
    else:
        config = ModelConfig(head=settings.head, statistics=kept)
        words = Words(
            train_vocabulary(
                (root / "corpus.txt").read_text().splitlines(), [*config.cameras, *config.states, "objects"]
            )
        )
        model = EmbodiedModel(config, words)
    words = model.words
    teacher = Teacher(words)
    sources: list[Any] = [SceneLessons(settings.snapshots, teacher, normalisation, validation=False)]
    shares = [1.0]
    if settings.motions:
        sources.append(
            MotionLessons(settings.motions, words, Normalisation.from_dict(config.statistics), config.horizon)
        )
        shares = [1 - settings.motion_share, settings.motion_share]
    held_out = SceneLessons(settings.snapshots, teacher, normalisation, validation=True)
    frozen = tuple(p for p in settings.freeze.split(",") if p)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not (frozen and name.startswith(frozen)))
    named = {name: p for name, p in model.named_parameters() if p.requires_grad}
    average = {name: p.detach().clone() for name, p in named.items()}
    groups = [
        {"params": [p for p in named.values() if p.ndim >= 2], "weight_decay": settings.decay},
        {"params": [p for p in named.values() if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=settings.lr, betas=(0.9, 0.98))
    start, state = 0, out / "state"
    if state.exists() or state.with_suffix(".old").exists():
        start = checkpoint.load(state, named, average, optimizer)["step"]
        accelerator.print(f"resuming at step {start}")
    prefix, grid = model.prompt().ids(words), model.encoders["front"].grid

    def gather(lessons: list[list[Any]]) -> Any:
        return collate(lessons[0], prefix, words, grid)

    schedule = Schedule(
        sources, shares, settings.batch, settings.seed + 7919 * accelerator.process_index, start, settings.steps
    )
    loader = torch.utils.data.DataLoader(
        schedule,
        batch_size=1,
        shuffle=False,
        num_workers=settings.workers,
        collate_fn=gather,
        prefetch_factor=4 if settings.workers else None,
    )
    rng = np.random.default_rng(0)
    exam = [
        collate([held_out.lesson(int(i), rng) for i in part], prefix, words, grid)
        for part in np.array_split(rng.permutation(len(held_out))[:256], 8)
        if len(part)
    ]
    wrapped = accelerator.prepare(Losses(model, losses))
    log = Log(out, start)
    if accelerator.is_main_process:
        (out / "settings.json").write_text(json.dumps(dataclasses.asdict(settings), indent=1))

    def validate(step: int) -> dict[str, float]:
        now = {name: p.detach().clone() for name, p in named.items()}
        _put(named, average)
        model.eval()
        sums: dict[str, list[float]] = {}
        with torch.autocast("cpu", torch.bfloat16, enabled=settings.precision == "bf16"):
            for batch in exam:
                for name, (a, b) in scores(model, batch).items():
                    sums.setdefault(name, [0, 0])
                    sums[name][0] += a
                    sums[name][1] += b
        save_pretrained(model, out / "weights")
        _put(named, now)
        model.train()
        return {f"held-out {name}": a / max(b, 1) for name, (a, b) in sums.items()}

    model.train()
    step, saved, began = start, time.monotonic(), time.monotonic()
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        disable=not accelerator.is_main_process,
    )
    with bar:
        task = bar.add_task("training", total=settings.steps, completed=start)
        for batch in loader:
            for group in optimizer.param_groups:
                group["lr"] = settings.lr * rate(step, settings)
            with accelerator.autocast():
                parts = wrapped(batch)
                loss = total(parts)
            accelerator.backward(loss)
            accelerator.clip_grad_norm_(named.values(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            step += 1
            keep = min(settings.average, (1 + step) / (10 + step))
            with torch.no_grad():
                torch._foreach_lerp_(list(average.values()), [p.detach() for p in named.values()], 1 - keep)
            if not accelerator.is_main_process:
                continue
            speed = (step - start) * settings.batch * accelerator.num_processes / (time.monotonic() - began)
            log.add(step, {name: float(value.detach()) for name, value in parts.items()} | {"samples/s": speed})
            bar.update(task, completed=step, description=f"loss {float(loss.detach()):.2f}, {speed:.0f} samples/s")
            last = step == settings.steps
            if step % settings.validate_every == 0 or last:
                figures = validate(step)
                log.add(step, figures)
                bar.console.print(
                    f"step {step} {speed:.0f}/s " + ", ".join(f"{k[9:]} {v:.3f}" for k, v in figures.items())
                )
                log.plot()
            if last or time.monotonic() - saved > settings.save_every_s:
                checkpoint.save(state, named, average, optimizer, {"step": step})
                log.flush()
                saved = time.monotonic()
    return 0


def _put(named: dict[str, Any], values: dict[str, Any]) -> None:
    import torch

    with torch.no_grad():
        for name, parameter in named.items():
            parameter.copy_(values[name])


def Losses(model: Any, losses: Any) -> Any:
    """The losses as a module's forward, which is what accelerate's data-parallel wrapper needs."""
    from torch import nn

    class Wrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, batch: Any) -> Any:
            return losses(self.model, batch)

    return Wrapped()


class Log:
    """CSV (long form: step, name, value), TensorBoard, and a PNG of all curves."""

    def __init__(self, out: Path, start: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.path = out / "log.csv"
        rows = []
        if self.path.exists():
            with self.path.open() as lines:
                rows = [r for r in csv.reader(lines) if len(r) == 3 and r[0].isdigit() and int(r[0]) <= start]
        self.file = self.path.open("w", newline="")
        self.rows = csv.writer(self.file)
        self.rows.writerows(rows)
        self.board = SummaryWriter(str(out / "tensorboard"), purge_step=start)

    def add(self, step: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            self.rows.writerow([step, name, f"{value:.5g}"])
            self.board.add_scalar(name, value, step)

    def flush(self) -> None:
        self.file.flush()
        self.board.flush()

    def plot(self) -> None:
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as plt

        self.flush()
        curves: dict[str, list[tuple[int, float]]] = {}
        with self.path.open() as lines:
            for step, name, value in csv.reader(lines):
                curves.setdefault(name, []).append((int(step), float(value)))
        columns = 4
        figure, axes = plt.subplots(
            -(-len(curves) // columns), columns, figsize=(4 * columns, 2.6 * -(-len(curves) // columns)), squeeze=False
        )
        for axis, (name, points) in zip(axes.flat, curves.items(), strict=False):
            axis.plot(*zip(*points, strict=True), linewidth=0.8)
            axis.set_title(name, fontsize=9)
        figure.tight_layout()
        figure.savefig(self.path.with_name("loss.png"), dpi=80)
        plt.close(figure)
