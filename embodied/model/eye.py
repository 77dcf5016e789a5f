"""The eye of the finder: pictures and their relief -> cells of 8 pixels that tell shapes whatever the colour, and paint that
tells colours whatever the shape.

A network that sees shapes in colour learns by heart which shape has which colour, and fails on a pair that it never met. So
the shapes are learnt from pictures whose colours are exchanged at random, and from the relief, which has none; the colours
from spots of 4 pixels, which have no shape.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from embodied.model.encoders.block import residual

RELIEF = 40.0  # per (1/m): a thing of 4 cm at 1 m stands out by about 1
PAINT = 48  # channels
BLIND = 0.1  # share of training pictures that lack their colours, and of those that lack their depth


def relief(depth: Tensor) -> Tensor:
    """Metres along the optical axis (b, H, W), 0 where unknown -> (b, 2, H, W): how much nearer each pixel is than what is
    around it, near by and far about. 1/depth of a plane is affine in the picture, so the bare table is 0 from any pose."""
    near = torch.where(depth > 0, 1 / depth.clamp(min=0.05), 0)[:, None]
    out = []
    for side, reach in ((4, 1), (8, 4)):
        coarse = F.avg_pool2d(near, side)
        around = F.avg_pool2d(F.pad(coarse, (reach,) * 4, mode="reflect"), 2 * reach + 1, 1)
        smooth = F.interpolate(around, near.shape[2:], mode="bilinear")
        out.append(((near - smooth) * RELIEF).clamp(-3, 3))
    return torch.cat(out, 1) * (depth > 0)[:, None]


def recoloured(pictures: Tensor) -> Tensor:
    """(b, 3, H, W) in [-1, 1] with colours exchanged at random: hues turned and mirrored, saturation, lightness, contrast."""
    b, device = len(pictures), pictures.device

    def draw(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(b, *shape, device=device) * (high - low) + low

    grey = torch.full((3, 3), 1 / 3, device=device)
    axis = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]], device=device) / math.sqrt(3)
    angle = draw(-math.pi, math.pi, 1, 1)
    turn = grey + angle.cos() * (torch.eye(3, device=device) - grey) + angle.sin() * axis
    turn = torch.where(draw(0, 1, 1, 1) < 0.5, turn.flip(2), turn)
    turn = grey + draw(0.4, 1.3, 1, 1) * (turn - grey)  # the grey axis is an eigenvector of all of these
    gain = draw(0.7, 1.2, 1, 1) * torch.where(draw(0, 1, 1, 1) < 0.25, -1.0, 1.0)
    mixed = torch.einsum("bij,bjhw->bihw", turn * gain, pictures) + draw(-0.3, 0.3, 3, 1, 1)
    return mixed.clamp(-1.5, 1.5) * (draw(0, 1, 1, 1, 1) >= BLIND)


class Eye(nn.Module):
    """images uint8 (b, H, W, 3), depth (b, H, W) in metres or None -> cells (b, middle, H/8, W/8), paint (b, PAINT, H/8, W/8).

    While training the cells come from recoloured pictures, and now and then without colours or without depth."""

    def __init__(self, fine: int = 32, middle: int = 80, coarse: int = 128) -> None:
        super().__init__()
        self.fine = nn.Sequential(nn.Conv2d(5, fine, 8, 4, 2), nn.GELU())
        self.middle = nn.Sequential(nn.Conv2d(fine, middle, 4, 2, 1), residual(middle))
        self.coarse = nn.Sequential(nn.Conv2d(middle, coarse, 4, 2, 1), residual(coarse), residual(coarse))
        self.back = nn.ConvTranspose2d(coarse, middle, 2, 2)
        self.mix = residual(middle)
        self.paint = nn.Sequential(nn.Conv2d(6, PAINT, 4, 4), nn.GELU(), nn.Conv2d(PAINT, PAINT, 1), nn.GELU())

    def forward(self, images: Tensor, depth: Tensor | None) -> tuple[Tensor, Tensor]:
        with torch.autocast(images.device.type, enabled=False):  # 16 bits are too coarse for depth
            pictures = images.permute(0, 3, 1, 2).float() / 127.5 - 1
            lamp = pictures.mean((2, 3), keepdim=True).expand_as(pictures)
            raised = relief(images.new_zeros(images.shape[:3], dtype=torch.float32) if depth is None else depth.float())
            shown = recoloured(pictures) if self.training else pictures
            if self.training:
                raised = raised * (torch.rand(len(raised), 1, 1, 1, device=raised.device) >= BLIND)
        middle = self.middle(self.fine(torch.cat([shown, raised], 1).contiguous()))
        cells = self.mix(middle + self.back(self.coarse(middle)))
        return cells, F.avg_pool2d(self.paint(torch.cat([pictures, lamp], 1).contiguous()), 2)
