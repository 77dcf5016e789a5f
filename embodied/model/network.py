"""The model: encoders put continuous inputs into a sentence, a language model reads it, heads read the language model.

Sentences are packed: one shared prefix (pictures, states) followed by segments that each see the prefix and themselves, so
that one look at a scene teaches, and answers, many questions. segment 0 is the prefix, 1.. the segments, -1 padding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from embodied.aims import ROWS
from embodied.errors import UserError
from embodied.model.finder import Finder
from embodied.model.sentence import Objects, Picture, Prompt, Series, Text, embed
from embodied.model.tokens import BOS, XS, YS, Words
from embodied.plan import BINS, COLOURS, PLACES, SHAPES
from embodied.registry import build

KINDS = ("nothing", *SHAPES, *PLACES, "robot")  # what a cell of a picture can show


@dataclass(frozen=True)
class ModelConfig:
    """Sizes and inputs. cameras: name -> (H, W, pixels along a token's edge). states: name -> (rows, channels) of the window."""

    dim: int = 192
    layers: int = 5
    heads: int = 3
    mlp: int = 512
    vit_depth: int = 2
    vit_channels: int = 128
    cameras: Mapping[str, tuple[int, int, int]] = field(
        default_factory=lambda: {"front": (192, 320, 32), "wrist": (192, 192, 64)}
    )
    states: Mapping[str, tuple[int, int]] = field(default_factory=lambda: {"arm": (8, 6)})
    state_tokens: int = 2
    head: str = "flow"
    horizon: int = 16
    actions: int = 6  # the body's channels, relative where they are positions, and the step's progress
    statistics: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)  # what the weights were trained on; shown, never used
    backbone: str = "tiny"  # layers, heads and mlp are the tiny one's
    backbone_from: str = ""  # of hf: an id, a folder, a .gguf file
    tune: str = "full"  # frozen, lora or full: how much of a backbone that others trained is learnt
    lora_rank: int = 8
    vision: str = "vit"  # or hf
    vision_from: str = ""
    tune_vision: bool = False  # whether a tower that others trained is learnt
    vision_tokens: int = 32  # of a picture, after the resampler of vision=hf
    vit_dim: int = 0  # width of the picture encoder; 0: dim
    history: int = 1  # pictures of each camera in a sentence, the newest last

    @property
    def placeholders(self) -> list[str]:
        """Names of the inputs whose vectors stand in a sentence."""
        return [*self.cameras, *self.states, "objects", *(["when"] if self.history > 1 else [])]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(cls, saved: Mapping[str, Any]) -> ModelConfig:
        unknown = set(saved) - set(cls.__dataclass_fields__)
        if unknown:
            raise UserError(f"config.json has unknown keys {sorted(unknown)}; these weights are of another version")
        fixed = dict(saved)
        for key in ("cameras", "states"):
            if key in fixed:
                fixed[key] = {name: tuple(size) for name, size in fixed[key].items()}
        return cls(**fixed)


def newest(images: Tensor) -> Tensor:
    """(b, H, W, 3), or the last of several (b, k, H, W, 3) -> (b, H, W, 3)."""
    return images if images.ndim == 4 else images[:, -1]


