"""`embodied train tamp`: a reasoner on lessons that are made as they are needed; resumable at the same step."""

from __future__ import annotations

import dataclasses
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embodied.data.schedule import Schedule
from embodied.errors import UserError
from embodied.precision import HELP, mixed
from embodied.recipe import averaged, follow, learn, rate, setting
from embodied.trainlog import Log, progress_bar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from embodied.model.reasoner import Reasoner, ReasonerConfig
    from embodied.model.tokens import Words


WHOLE = 32  # scenes up to which a batch is not split by length: overhead costs more than padding


@dataclass
class Recipe:
    """How a reasoner learns, whatever it is taught."""

    out: str = setting(
        "runs/reasoner", "folder of checkpoints, logs and the finished weights; an unfinished run goes on"
    )
    augment: bool = setting(True, "labels, colours and sides of a table exchanged at every visit")
    steps: int = setting(3000, "optimiser steps")
    batch: int = setting(32, "tables a step")
    lr: float = setting(2e-3, "peak learning rate (Muon and AdamW, linear warm-up, cosine to a tenth)")
    warmup: int = setting(40, "warm-up steps")
    decay: float = setting(0.02, "weight decay")
    average: float = setting(0.99, "decay of the running average of the weights, which is what is saved")
    seed: int = setting(0, "seed of initial weights, order and augmentation")
    threads: int = setting(1, "torch threads")
    precision: str = setting("auto", HELP)
    save_every_s: float = setting(120.0, "seconds between checkpoints")


@dataclass
class Settings(Recipe):
    """Train the model that answers PaLM-E's tests on tables of cubes; `make tamp-weights` is the whole recipe."""

    out: str = setting("runs/tamp", "folder of checkpoints, logs and the finished weights; an unfinished run goes on")
    scenes: int = setting(96_000, "scenes to learn from; the paper has 320 and 96000")
    steps: int = setting(6000, "optimiser steps")
    input: str = setting(
        "state",
        "state (object vectors, which also serve input=objects of the evaluation) or picture (tokens of an encoder)",
    )
    pictures: str = setting("", "of input=picture: folder of embodied record kind=cubes, in place of scenes")
    kinds: str = setting("q1,q2,q3,q4,p1,p2", "what is asked about them, with commas between")
    backbone: str = setting("tiny", "language model: tiny (from nothing), smollm2, hf (docs/reasoning.md)")
    backbone_from: str = setting("", "of backbone=hf: an id of transformers, a folder or a .gguf file")
    tune: str = setting("", "of a backbone that others trained: frozen | lora | full; empty: frozen, of tiny full")
    lora_rank: int = setting(8, "of tune=lora")
    checkpointing: bool = setting(
        False, "compute the language model's layers again on the way back: less memory, a third slower"
    )


def shares(segment: Tensor, asked: Tensor) -> Tensor:
    """Weights (m,) of the m asked tokens of packed sentences (b, n): an answer of k tokens weighs as much as sqrt(k) of one.
    With all tokens alike, one-word answers drown in plans and are learnt last; with all answers alike, plans are."""
    import torch

    rows = torch.arange(len(segment), device=segment.device)[:, None] * (int(segment.max()) + 1)
    question = (rows + segment)[asked]
    return torch.bincount(question)[question].rsqrt()


SHAPE = ("backbone", "backbone_from", "tune", "lora_rank", "input")  # settings that decide which tensors there are


def _same_model(settings: Recipe, begun: Path) -> None:
    """UserError when the run in this folder was begun with another model."""
    before = json.loads(begun.read_text()) if begun.exists() else {}
    for key in SHAPE:
        if (was := before.get(key)) != (now := getattr(settings, key, was)) and key in before:
            raise UserError(f"the run in {begun.parent} has {key}={was}, not {key}={now}; give another out=")


