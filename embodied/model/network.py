"""The model: encoders put continuous inputs into a sentence, a language model reads it, heads read the language model.

Sentences are packed: one shared prefix (pictures, states) followed by segments that each see the prefix and themselves, so
that one look at a scene teaches, and answers, many questions. segment 0 is the prefix, 1.. the segments, -1 padding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaModel

from embodied.aims import ROWS
from embodied.errors import UserError
from embodied.model.attention import NAME, blocks
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


class EmbodiedModel(nn.Module):
    """See the module's docstring. words: the tokenizer, whose size fixes the embedding table."""

    def __init__(self, config: ModelConfig, words: Words) -> None:
        super().__init__()
        self.config, self.words = config, words
        dim = config.dim
        self.encoders = nn.ModuleDict()
        for camera, (height, width, patch) in config.cameras.items():
            self.encoders[camera] = build(
                "encoder", "vit", height=height, width=width, patch=patch,
                dim=dim, depth=config.vit_depth, channels=config.vit_channels, heads=config.heads,
            )  # fmt: skip
        trunks = [self.encoders[camera] for camera in config.cameras]
        for other in trunks[1:]:  # one eye: colours and shapes are learnt once for all cameras
            other.stem = trunks[0].stem
        for state, (length, channels) in config.states.items():
            self.encoders[state] = build(
                "encoder", "series", channels=channels, length=length, dim=dim, tokens=config.state_tokens
            )
        self.encoders["objects"] = build("encoder", "objects", dim=dim)
        self.backbone = LlamaModel(
            LlamaConfig(
                vocab_size=len(words), hidden_size=dim, intermediate_size=config.mlp, num_hidden_layers=config.layers,
                num_attention_heads=config.heads, num_key_value_heads=config.heads, max_position_embeddings=1024,
                tie_word_embeddings=True, attn_implementation=NAME, pad_token_id=0,
            )
        )  # fmt: skip
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
            table = self.backbone.embed_tokens.weight
            table.normal_(0, 0.04)
            mix_x, mix_y = (torch.randn(64, dim) * 0.04 / 4 for _ in range(2))

            def waves(at: Tensor) -> Tensor:
                angles = at[:, None] * torch.pi * torch.arange(1, 33)
                return torch.cat([angles.sin(), angles.cos()], -1) / torch.arange(1, 33).repeat(2).sqrt() * 2

            centres = (torch.arange(BINS) + 0.5) / BINS
            first_x, first_y = self.words[XS[0]], self.words[YS[0]]
            table[first_x : first_x + BINS] = waves(centres) @ mix_x
            table[first_y : first_y + BINS] = waves(centres) @ mix_y
            camera = next(iter(self.config.cameras))
            rows, cols = self.encoders[camera].grid
            v, u = torch.meshgrid((torch.arange(rows) + 0.5) / rows, (torch.arange(cols) + 0.5) / cols, indexing="ij")
            self.encoders[camera].position.copy_((waves(u.flatten()) @ mix_x + waves(v.flatten()) @ mix_y) * 5)

    @property
    def counts(self) -> dict[str, int]:
        """Tokens of each continuous input."""
        return {name: encoder.tokens for name, encoder in self.encoders.items()}

    def grid(self, camera: str = "front") -> tuple[int, int]:
        """Rows and columns of the camera's tokens."""
        return self.encoders[camera].grid

    def prompt(self, text: str = "") -> Prompt:
        """The standard sentence: pictures, states, then text."""
        inputs = [*(Picture(c) for c in self.config.cameras), *(Series(s) for s in self.config.states)]
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
        return {self.words[f"<{name}>"]: self.encoders[name](given).flatten(0, 1) for name, given in states.items()}

    def look(
        self, images: Mapping[str, Tensor], states: Mapping[str, Tensor]
    ) -> tuple[dict[int, Tensor], dict[str, Any], dict[str, Tensor]]:
        """Encode. images[camera] uint8 (b, H, W, 3), states[name] (b, t, d) normalised.

        Returns vectors by placeholder id (b * n, D), features by camera (for its encoder's `cells`) and tokens by camera (b, n, D).
        """
        vectors: dict[int, Tensor] = {}
        features: dict[str, Any] = {}
        tokens: dict[str, Tensor] = {}
        for camera in self.config.cameras:
            if camera not in images:
                raise UserError(f"camera {camera!r} is missing; the model needs {', '.join(self.config.cameras)}")
            (height, width, _), given = self.config.cameras[camera], tuple(images[camera].shape[1:3])
            if given != (height, width):
                raise UserError(f"pictures of {camera!r} are {given[1]}x{given[0]}, the model needs {width}x{height}")
            features[camera], tokens[camera] = self.encoders[camera](images[camera])
            vectors[self.words[f"<{camera}>"]] = tokens[camera].flatten(0, 1)
        return vectors | self.feel(states), features, tokens

    def forward(self, ids: Tensor, segment: Tensor, vectors: Mapping[int, Tensor], moving: bool = False) -> Tensor:
        """ids, segment (b, n) -> last hidden states (b, n, D); moving: with what went in added, which is exact to the
        millimetre where the states speak of it."""
        embeds = embed(self.backbone.embed_tokens, ids, vectors)
        one, two = (
            torch.nn.functional.pad(embeds, (0, 0, 0, 1)).gather(1, at[..., None].expand_as(embeds))
            for at in before(segment)
        )
        smeared = self.smear(embeds, one, two)
        hidden = self.backbone(
            inputs_embeds=smeared,
            blocks=blocks(segment),
            position_ids=positions(segment),
            use_cache=False,
        ).last_hidden_state
        return hidden + smeared if moving else hidden

    def logits(self, hidden: Tensor) -> Tensor:
        """(…, D) -> (…, vocabulary), the embedding table read backwards."""
        return hidden @ self.backbone.embed_tokens.weight.t()


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


def positions(segment: Tensor) -> Tensor:
    """(b, n) -> position ids: every segment continues from the end of the prefix."""
    prefix = (segment == 0).sum(1, keepdim=True)
    index = torch.arange(segment.shape[1], device=segment.device).expand_as(segment)
    new = torch.ones_like(segment, dtype=torch.bool)
    new[:, 1:] = segment[:, 1:] != segment[:, :-1]
    start = torch.where(new, index, 0).cummax(1).values
    return torch.where(segment == 0, index, prefix + index - start).clamp(min=0)
