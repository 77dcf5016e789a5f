"""What is drawn, and that the ten colours stay ten colours under every light."""

from __future__ import annotations

import numpy as np
import pytest

from embodied.plan import COLOURS
from sim import randomise as dice
from sim.body import SimBody
from tests.test_sim_body import item, table

SCALE = np.linspace(0.45, 1.1, 14)[:, None]


def nearest(rgb: np.ndarray) -> str:
    """The named colour that some brightness makes most like rgb."""
    far = {name: np.linalg.norm(rgb - SCALE * dice.RGB[name], axis=1).min() for name in COLOURS}
    return min(far, key=lambda name: far[name])


@pytest.fixture(scope="module")
def body():
    made = SimBody("pick", lazy=True)
    yield made
    made.close()


def test_colours_can_be_told_apart_under_every_light(body):
    spots = [(x, y) for x in (0.40, 0.60) for y in (-0.24, -0.12, 0.0, 0.12, 0.24)]
    for seed in range(25):
        colours = list(np.random.default_rng(seed).permutation(COLOURS))
        shape = ("block", "cylinder", "zone")[seed % 3]
        body.load(table(*(item(f"{c} {shape}", *spot) for c, spot in zip(colours, spots, strict=True))), seed)
        image, seen = body.frame("front") / 255.0, body.segmentation("front")
        for k, colour in enumerate(colours):
            assert nearest(np.median(image[seen == k], axis=0)) == colour, (seed, colour)
        ground = np.median(image[seen == -1], axis=0)
        assert 0.2 < ground.mean() < 0.75 and np.ptp(ground) < 0.25  # neither white nor black nor a colour


def test_shades_stay_far_from_the_other_names():
    rng = np.random.default_rng(0)
    for colour in COLOURS:
        for _ in range(50):
            assert nearest(np.array(dice.shade(colour, rng))) == colour


def test_draws_are_seeded_differ_and_can_be_turned_off(body):
    episode = table(item("red block", 0.5, 0.0))
    looks = []
    for seed in (1, 2, 1):
        body.load(episode, seed)
        looks.append((body.look, body.spec.cameras["front"].parent_from_cam.copy()))
    assert looks[0][0] == looks[2][0] and looks[0][0] != looks[1][0]
    assert not np.array_equal(looks[0][1], looks[1][1])  # the real camera pose is in the spec
    plain = SimBody("pick", randomise=False, lazy=True)
    plain.load(episode, 1)
    first = plain.frame("front").copy()
    plain.load(episode, 2)
    assert np.array_equal(first, plain.frame("front"))
    plain.close()


def test_ranges():
    rng = np.random.default_rng(3)
    for _ in range(50):
        look = dice.draw(["red", "white"], rng, 5)
        assert np.linalg.norm(np.subtract(look.eye, dice.FRONT_EYE)) < 0.04
        assert all(0.6 <= f <= 1.0 for f in look.frictions) and all(0.05 <= m <= 0.15 for m in look.masses)
        assert -1 <= look.texture < 5
