"""The network that drives: it reads a command, how the car has moved and the last pictures as one sentence, and says where the car
will go, what is decided, and what is dangerous.

    <bos> turn left at the junction <pad>.. <ego x2> <front x10> <found x6> <age x2> <path>   then   <decide> turn   <why> person ..

Where it was taught with a lidar, what has been understood at <path>, <decide> and <why> is amended by its picture from above.
The same parts as the arm's model (vit, series, Llama); an order of magnitude smaller, because it answers 20 times a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaModel

from embodied.data.drives import DECISIONS, REASONS
from embodied.data.moments import CELL, FACTS, KINDS
from embodied.data.road_lessons import SHOTS
from embodied.drive import above
from embodied.drive.senses import CHANNELS, NOW, ROW_S, ROWS
from embodied.drive.view import HEIGHT, WIDTH
from embodied.model.attention import positions
from embodied.model.corrections import PRIORS, Corrections
from embodied.model.familiar import Familiar
from embodied.model.memory import Memory
from embodied.model.network import Smear, before
from embodied.model.pace import Pace
from embodied.model.phrases import Phrases
from embodied.model.resampler import Amending, Resampler
from embodied.model.tokens import BOS, PAD, Words, train_vocabulary
from embodied.registry import build

QUERIES = ("path", "decide", "why")  # tokens beside words
AGE_S = 0.4  # between the pictures of a look
TTC_S = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0)  # steps of the time to collision
HAZARD = TTC_S.index(3.0)
WORDS = 12  # places for the command
SHOWN = len(KINDS) + 3  # what is said of a cell: its kind, how near, how fast along and across
THINGS = 16  # squares of a lidar that are attended to
NO_REASON = "nothing"


@dataclass(frozen=True)
class DrivingConfig:
    """found: tokens that gather cars and people from the cells of a picture, which the ten of the whole picture blur: a person
    25 m away is two pixels wide.  sees: whether there is a picture encoder; without one it is the
    ego-only ablation. lidar: whether there is an encoder of a lidar's picture from above. remembers: whether there is a state from
    look to look.  facts: what it was taught on; shown,
    never used."""

    dim: int = 128
    layers: int = 3
    heads: int = 4
    mlp: int = 320
    channels: int = 64
    patch: int = 32
    found: int = 6
    sees: bool = True
    lidar: bool = False
    remembers: bool = False
    hypotheses: int = 3
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class Said:
    """paths (b, hypotheses, STEPS, 2) and log_p (b, hypotheses).  decisions (b, DECISIONS), reasons (b, REASONS):
    log-probabilities. ttc (b, TTC_S): logits of a collision within so many seconds.  For training: facts (b, FACTS), cells (b,
    rows, columns, SHOWN), a lidar's squares (b, *above.SQUARES, SHOWN), and road (b, STEPS, 2), the path along the said road at
    the speeds that were driven.  used (b,): whether a picture, or a lidar's, was; known (b,): whether a picture was.
    thought (b, channels): what was understood and said, for memory, whose state after it is `memory` (b, states)."""

    paths: Tensor
    log_p: Tensor
    decisions: Tensor
    reasons: Tensor
    ttc: Tensor
    facts: Tensor
    cells: Tensor | None
    squares: Tensor | None
    road: Tensor | None
    used: Tensor
    known: Tensor
    thought: Tensor
    memory: Tensor | None


def recalled(decisions: Tensor, ttc: Tensor, added: Tensor) -> tuple[Tensor, Tensor]:
    """What is said (..., DECISIONS) and (..., TTC_S), with what memory adds (..., both) to it."""
    to_decisions, to_ttc = added.split([len(DECISIONS), len(TTC_S)], -1)
    return (decisions + to_decisions).log_softmax(-1), ttc + to_ttc


def _spots(width: int) -> Tensor:
    """(*above.SQUARES, width) of where the squares are, waves of both coordinates."""
    rows, columns = above.SQUARES
    x, y = (torch.linspace(0, 1, one)[:, None] * torch.pi * 2.0 ** torch.arange(width // 4) for one in (rows, columns))
    along, aside = (torch.cat([one.sin(), one.cos()], -1) for one in (x, y))
    return torch.cat([along[:, None].expand(-1, columns, -1), aside.expand(rows, -1, -1)], -1)


class DrivingModel(nn.Module):
    def __init__(self, config: DrivingConfig, words: Words) -> None:
        super().__init__()
        self.config, self.words = config, words
        dim = config.dim
        self.ego = build("encoder", "series", channels=2 * len(CHANNELS), length=ROWS, dim=dim, rate_hz=1 / ROW_S)
        half = config.channels // 2
        if config.sees:
            self.front = build(
                "encoder", "vit", height=HEIGHT, width=WIDTH, patch=config.patch, dim=dim, depth=1, channels=config.channels,
                heads=config.heads, shots=SHOTS,
            )  # fmt: skip
            self.cells = nn.Linear(half, SHOWN)
            self.place = nn.Parameter(0.5 * torch.randn(HEIGHT // CELL, WIDTH // CELL, half // 2))
            self.familiar = Familiar(half)
            self.found = Resampler(half + SHOWN + half // 2, dim, config.found, depth=2, width=dim // 2)
            self.age = nn.Linear(16, dim)
            self.blind = nn.Parameter(torch.zeros(dim))
            self.pace = Pace(dim * (self.front.tokens + config.found))
        if config.lidar:
            self.above = build(
                "encoder", "vit", height=above.ROWS, width=above.COLUMNS, patch=config.patch, dim=dim, depth=0,
                channels=config.channels, heads=config.heads, shots=SHOTS,
            )  # fmt: skip
            self.squares = nn.Linear(half, SHOWN + 1)  # and how far to the left
            self.spot = nn.Parameter(_spots(half // 2))
            self.familiar_above = Familiar(half)
            self.amend = Amending(half + SHOWN + 1 + half // 2, dim)
        if config.remembers:
            answers = len(DECISIONS) + len(TTC_S)
            said = answers + len(FACTS) + config.hypotheses + PRIORS
            self.memory = Memory((3 * dim + len(NOW), said + len(NOW)), answers, (0.4, 0.15))
        self.backbone = LlamaModel(
            LlamaConfig(
                vocab_size=len(words), hidden_size=dim, intermediate_size=config.mlp, num_hidden_layers=config.layers,
                num_attention_heads=config.heads, num_key_value_heads=config.heads, max_position_embeddings=256,
                tie_word_embeddings=True, attn_implementation="sdpa", pad_token_id=0,
            )
        )  # fmt: skip
        self.backbone.embed_tokens.weight.data.normal_(0, 0.04)
        self.backbone.loss_function = (
            None  # tracing reads every attribute, and this one warns of a loss that nobody asked for
        )
        self.smear = Smear(dim)
        self.paths = Corrections(dim + len(NOW), config.hypotheses)
        self.danger = nn.Linear(dim, len(TTC_S))
        # what is added to a decision's logarithm once all is learnt: lessons hold more turns and more braking than drives do
        self.lean: Tensor
        self.register_buffer("lean", torch.zeros(len(DECISIONS)))
        self.facts = nn.Linear(dim, len(FACTS))
        self.decide = Phrases(words, "<decide>", DECISIONS)
        self.why = Phrases(words, "<why>", [one or NO_REASON for one in REASONS])
        self._layout()

    def _layout(self) -> None:
        """The sentence behind the inputs, and what sees what in it; both are the same for every moment."""
        self._looks = self.config.found + self.front.tokens if self.config.sees else 0
        inputs = self.ego.tokens + (self._looks + SHOTS - 1 if self.config.sees else 0)
        ids, segment = [self.words["<path>"]], [0] * (1 + WORDS + inputs + 1)
        self._path, self._places = len(segment) - 1, list[tuple[int, int]]()
        for k, one in enumerate([*self.decide.segments, *self.why.segments], 1):
            self._places.append((len(segment), len(segment) + len(one)))
            ids += one
            segment += [k] * len(one)
        of = torch.tensor(segment)
        sees = ((of == 0) | (of == of[:, None])).tril()
        self.register_buffer("tail", torch.tensor(ids), persistent=False)
        self.register_buffer("sees", sees[None, None], persistent=False)
        self.register_buffer("positions", positions(of[None]), persistent=False)
        self.register_buffer("before", torch.cat(before(of[None])), persistent=False)

    def reopen(self) -> DrivingModel:
        """For more lessons: all pictures are familiar and no decision leans, until that is measured anew behind them."""
        self.lean.zero_()
        if self.config.sees:
            self.familiar.most.fill_(torch.inf)
        if self.config.lidar:
            self.familiar_above.most.fill_(torch.inf)
        return self

    def grown(self, **parts: bool) -> DrivingModel:
        """The same with a part of DrivingConfig that it had not: an encoder of a lidar, or a memory, which has learnt nothing yet
        and changes nothing."""
        grown = DrivingModel(replace(self.config, **parts), self.words)
        grown.load_state_dict(self.state_dict(), strict=False)
        return grown.train(self.training)

    def command(self, text: str) -> Tensor:
        """Ids (1 + WORDS,) of a command; what is longer is cut."""
        ids = self.words.encode(self.words.familiar(text))[:WORDS]
        return torch.tensor([self.words[BOS], *ids, *[self.words[PAD]] * (WORDS - len(ids))])

    def look(self, pictures: Tensor) -> tuple[Any, Tensor, Tensor]:
        """uint8 (b, HEIGHT, WIDTH, 3 SHOTS), newest first -> features, tokens (b, n, D) and cells (b, rows, columns, SHOWN)."""
        features, tokens = self.front(pictures)
        cells = self.front.cells(features).permute(0, 2, 3, 1)
        shown = self.cells(cells)
        told = torch.cat([cells, shown, self.place.expand(len(cells), -1, -1, -1)], -1).flatten(1, 2)
        return features, torch.cat([tokens, self.found(told)], 1), shown

    def look_around(self, scans: Tensor) -> tuple[Any, Tensor, Tensor]:
        """uint8 (b, above.ROWS, above.COLUMNS, 3 SHOTS) of a lidar -> features, what there is of cars and people (b, THINGS, C),
        the likeliest and nearest, and squares (b, *above.SQUARES, SHOWN + 1)."""
        features = self.above.features(scans)
        cells = self.above.cells(features).permute(0, 2, 3, 1)
        squares, kinds = self.squares(cells), len(KINDS)
        likely = squares[..., :kinds].float().softmax(-1)
        worth = (likely[..., -2] + 2 * likely[..., -1]) * torch.linspace(0.5, 1.0, above.SQUARES[0])[:, None]
        spots = self.spot.expand(len(cells), -1, -1, -1)
        told = torch.cat([cells, likely.to(cells.dtype), squares[..., kinds:], spots], -1).flatten(1, 2)
        first = worth.flatten(1).topk(THINGS, 1).indices[..., None]
        return features, told.gather(1, first.expand(-1, -1, told.shape[-1])), squares

    def forward(
        self, command: Tensor, series: Tensor, now: Tensor, speed: Tensor, yaw_rate: Tensor, path: Tensor,
        pictures: Tensor | None = None, ages: Tensor | None = None, seen: Tensor | None = None, driven: Tensor | None = None,
        scans: Tensor | None = None, scanned: Tensor | None = None, remembered: Tensor | None = None,
    ) -> Said:  # fmt: skip
        """command (b, 1 + WORDS); series .. path: embodied.drive.senses.Sensed, batched.  pictures: see `look`; ages (b, SHOTS - 1)
        s.  seen (b,) bool: rows whose picture counts; None: all that have one.  driven: see Corrections.  scans, scanned: the same
        of a lidar, (b, above.ROWS, above.COLUMNS, 3 SHOTS).  remembered (b, states): the state of STEP_S ago, zeros where there is
        none; counts for who remembers, where a picture does."""
        b, table = len(command), self.backbone.embed_tokens
        parts, used = [table(command), self.ego(series)], torch.zeros(b, dtype=torch.bool)
        cells = squares = met = there = None
        known = used
        if self.config.sees:
            tokens = self.blind.expand(b, self._looks, -1)
            if pictures is not None:
                features, looked, cells = self.look(pictures)
                known = self.familiar(features[0])  # all of them, while it is still being taught
                used = known = known if seen is None else known & seen
                tokens = torch.where(known[:, None, None], looked, tokens)
            old = torch.zeros(b, SHOTS - 1) if ages is None else ages * known[:, None]
            waves = old[..., None] * torch.logspace(-0.3, 1.5, 8)
            parts += [tokens, self.age(torch.cat([waves.sin(), waves.cos()], -1))]
        if self.config.lidar and scans is not None:
            features, there, squares = self.look_around(scans)
            met = self.familiar_above(features[0])
            met = met if scanned is None else met & scanned
            used = known | met
        embeds = torch.cat([*parts, table(self.tail).expand(b, -1, -1)], 1)
        padded = nn.functional.pad(embeds, (0, 0, 0, 1))
        smeared = self.smear(embeds, *(padded.index_select(1, at) for at in self.before))
        hidden = self.backbone(
            inputs_embeds=smeared,
            attention_mask=self.sees.expand(b, -1, -1, -1),
            position_ids=self.positions,
            use_cache=False,
        ).last_hidden_state
        if met is not None and there is not None:
            answers = hidden[:, self._path :]
            answers = torch.where(met[:, None, None], self.amend(answers, there), answers)
            hidden = torch.cat([hidden[:, : self._path], answers], 1)
        asked = [hidden[:, a:z] for a, z in self._places]
        n, summary = len(self.decide.segments), hidden[:, self._path]
        told = driven if self.training else speed[:, 1]
        paths, log_p, road = self.paths(torch.cat([summary, now.to(summary.dtype)], -1), speed, yaw_rate, path, told)
        decisions, ttc = self.decide.log_probabilities(asked[:n], table), self.danger(asked[n][:, 0]).float()
        if not self.training:
            # Who drives blind cannot know why people brake. The mean with CTRA's speeds on the said road costs nothing on the
            # simulator's drives and is what holds on other people's (combination of forecasts: Bates & Granger 1969).
            blind = torch.cat([paths[:, :PRIORS], (paths[:, PRIORS:] + road[:, None]) / 2], 1)
            paths = torch.where(used[:, None, None, None], paths, blind)
            decisions = (decisions + self.lean).log_softmax(-1)
        facts, memory = self.facts(summary).float(), None
        thought = [summary, asked[0][:, 0], asked[n][:, 0], now, decisions, ttc, facts, log_p, now]
        thought = torch.cat([one.float() for one in thought], -1)
        if self.config.remembers and remembered is not None:
            added, memory = self.memory(thought[:, None], remembered)
            decisions, ttc = recalled(decisions, ttc, added[:, 0] * known[:, None])
        return Said(
            paths, log_p, decisions, self.why.log_probabilities(asked[n:], table), ttc, facts, cells, squares,
            road, used, known, thought, memory,
        )  # fmt: skip


def new(sees: bool, commands: Iterable[str], lidar: bool = False) -> DrivingModel:
    """A network that has learnt nothing, with a vocabulary of these commands and of what it can say."""
    corpus = [*commands, *DECISIONS, *REASONS, NO_REASON]
    words = Words(train_vocabulary(sorted(set(corpus)), QUERIES, least=1))
    return DrivingModel(DrivingConfig(sees=sees, lidar=lidar), words)
