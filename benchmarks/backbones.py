"""What a backbone costs, and what one that others trained is worth on few lessons.

    python benchmarks/backbones.py [part=all|latency|reading] [threads=2]
        [lessons=100] [rows=tiny,frozen,lora,full] [seeds=3] [large=1] [test=100] [steps=120] [cache=FOLDER]

latency: perplexity; ms to read 128 tokens, to say 20 more, and for a plan from a fresh observation. The plan of smollm2 is its time
for the very sequence of reads that the shipped planner makes for a sentence of two jobs, with the shipped eyes: there are no
weights of ours for it whose words could be judged.

reading: sentences of one job, followed by the names of what is on the table. Told are the relation (or skill), by a class, and the
thing and its reference, each by pointing at one of the names. Right is a sentence with all three right. frozen: the last hidden
states of smollm2 are computed once, kept in `cache`, and a small readout is trained on them. lora, full: smollm2 learns as well,
low-rank adapters or all of it, for minutes a run: hence `large` seeds in place of `seeds`, and half as many steps. tiny starts from
nothing with the same readout and learns all of itself. What a run gave is kept in `cache` too, and no run is made twice. All see
the same sentences; "phrasings" are tested on forms of speech that no training sentence has.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from options import leave, options
from tokenizers import Tokenizer as Spelling
from torch import Tensor, nn

from embodied import registry
from embodied.errors import UserError
from embodied.model.gguf import cache as caches
from embodied.model.network import EmbodiedModel, ModelConfig
from embodied.model.weights import from_pretrained
from embodied.precision import has_bf16
from embodied.types import Observation
from policies.planner import Planner
from sim import request
from sim.body import SimBody
from sim.task import seed_of

TASKS = ("pick", "place-in-bowl", "push-to-zone", "reach", "spatial-relation", "stack-two")
RELATIONS = ("reached", "held", "pushed", "on", "in", "left of", "right of", "behind", "in front of", "between")
GOAL = "put the red block in the blue bowl, then stack the green block on the yellow block"


def made(backbone: str, corpus: list[str], tune: str = "") -> EmbodiedModel:
    """A new model on that backbone."""
    part = registry.build("backbone", backbone)
    config = part.fitted(ModelConfig(backbone=backbone, tune=tune))
    return EmbodiedModel(config, part.words(corpus, config.placeholders)).eval()


def timed(act: Callable[[], Any], times: int = 5) -> str:
    """Median wall time and CPU time, ms, after one to warm up."""
    took = []
    for _ in range(times + 1):
        start = np.array([time.perf_counter(), time.process_time()])
        act()
        took.append((np.array([time.perf_counter(), time.process_time()]) - start) * 1e3)
    wall, cpu = np.median(took[1:], axis=0)
    return f"{wall:.0f} ({cpu:.0f})"


def latency(most: int) -> None:
    torch.set_num_threads(1)
    body = SimBody("compound", split="seen")
    obs = body.load(request.table_for(GOAL, 7), 7)
    planner = Planner(body)
    body.close()
    reads: list[int] = []

    def plan() -> None:
        planner.reset()
        planner.plan(obs, GOAL)

    original = type(planner.model.backbone.reader()).read
    type(planner.model.backbone.reader()).read = lambda self, x: reads.append(len(x)) or original(self, x)
    plan()
    type(planner.model.backbone.reader()).read = original
    models: dict[str, Any] = {"tiny": from_pretrained("tabletop")}
    models |= {name: made("smollm2", []) for name in ("smollm2", "smollm2, bf16", "smollm2, int8")}
    models["smollm2, bf16"].backbone.halve()
    models["smollm2, int8"].backbone.narrow()
    print("| backbone | perplexity |\n|---|---|")
    for name in list(models)[1:]:
        print(f"| {name} | {perplexity(models[name]):.2f} |", flush=True)
    print(f"\nwall time (CPU time), ms; the plan takes {sum(reads)} tokens in {len(reads)} reads\n")
    print("| backbone | threads | 128 tokens | 20 more | plan | asked |\n|---|---|---|---|---|---|")
    for threads in range(1, most + 1):
        torch.set_num_threads(threads)
        for name, model in models.items():
            costs = [timed(partial(act, model.backbone, model.backbone.reader())) for act in (prefill, more)]
            whole = timed(plan if name == "tiny" else partial(replay, planner, obs, model.backbone, reads), 3)
            print(
                f"| {name} | {threads} | {' | '.join(costs)} | {whole} | {300 if name == 'tiny' else 1500} |",
                flush=True,
            )


def perplexity(model: EmbodiedModel, tokens: int = 1024) -> float:
    """Of the beginning of our architecture's description."""
    text = (Path(__file__).parents[1] / "docs" / "architecture.md").read_text()
    spelling = Spelling.from_file(str(Path(registry.build("backbone", "smollm2").folder) / "tokenizer.json"))
    ids = torch.tensor(spelling.encode(text).ids[: tokens + 1])
    backbone = model.backbone
    with torch.inference_mode():
        hidden = backbone.reader().read(backbone.embed(ids[:-1]))
        known = backbone.logits(hidden)[:, : backbone.base]  # without the words that we add, which mean nothing yet
        return math.exp(F.cross_entropy(known.float(), ids[1:]))


