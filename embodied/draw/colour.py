"""Which pen draws what: the colours of a picture, by k-means in Lab or from a given palette."""

from __future__ import annotations

import re

import numpy as np

from embodied.errors import UserError

PAPER = 12.0  # Lab distance from white within which a pixel is paper
MOST = 12  # pens


def pens(colours: str) -> int | list[str]:
    """`colours=` as a count, or a palette of #rrggbb."""
    if re.fullmatch(r"\d+", colours):
        count = int(colours)
        if not 1 <= count <= MOST:
            raise UserError(f"colours={colours} pens are not between 1 and {MOST}")
        return count
    palette = [one.strip().lower() for one in colours.split(",")]
    for one in palette:
        if not re.fullmatch(r"#[0-9a-f]{6}", one):
            raise UserError(f"colours holds {one!r}; give a number of pens, or colours such as #000000,#c02020")
    return palette


def separated(
    colour: np.ndarray, ink: np.ndarray, wanted: int | list[str], seed: int = 0
) -> list[tuple[str, np.ndarray]]:
    """colour (H, W, 3) uint8, ink (H, W) -> for each pen its colour #rrggbb and its share of the ink, dark pens first."""
    from scipy.cluster.vq import kmeans2
    from scipy.ndimage import median_filter
    from skimage.color import lab2rgb, rgb2lab

    if wanted == 1:
        return [("#000000", ink)]
    lab = rgb2lab(colour)
    off = np.hypot(np.hypot(lab[..., 0] - 100, lab[..., 1]), lab[..., 2])
    inked = off > PAPER
    if isinstance(wanted, list):
        rgb = np.array([[int(one[k : k + 2], 16) for k in (1, 3, 5)] for one in wanted], float) / 255
        centres = rgb2lab(rgb[None])[0]
    else:
        solid = lab[inked & (off >= np.median(off[inked]) * 0.5)] if inked.any() else lab.reshape(-1, 3)[:1]
        rng = np.random.default_rng(seed)
        some = solid[rng.permutation(len(solid))[:20000]]
        centres, _ = kmeans2(some, min(wanted, len(np.unique(some, axis=0))), minit="++", rng=rng)
        centres = centres[np.argsort(centres[:, 0])]
    away = np.stack([((lab - centre) ** 2).sum(-1) for centre in centres])
    label = median_filter(np.where(inked, away.argmin(0), -1), size=3)
    full = np.where(inked, np.clip(off / np.maximum(_strength(centres)[np.maximum(label, 0)], 1e-6), 0, 1), 0)
    out = []
    for k, centre in enumerate(centres):
        name = wanted[k] if isinstance(wanted, list) else _name(lab2rgb(centre[None, None])[0, 0])
        out.append((name, np.where(label == k, full, 0).astype(np.float32)))
    return [(name, part) for name, part in out if (part > 0.5).any()]


def _strength(centres: np.ndarray) -> np.ndarray:
    """How far each pen is from white."""
    return np.hypot(np.hypot(centres[:, 0] - 100, centres[:, 1]), centres[:, 2])


def _name(rgb: np.ndarray) -> str:
    return "#" + "".join(f"{round(255 * float(v)):02x}" for v in np.clip(rgb, 0, 1))