class EmbodiedModel(nn.Module):
    """See the module's docstring. words: the tokenizer, whose size fixes the embedding table."""

    def __init__(self, config: ModelConfig, words: Words) -> None:
        super().__init__()
        self.config, self.words = config, words
        dim = config.dim
        self.encoders = nn.ModuleDict()
        if config.vision not in ("vit", "hf"):
            raise UserError(f"unknown vision {config.vision!r}; choose from vit, hf")
        trunks: list[Any] = []
        for camera, (height, width, patch) in config.cameras.items():
            if config.vision == "hf":
                trunks.append(
                    build(
                        "encoder", "hf", source=config.vision_from, height=height, width=width, dim=dim,
                        tokens=config.vision_tokens, learnt=config.tune_vision, tower=trunks[0].tower if trunks else None,
                    )
                )  # fmt: skip
            else:
                trunks.append(
                    build(
                        "encoder", "vit", height=height, width=width, patch=patch, dim=config.vit_dim or dim,
                        depth=config.vit_depth, channels=config.vit_channels, heads=config.heads, out=dim,
                    )
                )  # fmt: skip
                trunks[-1].stem = trunks[0].stem  # one eye: colours and shapes are learnt once for all cameras
            self.encoders[camera] = trunks[-1]
        for state, (length, channels) in config.states.items():
            self.encoders[state] = build(
                "encoder", "series", channels=channels, length=length, dim=dim, tokens=config.state_tokens
            )
        self.encoders["objects"] = build("encoder", "objects", dim=dim)
        if config.history > 1:
            self.encoders["when"] = build("encoder", "when", dim=dim)
        self.backbone = build("backbone", config.backbone, source=config.backbone_from).module(config, words)
        level = self.backbone.rms if config.backbone != "tiny" else None
        self.level = nn.ModuleDict({name: Level(dim, level) for name in self.encoders} if level else {})
        self.smear = Smear(dim)
        least = min(patch for _, _, patch in config.cameras.values())
        self.finder = Finder({camera: patch // least for camera, (_, _, patch) in config.cameras.items()})
        self.head = build("head", config.head, horizon=config.horizon, actions=config.actions, context=dim)
        # Training-only heads; labels from the simulator's segmentation. See embodied/model/losses.py.
        self.cell_colour = nn.Linear(config.vit_channels // 2, len(COLOURS) + 1)
        self.cell_kind = nn.Linear(config.vit_channels // 2, len(KINDS))
        self.pointer = nn.ModuleDict({"query": nn.Linear(dim, dim), "key": nn.Linear(dim, dim)})
        self._start_near()

    def _start_near(self) -> None:
        """Give location tokens and picture positions one smooth code, so that neighbours start alike and copying a
        patch's place into a location token is a linear map from the first step on."""
        dim = self.config.dim
        with torch.no_grad():
            table, rms = self.backbone.table, self.backbone.rms
            table.normal_(0, rms)
            mix_x, mix_y = (torch.randn(64, dim) * rms / 4 for _ in range(2))

            def waves(at: Tensor) -> Tensor:
                angles = at[:, None] * torch.pi * torch.arange(1, 33)
                return torch.cat([angles.sin(), angles.cos()], -1) / torch.arange(1, 33).repeat(2).sqrt() * 2

            centres = (torch.arange(BINS) + 0.5) / BINS
            first_x, first_y = (self.words[first[0]] - self.backbone.base for first in (XS, YS))
            table[first_x : first_x + BINS] = waves(centres) @ mix_x
            table[first_y : first_y + BINS] = waves(centres) @ mix_y
            camera = next(iter(self.config.cameras))
            if self.config.vision != "vit" or self.config.vit_dim not in (0, dim):
                return
            rows, cols = self.encoders[camera].grid
            v, u = torch.meshgrid((torch.arange(rows) + 0.5) / rows, (torch.arange(cols) + 0.5) / cols, indexing="ij")
            self.encoders[camera].position.copy_((waves(u.flatten()) @ mix_x + waves(v.flatten()) @ mix_y) * 5)

    def theirs(self, name: str) -> bool:
        """Whether a parameter is as others published it: of a frozen language model or vision tower."""
        kind, _, rest = name.partition(".")
        if kind == "encoders" and not self.config.tune_vision:
            return rest.partition(".")[2].startswith("tower.")
        return kind == "backbone" and self.config.backbone != "tiny" and self.backbone.theirs(rest)

    @property
    def counts(self) -> dict[str, int]:
        """Tokens of each continuous input."""
        return {name: encoder.tokens for name, encoder in self.encoders.items()}

    def grid(self, camera: str = "front") -> tuple[int, int] | None:
        """Rows and columns of the camera's tokens; None where they have no places."""
        return self.encoders[camera].grid

    def celled(self, labels: Mapping[str, Any]) -> dict[str, Any]:
        """Labels by camera, of those whose encoder tells what its cells show."""
        return {camera: one for camera, one in labels.items() if self.grid(camera)}

    def keep(self, folder: Path) -> None:
        """Keep what a frozen vision tower makes of each picture in this folder."""
        if self.config.vision != "hf":
            raise UserError(f"cache= is for vision=hf; the encoder of vision={self.config.vision} is learnt")
        for camera in self.config.cameras:
            self.encoders[camera].keep(folder)

    def prompt(self, text: str = "") -> Prompt:
        """The standard sentence: pictures, the oldest first and each after its age, states, then text."""
        ages = range(self.config.history - 1, -1, -1)
        old = self.config.history > 1
        pictures = [Picture(c, k if old else None) for c in self.config.cameras for k in ages]
        inputs = [*pictures, *(Series(s) for s in self.config.states)]
        return Prompt((Text(BOS), *inputs, *([Text(text)] if text else [])), self.counts)

    def motion_prompt(self) -> Prompt:
        """The sentence that motion hangs on: states, what the hand goes for, and then the step."""
        inputs = [*(Series(s) for s in self.config.states), Objects(len(ROWS))]
        return Prompt((Text(BOS), *inputs), self.counts)

    def feel(self, states: Mapping[str, Tensor]) -> dict[int, Tensor]:
        """states[name] (b, t, d) normalised, and objects (b, n, fields) -> vectors by placeholder id (b * n, D)."""
        for name in self.config.states:
            if name not in states:
                raise UserError(f"state {name!r} is missing; the model needs {', '.join(self.config.states)}")
        return {self._placeholder(name): self._felt(name, given) for name, given in states.items()}

    def _placeholder(self, name: str) -> int:
        return self.words[f"<{name}>"]

    def _felt(self, name: str, given: Tensor) -> Tensor:
        """given (b, t, d), or (b, k, t, d) where a sentence has several, in its order -> (b * k * n, D)."""
        return self._levelled(name, self.encoders[name](given.flatten(0, -3))).flatten(0, 1)

    def _levelled(self, name: str, vectors: Tensor) -> Tensor:
        return self.level[name](vectors) if name in self.level else vectors

    def meaning(self, words: Sequence[str]) -> Tensor:
        """Embeddings of words (m, D); of one that is spelled in several tokens, their mean."""
        spelled = [self.words.spell([self.words[word]]) for word in words]
        rows = self.backbone.embed(torch.tensor([t for one in spelled for t in one], device=self.backbone.table.device))
        return torch.stack(
            [one.mean(0) if len(one) > 1 else one[0] for one in rows.split([len(one) for one in spelled])]
        )

    def look(
        self, images: Mapping[str, Tensor], states: Mapping[str, Tensor], prompt: Prompt | None = None
    ) -> tuple[dict[int, Tensor], dict[str, Any], dict[str, Tensor]]:
        """Encode. images[camera] uint8 (b, H, W, 3), states[name] (b, t, d) normalised; with a further axis k behind b
        where a sentence has several pictures of a camera, or spans of a state, in its order. prompt: the sentence, where it is
        not the standard one.

        Returns vectors by placeholder id (b * n, D) and, of each camera's newest picture, features by camera (for its encoder's
        `cells`) and tokens by camera (b, n, D).
        """
        vectors: dict[int, Tensor] = {}
        features: dict[str, Any] = {}
        tokens: dict[str, Tensor] = {}
        for camera in self.config.cameras:
            if camera not in images:
                raise UserError(f"camera {camera!r} is missing; the model needs {', '.join(self.config.cameras)}")
            (height, width, _), given = self.config.cameras[camera], tuple(images[camera].shape[-3:-1])
            if given != (height, width):
                raise UserError(f"pictures of {camera!r} are {given[1]}x{given[0]}, the model needs {width}x{height}")
            made, seen = self.encoders[camera](images[camera].flatten(0, -4))
            seen = self._levelled(camera, seen)
            vectors[self._placeholder(camera)] = seen.flatten(0, 1)
            k = len(seen) // len(images[camera])  # pictures of a sentence; the newest is the last
            features[camera] = tuple(one[k - 1 :: k] for one in made) if isinstance(made, tuple) else made[k - 1 :: k]
            tokens[camera] = seen[k - 1 :: k]
        if ages := (prompt or self.prompt()).ages:
            moments = sum(one.flatten(0, -4).shape[0] for one in images.values()) // len(ages)
            when = torch.tensor(ages, device=self.backbone.table.device).float().repeat(moments)
            vectors[self._placeholder("when")] = self._felt("when", when[:, None, None])
        return vectors | self.feel(states), features, tokens

    def forward(self, ids: Tensor, segment: Tensor, vectors: Mapping[int, Tensor], moving: bool = False) -> Tensor:
        """ids, segment (b, n) -> last hidden states (b, n, D); moving: with what went in added, which is exact to the
        millimetre where the states speak of it."""
        embeds = embed(self.backbone.embed, ids, vectors)
        one, two = (
            torch.nn.functional.pad(embeds, (0, 0, 0, 1)).gather(1, at[..., None].expand_as(embeds))
            for at in before(segment)
        )
        smeared = self.smear(embeds, one, two)
        hidden = self.backbone.hidden(smeared, segment)
        return hidden + smeared if moving else hidden

    def logits(self, hidden: Tensor) -> Tensor:
        """(…, D) -> (…, vocabulary), the embedding table read backwards."""
        return self.backbone.logits(hidden)


class Level(nn.Module):
    """Soft tokens as large as the words of a language model that others trained, whatever their encoder makes of them; and never
    all zero, which its norms turn into gradients that are not numbers. The size and a shift are learnt."""

    def __init__(self, dim: int, rms: float) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(dim, eps=1e-6)
        self.shift = nn.Parameter(torch.randn(dim) * rms / 8)
        nn.init.constant_(self.norm.weight, rms)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x) + self.shift


class Smear(nn.Module):
    """Mixes the two words before into every word, ahead of the language model: "block" then means "red block", and one
    layer finds where "red block" was said, for which a transformer otherwise has to grow a pair of layers first (as the
    token shift of RWKV, arXiv 2305.13048, and the canon layers of "Physics of Language Models, part 4.1" do). It starts
    as the identity."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(dim, dim, bias=False), nn.Linear(dim, dim, bias=False)
        nn.init.zeros_(self.one.weight)
        nn.init.zeros_(self.two.weight)

    def forward(self, x: Tensor, one: Tensor, two: Tensor) -> Tensor:
        """Embeddings and those of the words one and two places before, zero where there is none; all (…, D)."""
        return x + self.one(one) + self.two(two)


def before(segment: Tensor) -> tuple[Tensor, Tensor]:
    """(b, n) -> indices (b, n) of the words one and two places before, n where there is none; every segment continues
    from the end of the prefix."""
    n = segment.shape[1]
    index = torch.arange(n, device=segment.device).expand_as(segment)
    first = torch.ones_like(segment, dtype=torch.bool)
    first[:, 1:] = segment[:, 1:] != segment[:, :-1]
    prefix = (segment == 0).sum(1, keepdim=True)
    one = torch.where(first & (index > 0), prefix - 1, index - 1)
    one = torch.where(one < 0, n, one)
    two = torch.nn.functional.pad(one, (0, 1), value=n).gather(1, one)
    return one, two
