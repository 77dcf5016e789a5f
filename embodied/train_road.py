"""`embodied train road`: the network that drives, from recorded moments; resumable, with a log, a plot and held-out figures."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embodied.errors import UserError
from embodied.precision import HELP, mixed
from embodied.recipe import averaged, follow, learn, rate, setting
from embodied.trainlog import Log, progress_bar

if TYPE_CHECKING:
    import torch

    from embodied.data.road_lessons import Lesson
    from embodied.model.driving import DrivingModel, Said


BESIDE = ("above.", "squares.", "spot", "amend.")  # what says nothing where there is no lidar
FLOOR = 0.02  # of the peak learning rate, where it ends


@dataclass
class Settings:
    """Teach the network that drives (docs/driving.md)."""

    out: str = setting("runs/road", "folder of checkpoints, logs and the finished weights; an unfinished run goes on")
    moments: str = setting("", "folder of moments (embodied record kind=road shake=1)")
    held: str = setting("", "folder of moments of other seeds, for the figures on the way")
    real: str = setting("", "recorded drives with speed and pose, with commas between; their last quarter is held out")
    real_share: float = setting(0.12, "share of a batch that is real telemetry")
    sees: bool = setting(True, "false: the ego-only ablation, no pictures at all")
    lidar: bool = setting(
        False,
        "also read a lidar's picture from above; the moments must have been recorded with lidar=true; weights of init= that "
        "do not read one get an encoder of it",
    )
    init: str = setting("", "weights to start from: a folder or a shipped name")
    only: str = setting(
        "", "of init= only these parts, with commas between, as above,squares,spot; the rest stays exactly as it is"
    )
    scans_first: int = setting(
        0, "of the steps, the first so many teach what a lidar's squares hold and nothing else, at a third of the time"
    )
    steps: int = setting(4000, "optimiser steps")
    batch: int = setting(64, "moments a step")
    lr: float = setting(2e-3, "peak learning rate (linear warm-up, cosine to a fiftieth)")
    warmup: int = setting(100, "warm-up steps")
    decay: float = setting(0.02, "weight decay")
    average: float = setting(0.998, "decay of the running average of the weights, which is what is saved")
    seed: int = setting(0, "of initial weights, order and noise")
    threads: int = setting(1, "torch threads")
    workers: int = setting(0, "processes that make lessons beside the training: with a GPU as many as there are cores")
    precision: str = setting("auto", HELP)
    validate_every: int = setting(500, "steps between held-out figures")
    save_every_s: float = setting(120.0, "seconds between checkpoints")
    most: int = setting(0, "drives to use; 0: all")


def main(settings: Settings, chosen: dict[str, str] | None = None) -> int:
    """Train; returns the exit code. The finished weights are in out/weights."""
    if not settings.moments:
        raise UserError("train road needs moments=FOLDER; make one with `embodied record kind=road shake=1 out=FOLDER`")
    mixed(settings.precision, "cpu")  # before anything is read
    import torch

    Path(settings.out).mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    if "RANK" in os.environ:  # of torchrun: every process takes a batch of its own
        torch.distributed.init_process_group("gloo")
    Training(settings).run()
    return 0


class Training:
    def __init__(self, settings: Settings) -> None:
        import torch

        from embodied import checkpoint
        from embodied.data.road_lessons import RealLessons, RoadLessons
        from embodied.model.driving import new
        from embodied.model.driving_weights import from_pretrained
        from embodied.optimizers import optimizers

        self.settings, self.out = settings, Path(settings.out)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.narrow = mixed(settings.precision, self.device.type) == "bf16"
        self.rank, self.world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
        self.lessons = RoadLessons(settings.moments, settings.sees, settings.most, settings.lidar)
        self.held = RoadLessons(settings.held, settings.sees, lidar=settings.lidar) if settings.held else None
        real = [one.strip() for one in settings.real.split(",") if one.strip()]
        self.real, self.real_held = RealLessons(real, (0.0, 0.75)), RealLessons(real, (0.75, 1.0))
        self.model = (
            from_pretrained(settings.init)
            if settings.init
            else new(settings.sees, {d.task for d in self.lessons.drives}, settings.lidar)
        )
        if not 0 <= settings.scans_first <= settings.steps * settings.lidar:
            raise UserError(
                f"scans_first={settings.scans_first} must be from 0 to steps={settings.steps}, and needs lidar=true"
            )
        if settings.only and not settings.init:
            raise UserError(
                f"only={settings.only} teaches parts of a network that has learnt; give init=FOLDER or a shipped name"
            )
        if not settings.only:
            self.model.reopen()
        self.before = self.model.config.facts
        if self.model.config.lidar and not settings.lidar:
            raise UserError(f"init={settings.init} reads a lidar and lidar=false does not; give lidar=true")
        if settings.lidar and not self.model.config.lidar:
            self.model = self.model.grown(lidar=True)
        self.model.to(self.device).train()
        self.commands = Commands(self.model)
        self.named = _taught(self.model, settings.only)
        if self.model.config.remembers and not all(name.startswith(BESIDE) for name in self.named):
            self.model.memory.clear()  # it knows other thoughts
        self.average = {name: p.detach().clone() for name, p in self.named.items()}
        self.optimizers = optimizers(self.named, settings.lr, settings.decay)
        self.start, state = 0, self.out / "state"
        if state.exists() or state.with_suffix(".old").exists():
            self.start = checkpoint.load(state, self.named, self.average, self.optimizers)["step"]
            if not self.rank:
                print(f"resuming at step {self.start}")
        if self.world > 1:  # nobody saves before all have read
            torch.distributed.barrier()
        self.log = Log(self.out, self.start) if not self.rank else None
        if self.log is None:
            return
        (self.out / "settings.json").write_text(json.dumps(dataclasses.asdict(settings), indent=1))

    def _batch(self, lessons: list[Lesson]) -> dict[str, torch.Tensor]:
        import torch

        from embodied.data.road_lessons import gather

        return {name: torch.from_numpy(values) for name, values in gather(lessons, self.commands).items()}

    def _say(self, batch: dict[str, torch.Tensor]) -> Said:
        import torch
        from torch.nn.attention import SDPBackend, sdpa_kernel

        given = ("command", "series", "now", "speed", "yaw_rate", "path", "pictures", "ages", "seen", "driven")
        given += ("scans", "scanned") if self.settings.lidar else ()
        # the fused attention's way back is three times as slow on a CPU for so few tokens
        with (
            self.device,
            torch.autocast(self.device.type, torch.bfloat16, enabled=self.narrow),
            sdpa_kernel(SDPBackend.MATH),
        ):
            return self.model(**{name: batch[name].to(self.device) for name in given if name in batch})

    def _answer(self, lessons: list[Lesson]) -> Said:
        said = self._say(self._batch(lessons))
        there = {one.name: getattr(said, one.name) for one in dataclasses.fields(said)}
        return dataclasses.replace(said, **{name: one.cpu() for name, one in there.items() if one is not None})

    def run(self) -> None:
        from embodied import checkpoint

        settings = self.settings
        saved = began = time.monotonic()
        with progress_bar(not self.rank) as bar:
            task = bar.add_task("training", total=settings.steps, completed=self.start)
            for step, batch in enumerate(self._batches(), self.start + 1):
                figures = self._learn(step, batch)
                if self.log is None:
                    continue
                speed = (step - self.start) * settings.batch * self.world / (time.monotonic() - began)
                self.log.add(step, figures | {"samples/s": speed})
                name, figure = next(iter(figures.items()))
                bar.update(task, completed=step, description=f"{name} {figure:.2f}, {speed:.0f}/s")
                last = step == settings.steps
                if step % settings.validate_every == 0 or last:
                    figures = self.validate()
                    self.log.add(step, {f"held-out {name}": value for name, value in figures.items()})
                    bar.console.print(
                        f"step {step} {speed:.0f}/s " + ", ".join(f"{n} {v:.3f}" for n, v in figures.items())
                    )
                    self.log.plot()
                if last or time.monotonic() - saved > settings.save_every_s:
                    checkpoint.save(self.out / "state", self.named, self.average, self.optimizers, {"step": step})
                    self.log.flush()
                    saved = time.monotonic()
        if not self.rank:
            self._finish(time.monotonic() - began)

    def _finish(self, took_s: float) -> None:
        """The averaged weights with what they were taught on, which pictures they know, and what is set when all is learnt."""
        import torch

        from embodied.model.driving_weights import from_pretrained, save_pretrained
        from embodied.road_exam import lean
        from embodied.road_last import acquaint, teach_pace

        if self.start >= self.settings.steps:
            self.validate()
        self.model = model = from_pretrained(str(self.out / "weights"))
        self.device, self.narrow = torch.device("cpu"), mixed(self.settings.precision, "cpu") == "bf16"
        acquaint(model, self.lessons, self.settings.seed)
        off = {} if self.settings.only else teach_pace(model, self.lessons, self.settings.seed)
        if self.held and not self.settings.only:
            with torch.inference_mode():
                added = lean(self._answer, self.held)
            model.lean.copy_(torch.from_numpy(added))
        told: dict[str, Any] = {
            "drives": len(self.lessons.drives),
            "moments": len(self.lessons.index),
            "real moments": len(self.real.moments),
        }
        told |= {name: getattr(self.settings, name) for name in ("steps", "batch", "lr", "real_share")}
        told |= {"only": self.settings.only} if self.settings.only else {}
        told |= {"last stretch, s": round(took_s), **off}
        if self.settings.init:  # whose name says nothing once it is replaced
            told["before"] = dict(self.before)
        model.config = dataclasses.replace(model.config, facts=told)
        save_pretrained(model, self.out / "weights")

    def _drawn(self, step: int) -> dict[str, torch.Tensor]:
        """The batch of a step, the same whoever makes it."""
        rng = np.random.default_rng([self.settings.seed, step, self.rank])
        real = round(self.settings.real_share * self.settings.batch) if self.real.moments else 0
        return self._batch([*self.lessons.draw(rng, self.settings.batch - real), *self.real.draw(rng, real)])

    def _batches(self) -> Iterable[dict[str, torch.Tensor]]:
        """Of the steps that are left."""
        steps = range(self.start + 1, self.settings.steps + 1)
        if not self.settings.workers:
            return map(self._drawn, steps)
        from torch.utils.data import DataLoader

        # a worker's fault ends the training; each makes whole batches, which come in the steps' order
        return DataLoader(
            steps,  # type: ignore[arg-type]
            batch_size=1,
            collate_fn=lambda one: self._drawn(one[0]),
            num_workers=self.settings.workers,
            prefetch_factor=4,
        )

    def _learn(self, step: int, batch: dict[str, torch.Tensor]) -> dict[str, float]:
        """One optimiser step, the step-th (from 1)."""
        import torch

        from embodied.model.road_losses import losses, square_losses, total

        settings = self.settings
        batch = {name: one.to(self.device) for name, one in batch.items()}
        if step <= settings.scans_first and "scans" in batch:
            squares = self.model.look_around(batch["scans"])[2]
            with self.device:
                parts = square_losses(squares, batch)
        else:
            said = self._say(batch)
            with self.device:
                parts = losses(said, batch)
        total(parts).backward()
        self._agree()
        torch.nn.utils.clip_grad_norm_(self.named.values(), 1.0)
        learn(self.optimizers, settings.lr * rate(step - 1, settings.steps, settings.warmup, FLOOR))
        follow(self.average, self.named, step, settings.average)
        return {name: float(value.detach()) for name, value in parts.items()}

    def _agree(self) -> None:
        """The mean of all processes' gradients."""
        import torch

        if self.world == 1:
            return
        found = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.named.values()]
        flat = torch.cat([one.flatten() for one in found]).cpu()  # gloo's
        torch.distributed.all_reduce(flat)
        for p, part in zip(self.named.values(), flat.split([one.numel() for one in found]), strict=True):
            p.grad = (part / self.world).view_as(p).to(p.device)

    def validate(self) -> dict[str, float]:
        """Figures of the averaged weights on held-out moments, which are saved."""
        import torch

        from embodied.model.driving_weights import save_pretrained
        from embodied.road_exam import exam, real_exam

        with averaged(self.average, self.named):
            self.model.eval()
            with torch.inference_mode():
                figures = exam(self._answer, self.held) if self.held else {}
                figures |= real_exam(self._answer, self.real_held) if self.real_held.moments else {}
            save_pretrained(self.model, self.out / "weights")
        self.model.train()
        return figures


def _taught(model: DrivingModel, only: str) -> dict[str, torch.nn.Parameter]:
    """What learns, by name; the rest is frozen. What films without telemetry need, and the memory, are taught last."""
    learns = {name: p for name, p in model.named_parameters() if not name.startswith(("pace.", "memory."))}
    there = list(dict.fromkeys(name.split(".")[0] for name in learns))
    parts = [one.strip() for one in only.split(",") if one.strip()] or there
    unknown = next((one for one in parts if one not in there), "")
    if unknown:
        raise UserError(f"only={only}: {unknown!r} is no part that learns; choose from {', '.join(there)}")
    for name, p in model.named_parameters():
        p.requires_grad_(name in learns and name.split(".")[0] in parts)
    return {name: p for name, p in learns.items() if p.requires_grad}


class Commands(dict[str, Any]):
    """Ids of each sentence, made when first asked for."""

    def __init__(self, model: DrivingModel) -> None:
        super().__init__()
        self._model = model

    def __missing__(self, text: str) -> Any:
        self[text] = self._model.command(text or "drive on").numpy()
        return self[text]
