"""`embodied train memory`: what the network that drives carries on from look to look, taught behind all else on whole drives.

Two stages. What the finished network understands of every moment is written down, drive by drive, by several processes; then the
memory (embodied.model.memory) learns from these thoughts in their order. An interrupted first stage goes on; the second is short.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from concurrent.futures import as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from embodied import workers
from embodied.errors import UserError
from embodied.recipe import learn, rate, setting
from embodied.trainlog import Log, progress_bar

if TYPE_CHECKING:
    import torch

    from embodied.data.road_lessons import Lesson, RoadLessons
    from embodied.model.driving import DrivingModel

Thoughts = dict[str, np.ndarray]  # see `thoughts`

GIVEN = ("command", "series", "now", "speed", "yaw_rate", "path", "pictures", "ages")
PORTION = 60  # moments looked at together
UNTOLD = -2  # decided: beyond a drive's end; -1 within it, where nobody knows
WARMUP, FLOOR = 100, 0.01  # steps, a tenth of all at most; of the peak learning rate, where it ends
HAZARD_WEIGHT = 1.5  # of the time to collision


@dataclass
class Settings:
    """Teach the network that drives to remember (docs/driving.md)."""

    out: str = setting("runs/memory", "folder of thoughts, logs and the finished weights; an unfinished run goes on")
    moments: str = setting("", "folder of moments (embodied record kind=road)")
    held: str = setting("", "folder of moments of other seeds, for the figures on the way")
    init: str = setting("road", "the network: a folder or a shipped name; all but its memory stays exactly as it is")
    varied: float = setting(0.5, "share of drives with other sensors and another light, the same all along the drive")
    epochs: int = setting(10, "times that each drive is gone through")
    batch: int = setting(16, "drives a step")
    lr: float = setting(3e-3, "peak learning rate (linear warm-up, cosine to a hundredth)")
    decay: float = setting(0.05, "weight decay")
    noise: float = setting(0.2, "of thoughts, in their standard deviations")
    seed: int = setting(0, "of initial weights, order and noise")
    processes: int = setting(1, "that look at drives side by side")
    threads: int = setting(1, "torch threads of the second stage")
    most: int = setting(0, "drives to use; 0: all")


def main(settings: Settings, chosen: dict[str, str] | None = None) -> int:
    """Train; returns the exit code. The finished weights are in out/weights."""
    if not settings.moments:
        raise UserError("train memory needs moments=FOLDER; make one with `embodied record kind=road out=FOLDER`")
    few = next((name for name in ("epochs", "batch", "processes", "threads") if getattr(settings, name) < 1), "")
    if few:
        raise UserError(f"{few}={getattr(settings, few)} is too few; give 1 or more")
    import torch

    from embodied.data.moments import files
    from embodied.model.driving_weights import from_pretrained, save_pretrained

    torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    model, out = from_pretrained(settings.init), Path(settings.out)
    if not model.config.sees:
        raise UserError(
            f"init={settings.init} sees no pictures, and what is remembered is what was seen; give other weights"
        )
    before = dict(model.config.facts)
    for folder in filter(None, (settings.moments, settings.held)):  # before the first stage's minutes
        files(folder)
    model = model.grown(remembers=False).grown(remembers=True)  # what another memory knew is no beginning
    out.mkdir(parents=True, exist_ok=True)
    (out / "settings.json").write_text(json.dumps(dataclasses.asdict(settings), indent=1))
    drives = thoughts(settings, settings.moments, settings.varied, settings.most)
    held = thoughts(settings, settings.held, 0.0) if settings.held else {}
    figures = teach(model, drives, held, settings)
    told = {"drives": len(drives["decided"]), "moments": int((drives["decided"] > UNTOLD).sum())}
    told |= {name: getattr(settings, name) for name in ("epochs", "batch", "lr", "varied")} | figures
    model.config = dataclasses.replace(model.config, facts={**before, "memory": told})
    save_pretrained(model, out / "weights")
    return 0


def thoughts(settings: Settings, folder: str, varied: float, most: int = 0) -> Thoughts:
    """Of every drive in a folder, padded to the longest: thought (drives, t, C) float16, decisions (drives, t, DECISIONS) and ttc
    (drives, t, TTC_S), what is said without memory; decided and ttc_s (drives, t), the truth."""
    from embodied.data.moments import files
    from embodied.model.weights import find

    into = Path(settings.out) / f"thoughts-{_digest(find(settings.init) / 'model.safetensors')}"
    into.mkdir(exist_ok=True)
    paths = files(folder)[: most or None]
    kinds = ["-varied" if (k + 0.5) * varied % 1 < varied else "" for k in range(len(paths))]
    places = [into / f"{path.stem}-{_digest(path)}{kind}.npz" for path, kind in zip(paths, kinds, strict=True)]
    todo = [(path, place) for path, place in zip(paths, places, strict=True) if not place.exists()]
    with progress_bar(True) as bar, workers.pool(settings.processes) as pool:
        row = bar.add_task("looking at drives", total=len(paths), completed=len(paths) - len(todo))
        asked = [pool.submit(think, path, place, settings.init) for path, place in todo]
        try:
            for future in as_completed(asked):
                future.result()
                bar.advance(row)
        finally:  # of those that have not begun
            pool.shutdown(cancel_futures=True)
    return _padded([dict(np.load(place)) for place in places])


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def think(drive: Path, into: Path, init: str) -> None:
    """What the network understands of a drive's moments, one after the other, as a file. One that is called varied is seen by one
    other set of sensors, in one other light."""
    import torch

    from embodied.data.road_lessons import RoadLessons, gather
    from embodied.model.driving_weights import shared
    from embodied.train_road import Commands

    torch.set_num_threads(1)
    model, lessons, rows = shared(init), RoadLessons(drive), dict[str, list[np.ndarray]]()
    commands = Commands(model)
    for part in np.array_split(np.arange(len(lessons.index)), -(-len(lessons.index) // PORTION)):
        seen = [_lesson(lessons, int(k), into.stem.endswith("varied")) for k in part]
        batch = gather(seen, commands)
        with torch.inference_mode():
            said = model(**{name: torch.from_numpy(batch[name]) for name in GIVEN})
        made = {"thought": said.thought.half(), "decisions": said.decisions, "ttc": said.ttc}
        made = {name: one.numpy() for name, one in made.items()}
        made |= {"decided": batch["decided"], "ttc_s": batch["truth"][:, 1]}
        for name, one in made.items():
            rows.setdefault(name, []).append(one)
    unfinished = into.with_suffix(".part.npz")
    np.savez(unfinished, **{name: np.concatenate(one) for name, one in rows.items()})  # pyright: ignore[reportArgumentType]
    unfinished.rename(into)


def _lesson(lessons: RoadLessons, k: int, varied: bool) -> Lesson:
    """With a picture, always. varied: by the dice that fell for this drive, offsets of its sensors included; where they leave the
    pictures out, as it is."""
    rng = np.random.default_rng([lessons.drives[0].seed, 31]) if varied else None
    made = lessons.lesson(0, k, rng)
    return made if made.picture is not None else lessons.lesson(0, k)


def _padded(drives: list[Thoughts]) -> Thoughts:
    longest = max(len(one["decided"]) for one in drives)
    made: Thoughts = {}
    for name, like in drives[0].items():
        fill = UNTOLD if name == "decided" else 0
        made[name] = np.full((len(drives), longest, *like.shape[1:]), fill, like.dtype)
        for row, one in zip(made[name], drives, strict=True):
            row[: len(one[name])] = one[name]
    return made


def _batch(drives: Thoughts, rows: np.ndarray) -> dict[str, torch.Tensor]:
    import torch

    batch = {name: torch.from_numpy(one[rows]) for name, one in drives.items()}
    return batch | {"thought": batch["thought"].float()}


def teach(model: DrivingModel, drives: Thoughts, held: Thoughts, settings: Settings) -> dict[str, float]:
    """The memory, on thoughts of drives; the rest is left alone. Returns the figures on those held out, without it and with it."""
    import torch

    memory, there = model.memory, drives["decided"] > UNTOLD
    memory.measure(torch.from_numpy(drives["thought"][there]).float())
    optimizer = torch.optim.AdamW(memory.parameters(), settings.lr, betas=(0.9, 0.98), weight_decay=settings.decay)
    rng, dice = np.random.default_rng(settings.seed), torch.Generator().manual_seed(settings.seed)
    portions = -(-len(there) // settings.batch)
    step, steps, log = 0, settings.epochs * portions, Log(Path(settings.out), 0)
    first, figures = exam(model, held), dict[str, float]()
    with progress_bar(True) as bar:
        task = bar.add_task("remembering", total=steps)
        for _ in range(settings.epochs):
            memory.train()
            for rows in np.array_split(rng.permutation(len(there)), portions):
                batch = _batch(drives, rows)
                noise = torch.randn(batch["thought"].shape, generator=dice)
                batch["thought"] += settings.noise * memory.spread * noise
                parts = _losses(model, batch)
                (parts["decision"] + HAZARD_WEIGHT * parts["hazard"]).backward()
                torch.nn.utils.clip_grad_norm_(memory.parameters(), 1.0)
                learn([optimizer], settings.lr * rate(step, steps, min(WARMUP, steps // 10), FLOOR))
                step += 1
                log.add(step, {name: float(value.detach()) for name, value in parts.items()})
                bar.update(task, completed=step)
            memory.eval()
            figures = exam(model, held, remembers=True)
            log.add(step, {f"held-out {name}": value for name, value in figures.items()})
            bar.console.print(
                f"step {step} "
                + ", ".join(f"{name} {value:.4f} (without {first[name]:.4f})" for name, value in figures.items())
            )
            log.flush()
    log.plot()
    return {name: round(value, 4) for name, value in figures.items()}


def _losses(model: DrivingModel, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Means over the strands, each of which learns by its own error, so that they err at different moments."""
    import torch
    import torch.nn.functional as F

    from embodied.model.driving import TTC_S, recalled

    told, there = batch["decided"] >= 0, batch["decided"] > UNTOLD
    within = (batch["ttc_s"][there][:, None] <= torch.tensor(TTC_S) + 1e-3).float()
    strands, _ = model.memory.each(batch["thought"], model.memory.nothing(len(told)))
    parts = {"decision": [], "hazard": []}
    for added in strands:
        decisions, ttc = recalled(batch["decisions"], batch["ttc"], added)
        parts["decision"].append(
            F.nll_loss(decisions[told], batch["decided"][told], reduction="sum") / told.sum().clamp(min=1)
        )
        parts["hazard"].append(F.binary_cross_entropy_with_logits(ttc[there], within))
    return {name: torch.stack(one).mean() for name, one in parts.items()}


