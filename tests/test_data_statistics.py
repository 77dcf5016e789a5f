import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embodied.data.normalise import STD_FLOOR, Normalisation
from embodied.data.statistics import PixelCounter, describe, from_lists, merge, to_lists
from embodied.errors import UserError


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(0, 99))
def test_merged_equals_described_at_once(lengths: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    parts = [rng.normal(3, 2, (n, 4)).astype(np.float32) for n in lengths]
    merged, whole = merge([describe(part) for part in parts]), describe(np.concatenate(parts))
    for name in ("min", "max", "mean", "std", "count"):
        np.testing.assert_allclose(merged[name], whole[name], rtol=1e-6, atol=1e-9)
    assert from_lists(to_lists({"a": merged}))["a"]["std"].tolist() == merged["std"].tolist()


def test_pixel_counter_equals_numpy() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 6, 3), np.uint8)
    counter = PixelCounter()
    for image in images:
        counter.add(image)
    stats, pixels = counter.stats(), images.reshape(-1, 3) / 255
    for name, expected in {
        "mean": pixels.mean(0),
        "std": pixels.std(0),
        "min": pixels.min(0),
        "max": pixels.max(0),
    }.items():
        np.testing.assert_allclose(stats[name], expected.reshape(3, 1, 1))
    np.testing.assert_allclose(stats["q90"].ravel(), np.quantile(pixels, 0.9, axis=0, method="inverted_cdf"))
    assert stats["count"].tolist() == [3]


def test_normalise_there_and_back() -> None:
    rows = np.random.default_rng(0).normal(5, 3, (100, 2)).astype(np.float32)
    rows[:, 1] = 0.25  # never moves: the floor keeps it finite
    one = Normalisation.from_stats({"action": describe(rows)}, ["action"])
    scaled = one.normalise("action", rows)
    np.testing.assert_allclose(scaled[:, 0].std(), 1, rtol=1e-5)
    assert np.abs(scaled[:, 1]).max() == 0 and one.mean_std("action")[1][1] == np.float32(STD_FLOOR)
    np.testing.assert_allclose(one.denormalise("action", scaled), rows, rtol=1e-5)
    again = Normalisation.from_dict(one.to_dict())
    assert np.array_equal(again.normalise("action", rows), scaled) and again.to_dict() == one.to_dict()


def test_missing_statistics_are_never_an_identity() -> None:
    one = Normalisation({"action": (np.zeros(2), np.ones(2))})
    with pytest.raises(UserError, match="no statistics for 'arm'"):
        one.normalise("arm", np.zeros(3))
    with pytest.raises(UserError, match="use the body"):
        one.normalise("action", np.zeros(3))
    for stats in ({}, {"arm": {"mean": np.zeros(3)}}):
        with pytest.raises(UserError, match="no statistics"):
            Normalisation.from_stats(stats, ["arm"])
    for broken in (
        {"a": {"mean": [0.0]}},
        {"a": {"mean": [0.0], "std": ["x"]}},
        {"a": {"mean": [0.0], "std": [float("nan")]}},
    ):
        with pytest.raises(UserError):
            Normalisation.from_dict(broken)