def prefill(backbone: Any, reader: Any) -> None:
    with torch.inference_mode():
        reader.length = 0
        reader.read(backbone.embed(torch.arange(20, 148)))


def more(backbone: Any, reader: Any) -> None:
    """20 tokens behind the 128."""
    with torch.inference_mode():
        reader.length, token = 128, 20
        for _ in range(20):
            hidden = reader.read(backbone.embed(torch.tensor([token])))
            token = int(backbone.logits(hidden[-1]).argmax())


def replay(planner: Planner, obs: Observation, backbone: Any, reads: list[int]) -> None:
    """The eyes, which are the same for all, and as many tokens in as many reads."""
    with torch.inference_mode():
        planner.reset()
        planner.look(obs)
        reader = backbone.reader()
        for n in reads:
            reader.read(backbone.embed(torch.arange(20, 20 + n)))


@dataclass(frozen=True)
class Said:
    """parts: what is asked, then each name; joined they are the text. relation, thing, other: indices, the last 0 for none."""

    parts: tuple[str, ...]
    relation: int
    thing: int
    other: int


def sentences(split: str, count: int, first: int) -> list[Said]:
    """Of tasks in turn."""
    out = []
    for k in range(count):
        task = registry.build("task", TASKS[k % len(TASKS)])
        episode = task.sample(np.random.default_rng(seed_of(split, first, k)), split)
        want, names = episode.wants[0], sorted(item.name for item in episode.items)
        other = names.index(want.b[0]) + 1 if want.b else 0
        parts = (f"{episode.goal} - on the table:", *names)
        out.append(Said(parts, RELATIONS.index(want.relation), names.index(want.a), other))
    return out


def spelled(model: EmbodiedModel, said: Said) -> tuple[list[int], list[int]]:
    """Tokens, and where each name ends."""
    ids, ends = [], []
    for part in said.parts:
        ids += model.words.read(part)
        ends.append(len(ids) - 1)
    return ids, ends[1:]


