"""A language model that reads a set of objects and answers questions about them: PaLM-E's state input.

The sentence is `<bos> <obj_3> <obj_7> ... <ask>`, then questions, which see it and themselves only. Wherever an object is named,
also in a question and in the plan so far, its own vector stands there: what lies on it is read off the word itself. Objects
are a set: all stand at the same place of the sentence, and questions begin at the same place however many there are, so that
eight objects are read as three are. A language model that others trained reads the sentence as it reads all others, at the
places that it knows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from embodied.errors import UserError
from embodied.model.llama import Llama
from embodied.model.network import Smear, before
from embodied.model.reader import Reader
from embodied.model.reading import Allowed, Reading
from embodied.model.tokens import ASK, BOS, PAD, Words
from embodied.model.weights import fill, find, write
from embodied.registry import build

RMS = 0.05  # of the words of a language model from nothing, when it begins
JUMPS, JUMP = 0.15, 6  # how often places are left out while training, and how many at most


@dataclass(frozen=True)
class ReasonerConfig:
    """Sizes. picture: tokens and width of what a frozen picture encoder gives; 0, 0: object vectors are read. facts: what the
    weights were trained on; shown, never used. backbone, backbone_from, tune, lora_rank: as in ModelConfig; layers, heads and mlp
    are the tiny one's."""

    kind: str = "reasoner"
    dim: int = 128
    layers: int = 3
    heads: int = 4
    mlp: int = 256
    labels: int = 8
    picture: tuple[int, int] = (0, 0)
    facts: Mapping[str, Any] = field(default_factory=dict)
    backbone: str = "tiny"
    backbone_from: str = ""
    tune: str = "full"
    lora_rank: int = 8


class Reasoner(nn.Module):
    """words: the tokenizer, whose size fixes the embedding table."""

    names: Tensor  # ids of <obj_1> ... , behind one for none
    label_of: Tensor  # id -> j of <obj_j>, 0 of all other words

    def __init__(self, config: ReasonerConfig, words: Words) -> None:
        super().__init__()
        self.config, self.words = config, words
        self.backbone = build("backbone", config.backbone, source=config.backbone_from).module(config, words)
        tokens, width = config.picture
        if tokens:
            level = RMS if self.tiny else self.backbone.rms
            self.encoder = build("encoder", "retold", width=width, tokens=tokens, dim=config.dim, level=level)
        else:
            self.encoder = build("encoder", "scene", dim=config.dim)
        self.smear = Smear(config.dim)
        names = torch.tensor([words[PAD], *(words[f"<obj_{j}>"] for j in range(1, config.labels + 1))])
        label_of = torch.zeros(len(words), dtype=torch.long).index_put((names[1:],), torch.arange(1, len(names)))
        self.register_buffer("names", names, persistent=False)
        self.register_buffer("label_of", label_of, persistent=False)
        if self.tiny:
            nn.init.normal_(self.backbone.table, std=RMS)
            self._start_alike()

    @property
    def tiny(self) -> bool:
        """Whether the language model is one from nothing."""
        return self.config.backbone == "tiny"

    def theirs(self, name: str) -> bool:
        """Whether a parameter is as others published it."""
        kind, _, rest = name.partition(".")
        return kind == "backbone" and not self.tiny and self.backbone.theirs(rest)

    def _start_alike(self) -> None:
        """Keys begin as queries do and values go through, so that a word finds, and copies, its like from the first step on
        (mimetic initialisation, arXiv 2305.09828, section 4); from random ones that alone takes hundreds of steps."""
        with torch.no_grad():
            for layer in self.backbone.layers:
                own: Any = layer.self_attn
                nn.init.orthogonal_(own.q_proj.weight, 0.8)
                own.k_proj.weight.copy_(own.q_proj.weight)
                nn.init.orthogonal_(own.v_proj.weight, 0.5)
                own.o_proj.weight.copy_(own.v_proj.weight.t())

    def embeds(self, ids: Tensor, vectors: Tensor, labels: Tensor) -> Tensor:
        """ids (b, n); vectors (b, k, fields) in SI units, labels (b, k): j of <obj_j>, 0 where there is no object -> (b, n, D), not
        yet smeared. Of a picture: vectors (b, tokens, width), which stand behind the first word; labels are not looked at."""
        words = self.backbone.embed(ids)
        if tokens := self.config.picture[0]:
            return torch.cat([words[:, :1], self.encoder(vectors).to(words.dtype), words[:, 1 + tokens :]], 1)
        rows = self.encoder(vectors, self.backbone.embed(self.names[labels]), labels > 0)
        bank = rows.new_zeros(len(ids), len(self.names), rows.shape[2])
        bank = bank.scatter(1, labels[..., None].expand_as(rows), rows)
        named = self.label_of[ids]
        objects = bank.gather(1, named[..., None].expand(-1, -1, rows.shape[2]))
        return torch.where((named > 0)[..., None], objects.to(words.dtype), words)

    def forward(self, ids: Tensor, segment: Tensor, vectors: Tensor, labels: Tensor) -> Tensor:
        """Last hidden states (b, n, D) of packed sentences (embodied/model/packing.py)."""
        embeds = self.embeds(ids, vectors, labels)
        one, two = (
            nn.functional.pad(embeds, (0, 0, 0, 1)).gather(1, at[..., None].expand_as(embeds)) for at in before(segment)
        )
        smeared = self.smear(embeds, one, two)
        if not self.tiny:
            return self.backbone.hidden(smeared, segment)
        return self.backbone.hidden(
            smeared, segment, places(segment) + gaps(segment) if self.training else places(segment)
        )

    def logits(self, hidden: Tensor) -> Tensor:
        """(..., D) -> (..., vocabulary), the embedding table read backwards."""
        return self.backbone.logits(hidden)

    def sentence(self, labels: Sequence[int]) -> list[int]:
        """Ids of the sentence about objects with these labels, or about a picture."""
        tokens = self.config.picture[0]
        return [self.words[BOS], *(picture(self.words, tokens) if tokens else objects(self.words, labels))]


