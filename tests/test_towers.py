"""Vision towers that others trained: any size of picture to a fixed number of tokens; kept features = computed ones."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from embodied.errors import UserError
from embodied.model.decode import Look
from embodied.model.kept import Kept, fingerprint
from embodied.model.lessons import ask_check
from embodied.model.resampler import Resampler
from embodied.model.weights import from_pretrained, save_pretrained
from embodied.registry import build
from tests.published import VISION, embodied, language, vision
from tests.test_model import seen


def pictures(b: int = 2, height: int = 96, width: int = 160) -> torch.Tensor:
    return torch.randint(0, 256, (b, height, width, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(b))


@pytest.mark.parametrize("kind", VISION)
def test_every_kind_of_tower_gives_the_tokens_that_were_asked_for(kind: str, tmp_path: Path) -> None:
    source = vision(tmp_path, kind)
    encoder = build("encoder", "hf", source=source, height=96, width=160, dim=24, tokens=5)
    features, tokens = encoder.train()(pictures())
    assert tokens.shape == (2, 5, 24) and not features.requires_grad and not encoder.tower.training
    tokens.sum().backward()
    learnt = {name for name, p in encoder.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert any(name.startswith("resampler") for name in learnt) and not any(name.startswith("tower") for name in learnt)
    alone = encoder.eval()(pictures()[1:])[1]
    torch.testing.assert_close(alone, tokens[1:], atol=1e-4, rtol=1e-3)
    other = encoder(pictures(3)[:2])[1]
    assert (other - tokens).abs().max() > 1e-4  # it sees


def test_a_tower_may_learn_too(tmp_path: Path) -> None:
    encoder = build(
        "encoder", "hf", source=vision(tmp_path, "dinov2"), height=28, width=28, dim=24, tokens=5, learnt=True
    )
    encoder.train()(pictures(1, 28, 28))[1].sum().backward()
    assert encoder.tower.embeddings.patch_embeddings.projection.weight.grad.abs().sum() > 0
    with pytest.raises(UserError, match="leave out tune_vision or cache"):
        encoder.keep(tmp_path)


def test_the_resampler_takes_any_number_of_features_in_any_order() -> None:
    torch.manual_seed(0)
    resampler = Resampler(channels=12, dim=24, tokens=4).eval()
    features = torch.randn(2, 30, 12)
    for n in (1, 7, 30):
        assert resampler(features[:, :n]).shape == (2, 4, 24)
    turned = resampler(features.flip(1))  # a set: places are in the features
    torch.testing.assert_close(resampler(features), turned, atol=1e-5, rtol=1e-4)
    assert (resampler(features) - resampler(features * 2 + torch.randn(12))).abs().max() > 1e-3


def test_kept_features_are_the_computed_ones_and_are_computed_once(tmp_path: Path) -> None:
    encoder = build("encoder", "hf", source=vision(tmp_path / "tower", "dinov2"), height=28, width=28, dim=24, tokens=5)
    plain = encoder(pictures(3, 28, 28))[1]
    encoder.keep(tmp_path / "kept")
    first = encoder(pictures(3, 28, 28))[1]
    torch.testing.assert_close(first, plain, rtol=0, atol=0)
    with torch.no_grad():
        encoder.tower.embeddings.patch_embeddings.projection.weight.zero_()
    torch.testing.assert_close(encoder(pictures(3, 28, 28).flip(0))[1], plain.flip(0), rtol=0, atol=0)
    assert (encoder(pictures(4, 28, 28)[:1])[1] - plain[:1]).abs().max() > 1e-4  # a new picture is looked at
    assert len(list((tmp_path / "kept").rglob("*.npy"))) == 4 and not list((tmp_path / "kept").rglob("*.part"))
    assert Kept(tmp_path / "kept", encoder.tower).folder != encoder.kept.folder  # another tower, other features


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tower = torch.nn.Linear(2, 2)
    (tmp_path / "flat").write_text("")
    with pytest.raises(UserError, match="cannot make cache="):
        Kept(tmp_path / "flat", tower)
    kept = Kept(tmp_path, tower)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("embodied.model.kept.np.save", full)
    with pytest.raises(UserError, match="no space for the cache"):
        kept.features(pictures(1, 8, 8), lambda images: images.flatten(1, 2).float())
    assert list(kept.folder.iterdir()) == []
    same = torch.nn.Linear(2, 2)
    same.load_state_dict(tower.state_dict())
    assert fingerprint(same) == fingerprint(tower) != fingerprint(torch.nn.Linear(2, 2))


def test_a_model_of_a_published_eye_and_language_model_is_saved_without_them(tmp_path: Path) -> None:
    eye, words = vision(tmp_path / "eye", "siglip"), language(tmp_path / "words", "llama")
    model = embodied(backbone="hf", backbone_from=words, vision="hf", vision_from=eye, vision_tokens=6)
    assert model.encoders["wrist"].tower is model.encoders["front"].tower and model.counts["wrist"] == 6
    save_pretrained(model, tmp_path / "saved", torch.float32)
    again = from_pretrained(str(tmp_path / "saved"))
    one, other = (Look(each, *seen(each)).choose(ask_check("pick red block"), [3, 4, 5]) for each in (model, again))
    torch.testing.assert_close(one, other, rtol=0, atol=0)
    from safetensors import safe_open

    with safe_open(tmp_path / "saved" / "model.safetensors", "pt") as file:
        assert not [name for name in file.keys() if "tower." in name or name.startswith("backbone.lm.")]  # noqa: SIM118


def test_unknown_towers_are_told(tmp_path: Path) -> None:
    for source, words in (
        ("", "needs vision_from="),
        ("no-such/tower", "no vision tower at 'no-such/tower'"),
        (language(tmp_path, "llama"), "reads input_ids, not pictures"),
    ):
        with pytest.raises(UserError, match=words):
            build("encoder", "hf", source=source)