class Training:
    """A run. sources: lessons, as embodied.data.schedule.Schedule takes them, and their share of a batch. facts: what the weights
    were taught, for their config. init: weights to begin with, whose words those here go on from, or sizes."""

    def __init__(
        self,
        settings: Recipe,
        sources: Sequence[tuple[Any, float]],
        words: Words,
        facts: Mapping[str, Any],
        init: Reasoner | ReasonerConfig | None = None,
    ) -> None:
        import torch

        from embodied import checkpoint
        from embodied.model.reasoner import Reasoner, ReasonerConfig
        from embodied.optimizers import optimizers

        torch.set_num_threads(settings.threads)
        torch.manual_seed(settings.seed)
        self.settings, self.out = settings, Path(settings.out)
        self.out.mkdir(parents=True, exist_ok=True)
        facts = {**facts, "steps": settings.steps, "batch": settings.batch}
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.narrow = mixed(settings.precision, self.device.type) == "bf16"
        self.model = init if isinstance(init, Reasoner) else Reasoner(init or ReasonerConfig(), words)
        self.model.to(self.device).backbone.train()
        self.model.config = dataclasses.replace(self.model.config, facts=facts)
        self.named = {name: p for name, p in self.model.named_parameters() if p.requires_grad}
        self.average = {name: p.detach().clone() for name, p in self.named.items()}
        self.optimizers = optimizers(self.named, settings.lr, settings.decay)
        state = self.out / "state"
        self.start = 0
        if state.exists() or state.with_suffix(".old").exists():
            _same_model(settings, self.out / "settings.json")
            self.start = checkpoint.load(state, self.named, self.average, self.optimizers)["step"]
            print(f"resuming at step {self.start}")
        self.schedule = Schedule(
            [one for one, _ in sources],
            [share for _, share in sources],
            settings.batch,
            settings.seed,
            self.start,
            settings.steps,
        )
        self.log = Log(self.out, self.start)
        (self.out / "settings.json").write_text(json.dumps(dataclasses.asdict(settings), indent=1))

    def run(self) -> None:
        """All steps that are left, with checkpoints on the way; the finished weights are in out/weights."""
        from embodied import checkpoint
        from embodied.model.reasoner import save

        saved = began = time.monotonic()
        with progress_bar(True) as bar:
            task = bar.add_task("training", total=self.settings.steps, completed=self.start)
            for step in range(self.start + 1, self.settings.steps + 1):
                loss = self._learn(step, [one for part in self.schedule[step - 1 - self.start] for one in part])
                speed = (step - self.start) * self.settings.batch / (time.monotonic() - began)
                self.log.add(step, {"text": loss, "samples/s": speed})
                bar.update(task, completed=step, description=f"loss {loss:.4f}, {speed:.0f} tables/s")
                last = step == self.settings.steps
                if last or time.monotonic() - saved > self.settings.save_every_s:
                    checkpoint.save(self.out / "state", self.named, self.average, self.optimizers, {"step": step})
                    self.log.plot()
                    bar.console.print(f"step {step} loss {loss:.4f} {speed:.0f}/s")
                    with averaged(self.average, self.named):
                        save(self.model, self.out / "weights")
                    saved = time.monotonic()

    def _learn(self, step: int, lessons: list[Any]) -> float:
        """One optimiser step over portions of like length; the mean loss of a word of an answer, weighed by `shares`."""
        import torch
        from torch.nn import functional as F

        from embodied.model.packing import collate, portions

        # Noise follows from the step, so that a resumed run draws what an uninterrupted one would have drawn.
        torch.manual_seed(self.settings.seed * 1_000_003 + step)
        parts = portions(lessons) if len(lessons) > WHOLE else [lessons]
        batches = [collate(part, [], [], self.model.words, (1, 1)).to(self.device) for part in parts]
        weights = [shares(batch.segment, batch.target >= 0) for batch in batches]
        count = sum(float(one.sum()) for one in weights)
        said = 0.0
        for batch, weight in zip(batches, weights, strict=True):
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.narrow):
                given, labels = (batch.states[name] for name in ("given", "labels"))
                hidden = self.model(batch.ids, batch.segment, given, labels.long())
                asked = batch.target >= 0
                logits = self.model.logits(hidden[asked])
            loss = (F.cross_entropy(logits.float(), batch.target[asked], reduction="none") * weight).sum() / count
            loss.backward()
            said += float(loss.detach())
        torch.nn.utils.clip_grad_norm_(self.named.values(), 1.0)
        settings = self.settings
        learn(self.optimizers, settings.lr * rate(step - 1, settings.steps, settings.warmup))
        follow(self.average, self.named, step, settings.average)
        return said