def objects(words: Words, labels: Sequence[int]) -> list[int]:
    """The sentence without its first token."""
    return [*(words[f"<obj_{label}>"] for label in labels), words[ASK]]


def picture(words: Words, tokens: int) -> list[int]:
    """As `objects`, of a picture; what is embedded there is the picture's."""
    return [words[PAD]] * tokens + [words[ASK]]


def places(segment: Tensor) -> Tensor:
    """(b, n) -> position ids: 0 for the objects, 1 for <ask>, which ends the prefix, from 2 on for every segment."""
    index = torch.arange(segment.shape[1], device=segment.device).expand_as(segment)
    new = torch.ones_like(segment, dtype=torch.bool)
    new[:, 1:] = segment[:, 1:] != segment[:, :-1]
    start = torch.where(new, index, 0).cummax(1).values
    prefix = (segment == 0).sum(1, keepdim=True)
    return torch.where(segment == 0, (index == prefix - 1).long(), 2 + index - start)


def gaps(segment: Tensor) -> Tensor:
    """(b, n) -> what training adds to the places of words: now and then some are left out, so that sentences longer than those
    trained have no place that was never seen (randomised positions, arXiv 2305.16843)."""
    jumps = (torch.rand(segment.shape, device=segment.device) < JUMPS) * torch.randint_like(segment, JUMP + 1)
    jumps = torch.where(segment > 0, jumps, 0)
    total = jumps.cumsum(1)
    start = torch.ones_like(segment, dtype=torch.bool)
    start[:, 1:] = segment[:, 1:] != segment[:, :-1]
    return torch.where(segment > 0, total - torch.where(start, total, 0).cummax(1).values, 0)


class _SetReader(Reader):
    """A Reader whose first tokens are a set (see `places`)."""

    def __init__(self, backbone: Llama, prefix: int) -> None:
        self.prefix = prefix
        super().__init__(backbone)

    def _turns(self) -> None:
        super()._turns()
        n = len(self.cosine)
        at = torch.tensor([0] * (self.prefix - 1) + [1, *range(2, 2 + n - self.prefix)])
        self.cosine, self.sine = self.cosine[at], self.sine[at]


class Answers(Reading):
    """One scene, many questions: the objects, or the picture, are read once. vectors (n, fields) in SI units, or (tokens, width) of
    a picture; labels: j of <obj_j>, in order, of a picture none."""

    @torch.inference_mode()
    def __init__(self, model: Reasoner, vectors: Tensor, labels: Sequence[int]) -> None:
        self.model = model
        ids = model.sentence(labels)
        super().__init__(
            _SetReader(model.backbone, len(ids)) if model.tiny else model.backbone.reader(), model.config.dim
        )
        # What stands for <obj_1>, ... in the sentence; of a picture nothing.
        self.named = torch.zeros(0, model.config.dim)
        if model.config.picture[0]:
            self._feed(model.embeds(torch.tensor([ids]), vectors[None], torch.zeros(1, 0, dtype=torch.long))[0])
        else:
            self.named = model.embeds(model.names[None, 1:], vectors[None], torch.tensor([list(labels)]))[0]
            self._spelled(model.words.spell(ids))
        self.known = self.reader.length

    def _embed(self, spelled: list[int]) -> Tensor:
        """(n, D)."""
        rows, label = super()._embed(spelled), self.model.label_of[torch.tensor(spelled)]
        if len(self.named):
            rows = torch.where((label > 0)[:, None], self.named[(label - 1).clamp(min=0)], rows)
        return rows

    def answer(self, text: str, allowed: Allowed) -> str:
        """What is said to `text`, in words."""
        return self.model.words.decode(self.say(text, allowed)[0])


def save(model: Reasoner, folder: Path, dtype: torch.dtype = torch.float16) -> None:
    """Write model.safetensors, config.json and tokenizer.json. What others trained and we left as it was is not written."""
    write(model, folder, dtype, lambda name: not model.theirs(name))
    (folder / "config.json").write_text(json.dumps(asdict(model.config), indent=1) + "\n")
    model.words.save(folder / "tokenizer.json")


def load(name: str, reads: str = "") -> Reasoner:
    """A folder or shipped weights, float32, ready to infer. reads: "objects" or "picture", where it matters. UserError when they
    are not a reasoner's, damaged, or read something else."""
    folder = find(name)
    try:
        saved = json.loads((folder / "config.json").read_text())
        tokens, width = saved.get("picture", (0, 0))
        config = ReasonerConfig(**saved | {"picture": (tokens, width)})
    except (ValueError, TypeError):  # of which damaged JSON and UTF-8 are kinds
        raise UserError(f"weights {name!r} are not a reasoner's; give a folder of `embodied train tamp`") from None
    if reads and reads != ("picture" if tokens else "objects"):
        raise UserError(
            f"weights {name!r} read {'pictures' if tokens else 'object vectors'}, which is not what is given here; take others"
        )
    model = Reasoner(config, Words.load(folder / "tokenizer.json"))  # which loads what others trained
    fill(model, folder / "model.safetensors", lambda name: not model.theirs(name))
    return model.eval()
