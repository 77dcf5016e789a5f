"""`embodied train`: text, grounding and motion from snapshots and demonstrations, resumable at the same step and order."""

from __future__ import annotations

import dataclasses
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embodied.beginning import make_model, read_statistics
from embodied.data.normalise import Normalisation
from embodied.data.schedule import SceneLessons, Schedule
from embodied.errors import UserError
from embodied.precision import HELP, mixed
from embodied.recipe import averaged, follow, learn, rate, setting
from embodied.trainlog import Log, progress_bar

if TYPE_CHECKING:
    import torch
    from accelerate import Accelerator

    from embodied.model.network import EmbodiedModel
    from embodied.model.packing import Batch


@dataclass
class Settings:
    """What `embodied train` takes."""

    out: str = setting("runs/train", "folder of checkpoints, logs and the finished weights")
    snapshots: str = setting("", "folder of snapshots (embodied record kind=snapshots)")
    texts: str = setting("", "folders of moments for lessons in words alone, with commas between; empty: snapshots")
    motions: str = setting("", "LeRobotDataset of demonstrations (embodied record); empty: no motion loss")
    init: str = setting("", "weights to start from: a folder or a shipped name")
    steps: int = setting(5000, "optimiser steps")
    batch: int = setting(32, "sentences a step and process")
    motion_share: float = setting(0.3, "share of a batch that is motion, when there are demonstrations")
    text_share: float = setting(0.2, "share that is in words alone, from texts (two for one: they are cheaper)")
    sight_share: float = setting(0.0, "share that is pictures without a question (four for one)")
    finding_share: float = setting(0.0, "share that teaches the finder alone (four for one)")
    shot_share: float = setting(0.2, "share that begins with solved examples, when there are shots")
    shots: int = setting(0, "how many such examples, other moments with their pictures")
    history: int = setting(1, "pictures of each camera that the model is shown, the newest last")
    lr: float = setting(1.5e-3, "peak learning rate (Muon and AdamW, linear warm-up, cosine to a tenth)")
    warmup: int = setting(200, "warm-up steps")
    decay: float = setting(0.02, "weight decay")
    average: float = setting(0.998, "decay of the running average of the weights, which is what is saved")
    seed: int = setting(0, "seed of initial weights, order and augmentation")
    threads: int = setting(1, "torch threads a process; two busy threads on two shared cores measured slower than one")
    workers: int = setting(1, "data loading processes")
    precision: str = setting("auto", HELP)
    compile: bool = setting(False, "compile the language model: a fifth faster, after some minutes with a C++ compiler")
    validate_every: int = setting(500, "steps between validations on held-out snapshots")
    save_every_s: float = setting(120.0, "seconds between checkpoints")
    backbone: str = setting(
        "tiny", "language model of a new model: tiny (from nothing), smollm2, hf (docs/reasoning.md)"
    )
    backbone_from: str = setting("", "of backbone=hf: an id of transformers, a folder or a .gguf file")
    tune: str = setting("", "of a backbone that others trained: frozen | lora | full; empty: frozen, of tiny full")
    lora_rank: int = setting(8, "of tune=lora")
    vision: str = setting("vit", "eye of the language model: vit (from nothing) or hf, a tower of transformers")
    vision_from: str = setting("", "of vision=hf: an id of transformers or a folder")
    tune_vision: bool = setting(False, "train the tower too")
    vision_tokens: int = setting(32, "tokens of a picture after the resampler of vision=hf")
    checkpointing: bool = setting(
        False, "compute the language model's layers again on the way back: less memory, a third slower"
    )
    cache: str = setting(
        "", "folder that keeps a frozen tower's features of each picture; pictures are then not varied"
    )
    head: str = setting("", "motion head: flow | bins; empty: that of init, else flow")
    fresh: str = setting("", "comma-separated parameter name prefixes that begin anew, whatever init holds")
    freeze: str = setting("", "comma-separated parameter name prefixes that stay as they are")


def main(settings: Settings) -> int:
    """Train; returns the exit code. The finished weights are in out/weights."""
    if not settings.snapshots:
        raise UserError("train needs snapshots=FOLDER; make one with `embodied record kind=snapshots out=FOLDER`")
    kinds = ("motion_share", "text_share", "sight_share", "finding_share", "shot_share")
    shares = {name: getattr(settings, name) for name in kinds}
    if not settings.motions:
        shares["motion_share"] = 0.0
    if not settings.shots:
        shares["shot_share"] = 0.0
    if settings.history < 1 or settings.shots < 0:
        raise UserError(
            f"history={settings.history}, shots={settings.shots}: give 1 or more pictures, 0 or more examples"
        )
    if min(shares.values()) < 0 or sum(shares.values()) > 1 + 1e-9:
        raise UserError(f"{shares} are shares of a batch; give numbers from 0 that add up to 1 at most")
    import torch
    from accelerate import Accelerator
    from accelerate.utils import DistributedDataParallelKwargs, set_seed

    Path(settings.out).mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(settings.threads)
    accelerator = Accelerator(
        mixed_precision=mixed(settings.precision, "cuda" if torch.cuda.is_available() else "cpu"),
        cpu=not torch.cuda.is_available(),
        # A step without motion leaves the motion head without gradients, one of motion alone the others.
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
    )
    set_seed(settings.seed)
    Training(settings, accelerator).run()
    return 0


