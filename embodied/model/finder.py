"""What is where, found in a picture: each thing as a centre, a colour, a shape and what carries it. The first camera finds
what lies on the table, any other one, which is on the hand, what hangs in it.

Centres as in "Objects as Points" (arXiv 1904.07850). Shape and colour are told by two networks that share nothing
(embodied/model/eye.py), so that a pair never seen in training is found like any other: the one says which cells around a
centre belong to the thing, the other which colour these have. The listing made of this is what the language model reads:
the object words of PaLM-E (arXiv 2303.03378, section 4), written out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from embodied.listing import CARRIED, Found
from embodied.model.eye import PAINT, Eye
from embodied.plan import COLOURS, PLACES, SHAPES, thing
from embodied.types import Point

GROUPS = (SHAPES, PLACES)  # found apart, because a thing stands in the middle of its place
WIDTHS = tuple(3 + len(kinds) + (len(CARRIED) if kinds is SHAPES else 0) for kinds in GROUPS)
REACH = 4  # cells to each side of a centre among which a thing's own are chosen
SPREAD = 0.6  # cells, of the bell around a centre
SURE = 0.4  # of a centre that counts
NEW = 0.05  # how likely a thing has another name than those of its colour that were met
SAME, ONE = 1.2, 0.8  # cells within which two centres of one colour, or of any, are one thing


class Finder(nn.Module):
    """A map (b, WIDTHS[g], rows, cols) of cells for each group: centre, offset x y (cells), kinds, and for things that can be
    moved what carries them; and where a centre is, which of the cells around it are the thing's own, and their colour.

    scales: camera -> by how much its pictures are reduced, so that things are of one size to the one eye.
    """

    def __init__(self, scales: Mapping[str, int], channels: int = 80) -> None:
        super().__init__()
        self.scales, self.channels = dict(scales), channels
        self.eye = Eye(middle=channels)
        window = (2 * REACH + 1) ** 2
        self.read, self.last, self.own = nn.ModuleDict(), nn.ModuleDict(), nn.ModuleDict()
        for camera in scales:
            self.read[camera] = nn.Sequential(
                nn.GroupNorm(max(1, channels // 16), channels),
                nn.GELU(),
                nn.Conv2d(channels, 2 * channels, 1),
                nn.GELU(),
            )
            self.last[camera] = last = nn.Conv2d(2 * channels, sum(WIDTHS), 1)
            self.own[camera] = nn.ModuleList(nn.Linear(2 * channels, window) for _ in GROUPS)
            bias = torch.zeros(sum(WIDTHS))
            bias[[0, WIDTHS[0]]] = -4.0  # hardly any cell is a centre
            last.bias = nn.Parameter(bias)
        self.colour = nn.Sequential(nn.Linear(PAINT, 64), nn.GELU(), nn.Linear(64, len(COLOURS)))

    def forward(self, camera: str, images: Tensor, depth: Tensor | None) -> tuple[Tensor, tuple[Tensor, ...], Tensor]:
        """images uint8 (b, H, W, 3), depth (b, H, W) m or None -> what is read of the cells, the maps, the paint."""
        if (scale := self.scales[camera]) > 1:
            images = F.avg_pool2d(images.permute(0, 3, 1, 2).float(), scale).permute(0, 2, 3, 1)
            depth = None if depth is None else depth[:, ::scale, ::scale]
        cells, paint = self.eye(images, depth)
        # contiguous: torch 2.13's group norm crashes in backward on channels-last input that needs no gradient
        hidden = self.read[camera](cells.contiguous())
        return hidden, self.last[camera](hidden).split(WIDTHS, 1), paint

    def coloured(
        self, camera: str, group: int, hidden: Tensor, paint: Tensor, sample: Tensor, row: Tensor, col: Tensor
    ) -> Tensor:
        """Logits (m, colours) of the m centres at these samples and cells."""
        own = cast(nn.ModuleList, self.own[camera])[group](hidden[sample, :, row, col]).float().softmax(1)
        step = torch.arange(2 * REACH + 1, device=paint.device)
        down, across = (at.flatten() for at in torch.meshgrid(step, step, indexing="ij"))
        around = F.pad(paint, (REACH,) * 4, mode="replicate")[
            sample[:, None], :, row[:, None] + down, col[:, None] + across
        ]
        return self.colour((own[:, None].to(around) @ around)[:, 0]).float()

    def losses(self, camera: str, images: Tensor, depth: Tensor | None, marks: Tensor) -> dict[str, Tensor]:
        """marks (b, k, 6): group (-1: none), u, v, and indices of colour, kind and carried of each thing there is."""
        out: dict[str, Tensor] = {}
        hidden, groups, paint = self(camera, images, depth)
        rows, cols = hidden.shape[2:]
        x, y = marks[..., 1] * cols - 0.5, marks[..., 2] * rows - 0.5  # in cells, counted from a cell's middle
        col, row = (at.round().clamp(0, size - 1) for at, size in ((x, cols), (y, rows)))
        at_x, at_y = torch.arange(cols, device=marks.device), torch.arange(rows, device=marks.device)
        # Bells around the cells that hold a centre: exactly one there (penalty-reduced focal loss, section 3).
        far = (at_x[None, None, None] - col[..., None, None]) ** 2 + (
            at_y[None, None, :, None] - row[..., None, None]
        ) ** 2
        bells = torch.exp(-far / (2 * SPREAD**2))
        for group, maps in enumerate(groups):
            maps = maps.float()
            here = marks[..., 0] == group
            want = (bells * here[..., None, None]).amax(1)
            centre = maps[:, 0]
            p = centre.sigmoid()
            hit = -((1 - p) ** 2) * F.logsigmoid(centre)
            miss = -((1 - want) ** 4) * p**2 * F.logsigmoid(-centre)
            count = here.sum().clamp(min=1)
            out["centre"] = out.get("centre", 0) + torch.where(want == 1, hit, miss).sum() / count
            sample, k = here.nonzero(as_tuple=True)
            if len(sample) == 0:
                continue
            down, across = row[sample, k].long(), col[sample, k].long()
            read = maps[sample, :, down, across]
            offset = torch.stack([x - col, y - row], -1)[sample, k]
            out["offset"] = out.get("offset", 0) + F.smooth_l1_loss(read[:, 1:3], offset, beta=0.2)
            kinds = len(GROUPS[group])
            parts = {
                "colour": self.coloured(camera, group, hidden, paint, sample, down, across),
                "kind": read[:, 3 : 3 + kinds],
                "carried": read[:, 3 + kinds :],
            }
            labels = marks[sample, k, 3:].long()
            for j, (name, logits) in enumerate(parts.items()):
                if logits.shape[1]:
                    out[f"found {name}"] = out.get(f"found {name}", 0) + F.cross_entropy(logits, labels[:, j])
        return out

    @torch.no_grad()
    def find(self, camera: str, images: Tensor, depth: Tensor | None, met: Collection[str] = ()) -> list[Found]:
        """All things in a picture (1, H, W, 3), each name once, the surest first.

        met: names found before on this table, which a thing of such a colour most likely has.
        """
        hidden, groups, paint = self(camera, images, depth)
        rows, cols = hidden.shape[2:]
        out: list[Found] = []
        for group, (kinds, maps) in enumerate(zip(GROUPS, groups, strict=True)):
            flat = maps.float().flatten(2)[0]
            p = flat[0].sigmoid()
            spots = (p >= SURE).nonzero()[:, 0]
            at = torch.zeros_like(spots), spots // cols, spots % cols
            colours = self.coloured(camera, group, hidden, paint, *at).softmax(1)
            shapes = flat[3 : 3 + len(kinds), spots].softmax(0) * 0.98 + 0.02 / len(kinds)
            carried = flat[3 + len(kinds) :]
            likely = torch.tensor([[_likely(thing(c, s), met, kinds) for s in kinds] for c in COLOURS])
            chances = p[spots, None, None] * colours[:, :, None] * shapes.t()[:, None] * likely.to(p)
            options = [
                (float(chances[k, c, s]), int(spots[k]), c, s)
                for k in range(len(spots)) for c in range(len(COLOURS)) for s in range(len(kinds))
            ]  # fmt: skip
            taken: dict[str, tuple[float, float]] = {}
            for chance, spot, c, s in sorted(options, reverse=True):
                if chance < 1e-3:
                    break
                name = thing(COLOURS[c], kinds[s])
                x, y = spot % cols + float(flat[1, spot].clamp(-1, 1)), spot // cols + float(flat[2, spot].clamp(-1, 1))
                near = any(
                    (x - a) ** 2 + (y - b) ** 2 < (SAME if other.startswith(COLOURS[c]) else ONE) ** 2
                    for other, (a, b) in taken.items()
                )
                if near or name in taken:
                    continue
                taken[name] = (x, y)
                on = CARRIED[int(carried[:, spot].argmax())] if len(carried) else ""
                out.append(Found(name, Point((x + 0.5) / cols, (y + 0.5) / rows), on, float(p[spot])))
        return sorted(out, key=lambda one: -one.p)


def _likely(name: str, met: Collection[str], kinds: Collection[str]) -> float:
    """How likely a name is beforehand: a shape is misread more often than a new thing of a known colour comes up."""
    colour = name.split()[0]
    same = [other for other in met if other.startswith(colour + " ") and other.split()[1] in kinds]
    return 1.0 if not same or name in same else NEW
