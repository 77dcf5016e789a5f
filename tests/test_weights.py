"""Weights on disk and in memory: saved = loaded, broken files say so, a larger vocabulary keeps what was known."""

from __future__ import annotations

import json

import pytest
import torch

from embodied.errors import UserError
from embodied.model import finders
from embodied.model.decode import Look
from embodied.model.lessons import ask_job
from embodied.model.weights import EMBEDDINGS, from_pretrained, grown, headed, save_pretrained
from tests.test_model import made, seen

CORPUS = ["elevate the red block above the quokka"] * 8 + ["an aardvark"] * 7


def test_save_and_load_are_exact_and_broken_files_say_so(tmp_path) -> None:
    model = made()
    save_pretrained(model, tmp_path, torch.float32)
    loaded = from_pretrained(str(tmp_path))
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], tensor, rtol=0, atol=0)
    assert loaded.encoders["wrist"].stem is loaded.encoders["front"].stem
    weights, config = tmp_path / "model.safetensors", tmp_path / "config.json"
    good, settings_ = weights.read_bytes(), config.read_text()
    for content, words in ((good[: len(good) // 2], "truncated"), (b"\x00" * 64, "damaged"), (b"", "missing")):
        weights.write_bytes(content)
        with pytest.raises(UserError, match=words):
            from_pretrained(str(tmp_path))
    weights.write_bytes(good)
    config.write_text(json.dumps(json.loads(settings_) | {"layers": 3}))
    with pytest.raises(UserError, match="does not fit"):
        from_pretrained(str(tmp_path))
    config.write_text(json.dumps(json.loads(settings_) | {"statistics": {}}))
    with pytest.raises(UserError, match="no normalisation statistics"):
        from_pretrained(str(tmp_path))
    config.write_text("{")
    with pytest.raises(UserError, match="damaged"):
        from_pretrained(str(tmp_path))
    with pytest.raises(UserError, match="no weights at 'nowhere'"):
        from_pretrained("nowhere")


def test_a_larger_vocabulary_keeps_old_ids_rows_and_answers(tmp_path) -> None:
    model = made()
    model.words.synonyms = {"elevate": "pick", "quokka": "xyzzy"}  # one reads as a known word, the other as none
    out = grown(model, CORPUS).eval()
    old, new = model.words.tokens(), out.words.tokens()
    assert new[: len(old)] == old and set(new[len(old) :]) == {"elevate", "above", "quokka"}  # aardvark is too rare
    before, after = model.state_dict(), out.state_dict()
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        torch.testing.assert_close(
            after[name][: len(tensor)] if name == EMBEDDINGS else after[name], tensor, rtol=0, atol=0
        )
    table = out.backbone.embed_tokens.weight
    at = {word: table[out.words[word]] for word in ("elevate", "pick", "above", "red")}
    assert (at["elevate"] - at["pick"]).norm() < 0.5 * (at["elevate"] - at["red"]).norm()
    assert (at["above"] - before[EMBEDDINGS].mean(0)).norm() < 0.5 * at["red"].norm()
    asked = ask_job("pick the red block")
    assert out.words.encode(asked) == model.words.encode(asked)
    one, other = (Look(each, *seen(each)).choose(asked, [3, 4, 5]) for each in (model, out))
    torch.testing.assert_close(one, other)
    assert out.words.spelled("elevate the quokka") == 0.0 and out.words.familiar("elevate") == "elevate"
    assert grown(out, CORPUS) is out  # nothing new
    save_pretrained(out, tmp_path, torch.float32)
    assert from_pretrained(str(tmp_path)).words.tokens() == new


def test_another_motion_head_leaves_the_rest_as_it_was(tmp_path) -> None:
    model = made()
    out = headed(model, "bins")
    assert out.config.head == "bins" and out.config.statistics == model.config.statistics
    before, after = model.state_dict(), out.state_dict()
    rest = {name for name in before if not name.startswith("head.")}
    assert rest == {name for name in after if not name.startswith("head.")}
    for name in rest:
        torch.testing.assert_close(after[name], before[name], rtol=0, atol=0)
    save_pretrained(out, tmp_path, torch.float32)
    assert from_pretrained(str(tmp_path)).config.head == "bins"


def test_a_finder_alone_finds_as_that_of_the_whole_model(tmp_path) -> None:
    model = made()
    save_pretrained(model, tmp_path / "whole", torch.float32)
    finders.save(finders.finder(str(tmp_path / "whole")), tmp_path / "alone", torch.float32)
    assert {p.name for p in (tmp_path / "alone").iterdir()} == {"config.json", "model.safetensors"}
    alone, image = finders.finder(str(tmp_path / "alone")), torch.randint(0, 256, (1, 96, 96, 3), dtype=torch.uint8)
    for ours, theirs in zip(alone("front", image, None), model.eval().finder("front", image, None), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
    (tmp_path / "alone" / "config.json").write_text('{"kind": "finder"}')
    with pytest.raises(UserError, match="damaged"):
        finders.finder(str(tmp_path / "alone"))
    assert finders.main(["weights=/nowhere"]) == finders.main([f"weights={tmp_path / 'alone'}", "out=x"]) == 2