class Training:
    """A run: the model, the running average of its weights, the optimiser and the data; all from (settings, checkpoint)."""

    def __init__(self, settings: Settings, accelerator: Accelerator) -> None:
        from embodied.optimizers import optimizers

        self.settings, self.accelerator = settings, accelerator
        self.out = Path(settings.out)
        self.model = make_model(settings, read_statistics(settings)).to(accelerator.device)
        if settings.cache:
            self.model.keep(Path(settings.cache))
        if settings.sight_share and not self.model.celled(dict.fromkeys(self.model.config.cameras)):
            raise UserError(
                f"sight_share={settings.sight_share} teaches cells, which vision=hf has none of; leave it out"
            )
        self.normalisation = Normalisation.from_dict(self.model.config.statistics)
        self.prefixes = [prompt.ids(self.model.words) for prompt in (self.model.prompt(), self.model.motion_prompt())]
        frozen = tuple(p for p in settings.freeze.split(",") if p)
        for name, parameter in self.model.named_parameters():
            if frozen and name.startswith(frozen):
                parameter.requires_grad_(False)
        self.named = {name: p for name, p in self.model.named_parameters() if p.requires_grad}
        self.average = {name: p.detach().clone() for name, p in self.named.items()}
        self.optimizers = optimizers(self.named, settings.lr, settings.decay)
        self.start = self._resumed()
        self.loader = self._loader()
        self.exam = self._exam()
        if settings.checkpointing:
            self.model.backbone.checkpoint()
        if settings.compile:
            self.model.backbone.compile(dynamic=True)
        self.losses = accelerator.prepare(_losses_as_module(self.model))
        if accelerator.is_main_process:
            self.log = Log(self.out, self.start)
            (self.out / "settings.json").write_text(json.dumps(dataclasses.asdict(settings), indent=1))

    def _resumed(self) -> int:
        """The step to go on from; 0 without a checkpoint."""
        from embodied import checkpoint

        state = self.out / "state"
        if not (state.exists() or state.with_suffix(".old").exists()):
            return 0
        start = checkpoint.load(state, self.named, self.average, self.optimizers)["step"]
        self.accelerator.print(f"resuming at step {start}")
        return start

    def _scenes(self, root: str, kind: str, validation: bool = False, shots: int = 0) -> SceneLessons:
        from embodied.model.lessons import Teacher

        teacher, history = Teacher(self.model.words), self.model.config.history
        made = SceneLessons(root, teacher, self.normalisation, validation, kind, history, shots)
        if self.settings.cache and kind == "scenes":
            made.augment = False  # a picture that is never shown twice cannot be kept
        return made

    def _gather(self, lessons: list[Any]) -> Batch:
        from embodied.model.packing import collate

        return collate(lessons, self.prefixes[0], self.prefixes[1], self.model.words, self.model.grid())

    def _loader(self) -> torch.utils.data.DataLoader[Any]:
        """Batches of the steps that are left."""
        from torch.utils.data import DataLoader

        settings = self.settings
        sources: list[Any] = []
        shares: list[float] = []
        if settings.motions and settings.motion_share:
            from embodied.data.motions import MotionLessons

            horizon = self.model.config.horizon
            sources.append(MotionLessons(settings.motions, self.model.words, self.normalisation, horizon))
            shares.append(settings.motion_share)
        if settings.text_share:
            folders = [one.strip() for one in (settings.texts or settings.snapshots).split(",") if one.strip()]
            sources += [self._scenes(folder, "words") for folder in folders]
            shares += [settings.text_share / len(folders)] * len(folders)
        for kind, share in (("sight", settings.sight_share), ("finding", settings.finding_share)):
            if share:
                sources.append(self._scenes(settings.snapshots, kind))
                shares.append(share)
        if settings.shots and settings.shot_share:
            sources.append(self._scenes(settings.snapshots, "scenes", shots=settings.shots))
            shares.append(settings.shot_share)
        if (rest := 1 - sum(shares)) > 1e-9:
            sources.append(self._scenes(settings.snapshots, "scenes"))
            shares.append(rest)
        from embodied.model.packing import portions

        process = self.accelerator.process_index
        schedule: Any = Schedule(sources, shares, settings.batch, settings.seed, self.start, settings.steps, process)
        return DataLoader(
            schedule,
            batch_size=1,
            shuffle=False,
            num_workers=settings.workers,
            collate_fn=lambda one: [self._gather(part) for lessons in one[0] for part in portions(lessons)],
            prefetch_factor=4 if settings.workers else None,
        )

    def _exam(self) -> list[Batch]:
        """At most 256 held-out moments of each kind that is learnt, always the same, without augmentation."""
        settings = self.settings
        kinds = ["finding"] if settings.finding_share else []
        if settings.finding_share < 1:
            kinds.append("words" if settings.text_share == 1 else "scenes")
        root = (settings.texts.split(",")[0] if kinds == ["words"] else "") or settings.snapshots
        out: list[Batch] = []
        for kind in kinds:
            held_out = self._scenes(root, kind, validation=True)
            rng = np.random.default_rng(0)
            parts = np.array_split(rng.permutation(len(held_out))[:256], 8)
            out += [self._gather([held_out.lesson(int(i), rng) for i in part]) for part in parts if len(part)]
        return out

    def run(self) -> None:
        """All steps that are left, with validations and checkpoints on the way."""
        from embodied import checkpoint

        settings, accelerator = self.settings, self.accelerator
        self.model.train()
        saved = began = time.monotonic()
        with progress_bar(accelerator.is_main_process) as bar:
            task = bar.add_task("training", total=settings.steps, completed=self.start)
            for step, batches in enumerate(self.loader, self.start + 1):
                figures = self._learn(step, batches)
                if not accelerator.is_main_process:
                    continue
                samples = (step - self.start) * settings.batch * accelerator.num_processes
                speed = samples / (time.monotonic() - began)
                self.log.add(step, figures | {"samples/s": speed})
                loss = sum(figures.values())
                bar.update(task, completed=step, description=f"loss {loss:.2f}, {speed:.0f} samples/s")
                last = step == settings.steps
                if step % settings.validate_every == 0 or last:
                    figures = self._validate()
                    self.log.add(step, {f"held-out {name}": value for name, value in figures.items()})
                    said = ", ".join(f"{name} {value:.3f}" for name, value in figures.items())
                    bar.console.print(f"step {step} {speed:.0f}/s {said}")
                    self.log.plot()
                if last or time.monotonic() - saved > settings.save_every_s:
                    checkpoint.save(self.out / "state", self.named, self.average, self.optimizers, {"step": step})
                    self.log.flush()
                    saved = time.monotonic()

    def _learn(self, step: int, batches: list[Batch]) -> dict[str, float]:
        """One optimiser step, the step-th (from 1), over one batch of each kind: each loss, a mean over the batches that
        have it."""
        import torch

        from embodied.model.losses import total

        # Noise follows from the step, so that a resumed run draws what an uninterrupted one would have drawn.
        torch.manual_seed((self.settings.seed * 1_000_003 + step) * 64 + self.accelerator.process_index)
        with self.accelerator.autocast():
            parts = self.losses([batch.to(self.accelerator.device) for batch in batches])
        self.accelerator.backward(torch.stack([total(one) for one in parts]).sum())
        self.accelerator.clip_grad_norm_(self.named.values(), 1.0)
        settings = self.settings
        learn(self.optimizers, settings.lr * rate(step - 1, settings.steps, settings.warmup))
        follow(self.average, self.named, step, settings.average)
        figures: dict[str, list[float]] = {}
        for one in parts:
            for name, value in one.items():
                figures.setdefault(name, []).append(float(value.detach()))
        return {name: sum(values) / len(values) for name, values in figures.items()}

    def _validate(self) -> dict[str, float]:
        """Scores of the averaged weights on the exam; writes these weights to out/weights."""
        import torch

        from embodied.model.scores import scores
        from embodied.model.weights import save_pretrained

        sums: dict[str, list[float]] = {}
        with averaged(self.average, self.named):
            self.model.eval()
            # What is compiled is compiled for training; an exam this short is not worth a second compilation.
            with self.accelerator.autocast(), torch.compiler.set_stance("force_eager"):
                for batch in self.exam:
                    for name, (a, b) in scores(self.model, batch.to(self.accelerator.device)).items():
                        sums.setdefault(name, [0, 0])
                        sums[name][0] += a
                        sums[name][1] += b
            save_pretrained(self.model, self.out / "weights")
        self.model.train()
        return {name: a / max(b, 1) for name, (a, b) in sums.items()}


def _losses_as_module(model: EmbodiedModel) -> torch.nn.Module:
    """The losses as a module's forward, which is what accelerate's data-parallel wrapper needs."""
    from torch import nn

    from embodied.model.losses import losses

    class Losses(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, batches: list[Batch]) -> list[dict[str, Any]]:
            return [losses(self.model, batch) for batch in batches]

    return Losses()
