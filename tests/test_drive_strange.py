"""Eyes that know what they were taught with: strange pictures are not used, what others show is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from embodied.data import drives
from embodied.drive import forecast, paths, sample
from embodied.drive.replay import Replay
from embodied.model.familiar import Familiar, summary
from embodied.model.pace import Pace
from embodied.types import Command, Observation
from policies.drive_network import Network


def test_a_known_picture_among_strange_ones_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    (drive_,) = drives.read(sample())
    seeing, blind = Network("road", unseeing="road-ego", graph=False), Network("road-ego", graph=False)
    body, known = Replay(drive_), [True, False, False, False, True, True, True, False, True]
    obs = body.reset()
    for one in (seeing, blind):
        one.begin(body.spec)
    for k in range(len(known)):
        monkeypatch.setattr(Familiar, "forward", lambda self, features, k=k: torch.tensor([known[k]]))
        trusted = known[k] and sum(known[: k + 1]) >= (k + 1) / 2
        same = np.array_equal(forecast.pack(seeing(obs)), forecast.pack(blind(obs)))
        assert same == (not trusted), k
        body.apply(Command(obs.t_s, forecast.pack(forecast.Forecast(np.zeros((60, 2))))))
        obs = body.observe()
    assert (seeing.shown, seeing.strange) == (9, 5)  # the fifth is among strange ones


def test_strange_pictures_shut_the_eyes() -> None:
    torch.manual_seed(0)
    seen = [torch.randn(200, 6, 8, 20) for _ in range(3)]
    known = Familiar(6)
    assert known(seen[0]).all()  # nothing has been measured
    known.measure(seen)
    assert known(torch.cat(seen)).float().mean() >= 0.99
    assert known.distance(summary(torch.randn(400, 6, 8, 20))).mean().item() == pytest.approx(1.0, abs=0.15)
    assert not known(seen[0] + 0.5).any() and not known(1.5 * seen[0]).any()


def test_a_speed_is_read_off_what_shows_it() -> None:
    rng = torch.Generator().manual_seed(0)
    shown = torch.randn(2000, 4, 8, generator=rng)
    speeds = 7 + 2 * shown[:, 1, 3] - shown[:, 2, 0]
    found = []
    for _ in range(2):
        torch.manual_seed(3)
        pace = Pace(32)
        found.append(pace.teach(shown, speeds, epochs=40))
    assert found[0] == found[1] < 0.3 * float(speeds.std())
    assert pace(shown * 1e4).max() <= 40.0 and pace(shown * 1e4).min() >= 0.0


def test_a_film_without_telemetry_is_driven_at_the_speed_that_it_shows() -> None:
    """The speed is no input; strange pictures show none, and then 10 m/s are assumed."""
    (whole,) = drives.read(sample())
    bare = replace(whole.spec, states={name: one for name, one in whole.spec.states.items() if name != "ego"})

    def speeds(every: int) -> np.ndarray:
        """Of every so many pictures six are the simulator's, the others are turned to their negatives; 0: none."""

        def stream() -> Iterator[Observation]:
            for k, one in enumerate(whole.stream()):
                if k % 4 == 0 and one.t_s < 12:
                    own = every and k // 4 % every < 6  # a look goes back by four
                    images = {name: picture if own else 255 - picture for name, picture in one.images.items()}
                    true.append(float(one.states["ego"][-1, 0]))
                    yield replace(one, images=images, states={"pose": one.states["pose"]})

        true: list[float] = []
        body = Replay(replace(whole, spec=bare, stream=stream))
        obs, driver, said = body.reset(), Network("road"), list[float]()
        driver.begin(body.spec)
        while not body.ended:
            said.append(float(driver(obs).path[0, 0] * paths.RATE_HZ))
            body.apply(Command(obs.t_s, forecast.pack(forecast.Forecast(np.zeros((60, 2))))))
            obs = body.observe()
        return np.column_stack([said, true[: len(said)]])[8:]

    seen, strange, mixed = speeds(6), speeds(0), speeds(20)
    assert np.abs(seen[:, 0] - seen[:, 1]).mean() < 2.0 < np.abs(10.0 - seen[:, 1]).mean()
    assert np.allclose(strange[:, 0], 10.0, atol=0.01)
    assert np.array_equal(mixed[:, 0], strange[:, 0])  # what is its own among strange ones shows none either