class Readout(nn.Module):
    """Last hidden states of words (b, n, width) -> logits of relations, of things and of references (the first: none)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attend, self.relation, self.none = (
            nn.Linear(width, 1),
            nn.Linear(width, len(RELATIONS)),
            nn.Linear(width, 1),
        )
        self.point = nn.Sequential(nn.Linear(width, 64), nn.GELU(), nn.Linear(64, 2))

    def forward(self, hidden: Tensor, there: Tensor, ends: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """there (b, n) bool; ends (b, k): where the names end, -1 for no more."""
        hidden = self.norm(hidden)
        shares = self.attend(hidden)[..., 0].masked_fill(~there, -torch.inf).softmax(1)
        whole = (shares[..., None] * hidden).sum(1)
        names = hidden.gather(1, ends.clamp(min=0)[..., None].expand(-1, -1, hidden.shape[-1]))
        points = self.point(names).masked_fill((ends < 0)[..., None], -torch.inf)
        return self.relation(whole), points[..., 0], torch.cat([self.none(whole), points[..., 1]], 1)


def batch(rows: list[Tensor], ends: list[list[int]]) -> tuple[Tensor, Tensor, Tensor]:
    """Padded on the right, where something is, and where names end."""
    there = torch.arange(max(map(len, rows))) < torch.tensor([len(row) for row in rows])[:, None]
    last = nn.utils.rnn.pad_sequence([torch.tensor(one) for one in ends], batch_first=True, padding_value=-1)
    return nn.utils.rnn.pad_sequence(rows, batch_first=True), there, last


class Frozen:
    """Last hidden states of SmolLM2, a file a sentence."""

    def __init__(self, folder: Path) -> None:
        self.model, self.folder = made("smollm2", []), folder
        self.width = self.model.config.dim
        folder.mkdir(parents=True, exist_ok=True)

    def parameters(self) -> list[dict[str, Any]]:
        return []

    def features(self, said: Said) -> Tensor:
        path = self.folder / f"{hashlib.sha256(repr(said.parts).encode()).hexdigest()[:24]}.npy"
        if not path.exists():
            with torch.no_grad():
                backbone = self.model.backbone
                hidden = backbone.reader().read(backbone.embed(torch.tensor(spelled(self.model, said)[0])))
            np.save(path, hidden.half().numpy())
        return torch.from_numpy(np.load(path)).float()

    def __call__(self, some: list[Said]) -> tuple[Tensor, Tensor, Tensor]:
        return batch([self.features(said) for said in some], [spelled(self.model, said)[1] for said in some])


LARGE = ("lora", "full")  # rows in which 135 million parameters learn
RATES = {"tiny": 5e-4, "lora": 5e-4, "full": 5e-5}  # of what learns beside the readout


class Learning:
    """One that learns: tiny from nothing, with the words of these sentences, or smollm2 by adapters or in full."""

    def __init__(self, row: str, corpus: list[str]) -> None:
        more = [*corpus, *corpus]  # twice: a word counts from its second time on
        self.model = (made("tiny", more) if row == "tiny" else made("smollm2", [], row)).train()
        self.width, self.row = self.model.config.dim, row

    def parameters(self) -> list[dict[str, Any]]:
        own = [*self.model.backbone.parameters(), *self.model.smear.parameters()]
        return [{"params": [one for one in own if one.requires_grad], "lr": RATES[self.row]}]

    def __call__(self, some: list[Said]) -> tuple[Tensor, Tensor, Tensor]:
        tokens = [spelled(self.model, said) for said in some]
        ids, there, last = batch([torch.tensor(one) for one, _ in tokens], [ends for _, ends in tokens])
        with torch.autocast("cpu", torch.bfloat16, enabled=has_bf16("cpu")):  # as `embodied train` does
            return self.model(ids, torch.where(there, 0, -1), {}).float(), there, last


def learnt(reader: Any, lessons: list[Said], tests: dict[str, list[Said]], steps: int, seed: int) -> dict[str, float]:
    """Share of each test that is right after so many steps of 32 sentences."""
    torch.manual_seed(seed)
    readout, rng = Readout(reader.width), np.random.default_rng(seed)
    groups = [{"params": readout.parameters(), "lr": 2e-3}, *reader.parameters()]
    made = torch.optim.AdamW(groups, weight_decay=0.05)
    plan = torch.optim.lr_scheduler.OneCycleLR(made, [g["lr"] for g in groups], total_steps=steps, pct_start=0.1)

    def truth(some: list[Said]) -> Tensor:
        return torch.tensor([[said.relation, said.thing, said.other] for said in some])

    for _ in range(steps):
        some = [lessons[i] for i in rng.integers(0, len(lessons), 32)]
        told = readout(*reader(some))
        loss = torch.stack([F.cross_entropy(one, truth(some)[:, k]) for k, one in enumerate(told)]).sum()
        made.zero_grad()
        loss.backward()
        made.step()
        plan.step()
    out = {}
    with torch.no_grad():
        for name, test in tests.items():
            right = 0
            for some in (test[k : k + 50] for k in range(0, len(test), 50)):
                told = torch.stack([one.argmax(-1) for one in readout(*reader(some))], -1)
                right += int((told == truth(some)).all(-1).sum())
            out[name] = right / len(test)
    return out


def reading(counts: list[int], rows: dict[str, int], test: int, steps: int, folder: Path) -> None:
    """rows: name -> seeds. steps: of those that are not large."""
    torch.set_num_threads(1)
    tests = {split: sentences(split, test, 1) for split in ("seen", "phrasings")}
    frozen = Frozen(folder)
    print("| backbone | lessons | steps | seen forms, % | unseen phrasings, % | s a run |\n|---|---|---|---|---|---|")
    for count in counts:
        for name, seeds in rows.items():
            results, taken = [], steps // (2 if name in LARGE else 1)
            for seed in range(seeds):
                kept = folder / f"{name}-{count}-{seed}-{taken}-{test}.json"
                if kept.exists():
                    results.append(json.loads(kept.read_text()))
                    continue
                lessons = sentences("train", count, 10 + seed)
                if name == "frozen":
                    for said in [*lessons, *tests["seen"], *tests["phrasings"]]:
                        frozen.features(said)  # once for all runs, not counted below
                start = time.perf_counter()
                reader = frozen if name == "frozen" else Learning(name, [" ".join(said.parts) for said in lessons])
                results.append(learnt(reader, lessons, tests, taken, seed) | {"s": time.perf_counter() - start})
                kept.write_text(json.dumps(results[-1]))
            shown = []
            for split in tests:
                values = [100 * one[split] for one in results]
                shown.append(f"{np.mean(values):.1f} ({min(values):.1f} to {max(values):.1f})")
            print(
                f"| {name} | {count} | {taken} | {' | '.join(shown)} | {np.mean([one['s'] for one in results]):.0f} |",
                flush=True,
            )


def main(arguments: list[str]) -> int:
    default = str(caches() / "readings")
    every = "tiny,frozen,lora,full"
    chosen = options(
        arguments,
        part="all",
        threads=2,
        lessons="100",
        rows=every,
        seeds=3,
        large=1,
        test=100,
        steps=120,
        cache=default,
    )
    if chosen["part"] in ("all", "latency"):
        latency(chosen["threads"])
    if chosen["part"] in ("all", "reading"):
        counts = [int(one) for one in chosen["lessons"].split(",")]
        rows = chosen["rows"].split(",")
        for name, least in (("seeds", 1), ("large", 1), ("test", 1), ("steps", 20)):
            if chosen[name] < least:
                raise UserError(f"{name}={chosen[name]} is too small; give {least} or more")
        if strange := set(rows) - set(every.split(",")):
            raise UserError(f"unknown row {min(strange)!r}; choose from {every}")
        seeds = {name: chosen["large" if name in LARGE else "seeds"] for name in rows}
        reading(counts, seeds, chosen["test"], chosen["steps"], Path(chosen["cache"]))
    return 0


if __name__ == "__main__":
    leave(main)