def exam(model: DrivingModel, held: Thoughts, remembers: bool = False) -> dict[str, float]:
    """Over all moments of the held-out drives; empty where there are none."""
    import torch

    from embodied.data.drives import DECISIONS
    from embodied.drive.decisions import macro_f1
    from embodied.drive.hazard import average_precision
    from embodied.model.driving import HAZARD, TTC_S, recalled

    if not held:
        return {}
    batch = _batch(held, np.arange(len(held["decided"])))
    decisions, ttc = batch["decisions"], batch["ttc"]
    if remembers:
        with torch.inference_mode():
            added, _ = model.memory(batch["thought"], model.memory.nothing(len(decisions)))
            decisions, ttc = recalled(decisions, ttc, added)
    told, there = held["decided"] >= 0, held["decided"] > UNTOLD
    confusion = np.zeros((len(DECISIONS),) * 2)
    np.add.at(confusion, (held["decided"][told], decisions.argmax(-1).numpy()[told]), 1)
    soon = ttc[..., HAZARD].numpy()[there].astype(float)
    return {
        "decision F1": macro_f1(confusion),
        "decision errors": 1 - float(np.trace(confusion) / confusion.sum()),
        "hazard AP": average_precision(soon, held["ttc_s"][there] <= TTC_S[HAZARD]),
    }
