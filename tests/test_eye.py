"""The finder's eye: a bare table has no relief, colours are exchanged but not torn, paint and shapes are told apart."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from embodied.model.eye import PAINT, Eye, recoloured, relief

ROWS, COLS, MARGIN = 96, 160, 40  # pixels; near the border the surroundings are guessed
slope = st.floats(-0.4, 0.4)


def plane(near: float, across: float, down: float) -> torch.Tensor:
    """The depth (1, H, W) of a plane: 1/depth is affine in the picture."""
    v, u = torch.meshgrid(torch.linspace(-0.5, 0.5, ROWS), torch.linspace(-0.5, 0.5, COLS), indexing="ij")
    return 1 / (near + across * u + down * v)[None]


def middle(x: torch.Tensor) -> torch.Tensor:
    return x[..., MARGIN:-MARGIN, MARGIN:-MARGIN]


@settings(max_examples=25)
@given(st.floats(0.8, 2.0), slope, slope, st.integers(44, 50), st.integers(50, 100))
def test_a_tilted_plane_is_flat_and_what_stands_on_it_stands_out(near, across, down, row, col) -> None:
    depth = plane(near, across, down)
    assert middle(relief(depth)).abs().max() < 2e-3
    raised = depth.clone()
    raised[:, row : row + 8, col : col + 8] -= 0.04 * depth[:, row : row + 8, col : col + 8]
    seen = relief(raised)[0]
    assert (seen[:, row + 1 : row + 7, col + 1 : col + 7] > 0.05).all()
    assert (
        seen[1, row + 1 : row + 7, col + 1 : col + 7] > 0.5 * 40 * 0.04 * 0.8 * near
    ).all()  # far about it all shows
    assert (seen[:, row, col - 6] <= 2e-3).all()  # beside it the table seems lower, never higher
    raised[:, row + 3, col + 3] = 0
    assert (relief(raised)[0, :, row + 3, col + 3] == 0).all()  # unknown
    assert relief(torch.zeros_like(depth)).abs().max() == 0


@pytest.mark.parametrize("seed", range(5))
def test_colours_are_exchanged_and_lightness_stays_one_thing(seed: int) -> None:
    torch.manual_seed(seed)
    grey = (torch.rand(32, 1, 12, 16) - 0.5).expand(-1, 3, -1, -1)
    out = recoloured(grey)
    assert out.shape == grey.shape and out.abs().max() <= 1.5
    contrast = out - out.mean((2, 3), keepdim=True)
    torch.testing.assert_close(contrast[:, :1].expand_as(contrast), contrast, atol=1e-5, rtol=1e-4)
    shares = contrast[:, 0].flatten(1).norm(dim=1) / (grey - grey.mean((2, 3), keepdim=True))[:, 0].flatten(1).norm(
        dim=1
    )
    blind = shares == 0
    assert blind.float().mean() < 0.4 and (shares[~blind] > 0.65).all() and (shares[~blind] < 1.25).all()
    red = torch.zeros(200, 3, 2, 2)
    red[:, 0] = 0.4
    turned = recoloured(red)[:, :, 0, 0]
    seen = turned[turned.abs().amax(1) > 0]
    assert len(seen) < 200 and {*seen.argmax(1).tolist()} == {0, 1, 2}  # red becomes anything
    same = (recoloured(torch.full((16, 3, 4, 4), 0.3)) - 0).flatten(2)
    assert (same - same[..., :1]).abs().max() < 1e-6  # what is of one colour stays so


def test_paint_sees_colours_as_they_are_and_cells_see_them_exchanged() -> None:
    torch.manual_seed(0)
    eye = Eye(8, 16, 16)
    images, depth = (
        torch.randint(0, 256, (2, 64, 96, 3), dtype=torch.uint8),
        plane(1.0, 0.1, 0.2)[:, :64, :96].repeat(2, 1, 1),
    )
    depth[:, 20:28, 40:48] -= 0.05
    with torch.no_grad():
        eye.train()
        first, again = eye(images, depth), eye(images, depth)
        eye.eval()
        still, same = eye(images, depth), eye(images, depth)
        unknown, without = eye(images, torch.zeros_like(depth)), eye(images, None)
        other = eye(images.flip(3), depth)
    assert still[0].shape == (2, 16, 8, 12) and still[1].shape == (2, PAINT, 8, 12)
    for paint in (first[1], again[1], same[1], without[1]):
        torch.testing.assert_close(paint, still[1])
    assert (first[0] - again[0]).abs().max() > 1e-3 and (same[0] - still[0]).abs().max() == 0
    torch.testing.assert_close(unknown[0], without[0])
    assert (without[0] - still[0]).abs().max() > 1e-3 and (other[1] - still[1]).abs().max() > 1e-3
