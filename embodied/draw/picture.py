"""A picture file as ink: grey, upright, without shade, and what kind of picture it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embodied.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image

MODES = ("line", "fill", "tone")
LARGEST = 2400  # px along an edge; more is reduced to this: 8 px a mm on A4, 4 px for a thin pen's line
FLAT = 0.7  # of a picture: what six of 64 tones cover unless it has shades
WIDE = 12  # px: what is wider is an area, not a line
FAINT = 0.03  # of the range from black to white: a picture with less has nothing in it
WIDTHS = (1.0, 40.0)  # px: of lines that are told from nothing and from areas
SPECKS = 12  # px: what is smaller is dirt on a photographed page


@dataclass
class Picture:
    """grey (H, W) float32, 0 black to 1 white; ink (H, W) float32, 0 paper to 1 ink, shade and noise removed; colour (H, W, 3)
    uint8 on white; noise: of the paper, share of the range from paper to ink; scale: px of this picture to one of the file."""

    grey: np.ndarray
    ink: np.ndarray
    colour: np.ndarray
    noise: float
    scale: float


def load(path: str | Path) -> Picture:
    """Read a picture as it was meant to be seen: turned as its camera noted (EXIF), transparent parts white."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    at = Path(path)
    if not at.is_file():
        raise UserError(f"{str(path)!r} is no file; give the path of a picture")
    Image.MAX_IMAGE_PIXELS = None  # large pictures are reduced below
    try:
        with Image.open(at) as file:
            file.draft("RGB", (LARGEST, LARGEST))
            image = ImageOps.exif_transpose(file)
            image.load()
    except UnidentifiedImageError:
        raise UserError(f"{at.name} is no picture that Pillow can read; convert it to PNG or JPEG") from None
    except (OSError, SyntaxError, ValueError) as wrong:
        raise UserError(f"{at.name} is damaged or cut short ({wrong}); save it again") from None
    return of(image)


def of(image: Image) -> Picture:
    """The same for a picture in memory."""
    from PIL import Image

    if min(image.size) < 8:
        raise UserError(f"the picture is {image.width}x{image.height} px; give one of at least 8x8")
    scale = min(1.0, LARGEST / max(image.size))
    if scale < 1:
        image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BOX)
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        layered = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered)
    colour = np.asarray(image.convert("RGB"))
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        values = np.nan_to_num(np.asarray(image, np.float32))
        grey = values / max(float(values.max()), 1.0)
    else:
        grey = np.asarray(image.convert("L"), np.float32) / 255
    ink, noise = flattened(grey)
    return Picture(grey, ink, colour, noise, scale)


def flattened(grey: np.ndarray) -> tuple[np.ndarray, float]:
    """grey (H, W) 0..1 -> ink 0..1 and the paper's noise. The paper is what closing and blurring leave of the picture; where it
    is even and white nothing is changed."""
    from scipy.ndimage import gaussian_filter, grey_closing, zoom

    if float(np.ptp(grey)) < FAINT:
        return 1 - grey, 0.0
    height, width = grey.shape
    small = 4 if max(grey.shape) >= 256 else 1
    rows, cols = height - height % small, width - width % small
    blocks = grey[:rows, :cols].reshape(rows // small, small, cols // small, small).mean((1, 3))
    if float(np.mean(np.abs(blocks - np.median(blocks)) < 1e-3)) > 0.3 and np.median(blocks) > 0.97:
        return 1 - grey, 0.0  # drawn by a program, on white
    size = max(5, round(max(blocks.shape) * 0.06)) | 1
    paper: Any = gaussian_filter(grey_closing(gaussian_filter(blocks, 0.7), size=(size, size)), size / 3)
    whole: Any = zoom(paper, (height / paper.shape[0], width / paper.shape[1]), order=1)
    paper = np.clip(whole, 0.05, None)
    even = grey / paper
    level = np.median(even[even > np.quantile(even, 0.5)])
    noise = float(np.median(np.abs(even[even > 0.8 * level] - level))) * 1.48
    soft = gaussian_filter(even, 0.4) if noise > 0.01 else even
    split = otsu(soft)
    inside = soft[soft < split]
    dark = float(np.quantile(inside, 0.01)) if len(inside) else 0.0
    contrast = max(float(level) - dark, 1e-3)
    return np.clip((level - soft) / contrast, 0, 1).astype(np.float32), noise / contrast


def otsu(values: np.ndarray) -> float:
    """The threshold that parts the values best in two (N. Otsu, IEEE SMC 9(1), 1979)."""
    from skimage.filters import threshold_otsu

    return float(threshold_otsu(values)) if float(np.ptp(values)) > 1e-6 else float(values.flat[0])


def without_specks(ink: np.ndarray, size: int = SPECKS) -> np.ndarray:
    """The ink without patches of fewer px."""
    from skimage.measure import label

    patch = np.asarray(label(ink > 0.5, connectivity=2))
    small = np.bincount(patch.ravel()) < size
    small[0] = False
    out = ink.copy()
    out[small[patch]] = 0
    return out


def kind(picture: Picture) -> str:
    """line, fill or tone, by how wide the ink is and whether the picture is made of a few flat tones."""
    levels = np.sort(np.histogram(picture.ink, 64, (0, 1))[0])[::-1] / picture.ink.size
    if levels[:6].sum() < FLAT:
        return "tone"
    widths = line_widths(picture.ink)
    return "fill" if len(widths) and np.quantile(widths, 0.75) > WIDE else "line"


def line_widths(ink: np.ndarray) -> np.ndarray:
    """How wide the ink is, px, at each pixel of its skeleton, weighted by the ink that belongs to it."""
    from scipy.ndimage import distance_transform_edt
    from skimage.morphology import skeletonize

    dark = ink > 0.5
    thin = skeletonize(dark)
    width = 2 * np.asarray(distance_transform_edt(dark))[thin] - 1
    return np.repeat(width, np.maximum(1, width.astype(int)))
