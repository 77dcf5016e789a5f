"""How one episode looks and slides: light, camera, table, colours, friction, mass; each drawn from one generator."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.camera import FRONT_EYE, FRONT_TARGET
from sim.world import Light

RGB = {
    "red": (0.82, 0.08, 0.08),
    "orange": (0.98, 0.47, 0.05),
    "yellow": (0.97, 0.89, 0.10),
    "green": (0.10, 0.58, 0.16),
    "cyan": (0.12, 0.80, 0.84),
    "blue": (0.08, 0.20, 0.84),
    "purple": (0.46, 0.12, 0.66),
    "pink": (0.98, 0.52, 0.74),
    "white": (0.96, 0.96, 0.96),
    "black": (0.06, 0.06, 0.06),
}
# Grounds: far from white and black, and too pale for any of the ten names.
GROUNDS = (
    (0.50, 0.50, 0.50),
    (0.60, 0.60, 0.58),
    (0.60, 0.52, 0.44),
    (0.44, 0.48, 0.54),
    (0.47, 0.52, 0.46),
    (0.55, 0.50, 0.50),
)


@dataclass(frozen=True)
class Look:
    """One draw. colours: RGB of each item, in order. ground, texture: table colour and which pattern (-1: plain)."""

    light: Light
    eye: tuple[float, ...]
    target: tuple[float, ...]
    ground: tuple[float, float, float]
    texture: int
    colours: tuple[tuple[float, float, float], ...]
    frictions: tuple[float, ...]
    masses: tuple[float, ...]


def plain(colours: Sequence[str]) -> Look:
    """No randomisation."""
    n = len(colours)
    return Look(
        Light(), FRONT_EYE, FRONT_TARGET, GROUNDS[0], -1, tuple(RGB[c] for c in colours), (0.8,) * n, (0.1,) * n
    )


def shade(colour: str, rng: np.random.Generator) -> tuple[float, float, float]:
    """The named colour, moved a little in hue (4 deg), saturation and value (6 %)."""
    h, s, v = colorsys.rgb_to_hsv(*RGB[colour])
    dh, ds, dv = rng.uniform(-1, 1, 3) * [0.011, 0.06, 0.06]
    s = s + ds if s > 0.1 else 0.0  # greys stay grey
    return colorsys.hsv_to_rgb(
        (h + dh) % 1.0, float(np.clip(s, 0, 1)), float(np.clip(v + dv * (v if s == 0 else 1), 0, 1))
    )


def draw(colours: Sequence[str], rng: np.random.Generator, textures: int) -> Look:
    """A random Look for items of the named colours."""
    azimuth, height = rng.uniform(0, 2 * np.pi), rng.uniform(0.8, 2.0)
    light = Light(
        direction=(float(np.cos(azimuth)), float(np.sin(azimuth)), float(height)),
        colour=tuple(float(c) for c in rng.uniform(0.92, 1.0, 3)),  # type: ignore[arg-type]
        ambient=float(rng.uniform(0.50, 0.68)),
        diffuse=float(rng.uniform(0.30, 0.45)),
        specular=float(rng.uniform(0.0, 0.08)),
    )
    eye = tuple(np.add(FRONT_EYE, rng.uniform(-1, 1, 3) * 0.02).tolist())
    target = tuple(np.add(FRONT_TARGET, rng.uniform(-1, 1, 3) * [0.015, 0.015, 0.0]).tolist())
    ground = np.clip(
        np.array(GROUNDS[rng.integers(len(GROUNDS))]) + rng.uniform(-0.04, 0.04) + rng.uniform(-0.015, 0.015, 3), 0, 1
    )
    return Look(
        light,
        eye,
        target,
        tuple(ground.tolist()),  # type: ignore[arg-type]
        int(rng.integers(-1, textures)),
        tuple(shade(c, rng) for c in colours),
        tuple(rng.uniform(0.6, 1.0, len(colours)).tolist()),
        tuple(rng.uniform(0.05, 0.15, len(colours)).tolist()),
    )


def patterns(size: int = 128) -> list[NDArray[np.uint8]]:
    """Table patterns uint8 size size 3, always the same ones: they multiply the ground's colour, between 0.78 and 1."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[0:size, 0:size] / size
    coarse = np.kron(rng.random((16, 16)), np.ones((size // 16, size // 16)))
    wave = np.sin(2 * np.pi * (9 * x + 0.6 * np.sin(2 * np.pi * 2 * y)))
    fields = [
        rng.random((size, size)),  # speckle
        coarse,  # patches
        (wave + 1) / 2,  # grain
        ((np.floor(x * 16) + np.floor(y * 16)) % 2),  # checks
        (np.sin(2 * np.pi * 12 * y) > 0.6).astype(float),  # stripes
    ]
    return [np.repeat((255 * (0.78 + 0.22 * f))[..., None], 3, axis=2).astype(np.uint8) for f in fields]
