"""The reasoner on every language model: the same sentence, the same answers cached as packed, and what was learnt is saved."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from embodied.cli import evaluate_tamp
from embodied.cli.exam import Job
from embodied.cli.settings import Evaluate
from embodied.cli.train_tamp import main
from embodied.errors import UserError
from embodied.model.packing import collate
from embodied.model.reasoner import Answers, Reasoner, ReasonerConfig, load, save
from embodied.registry import build
from embodied.train_reasoner import Settings
from sim.tamp.lessons import ENTITIES, Scenes, grammar, vocabulary
from tests.published import LANGUAGE, language


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    root = tmp_path_factory.mktemp("published")
    return {kind: language(root / kind, kind) for kind in LANGUAGE}


def reasoner(folder: str, tune: str = "frozen") -> Reasoner:
    torch.manual_seed(0)
    words = build("backbone", "hf", source=folder).words([], ENTITIES)
    return Reasoner(ReasonerConfig(dim=48, backbone="hf", backbone_from=folder, tune=tune), words).eval()


@pytest.mark.parametrize("kind", ["tiny", *LANGUAGE])
def test_answers_from_the_cache_are_those_of_the_packed_sentence(kind: str, folders: dict[str, str]) -> None:
    small = ReasonerConfig(dim=32, layers=2, heads=2, mlp=64)
    model = Reasoner(small, vocabulary()).eval() if kind == "tiny" else reasoner(folders[kind])
    words = model.words
    lesson = Scenes(words, 10, augment=False).lesson(3, np.random.default_rng(0))
    batch = collate([lesson], [], [], words, (1, 1))
    labels = batch.states["labels"].long()
    with torch.inference_mode():
        hidden = model(batch.ids, batch.segment, batch.states["given"], labels)[0]
    there = labels[0] > 0
    answers = Answers(model, batch.states["given"][0][there], labels[0][there].tolist())
    for k, (prompt, _) in enumerate(lesson.segments, 1):
        with torch.inference_mode():
            mine = answers._spelled(words.spell(prompt))[0]
        answers.reader.length = answers.known
        own = (batch.segment[0] == k).nonzero()[:, 0][: len(prompt)]
        torch.testing.assert_close(mine, hidden[own], atol=2e-4, rtol=1e-3)


def test_what_is_said_is_the_likeliest_within_the_grammar_word_by_word(folders: dict[str, str]) -> None:
    """Colours are spelled in several tokens by this tokenizer: the chosen one is the likeliest spelling of all."""
    model = reasoner(folders["llama"])
    lesson = Scenes(model.words, 10, augment=False).lesson(3, np.random.default_rng(0))
    given, labels = (torch.from_numpy(lesson.states[name]) for name in ("given", "labels"))
    there = labels > 0
    answers = Answers(model, given[there], labels[there].tolist())
    text = "what colour is <obj_1>"
    form = grammar(model.words, "q1", labels[there].tolist())
    said = answers.answer(text, form)
    scores = {}
    for colour in form([]):
        spelled = model.words.spell([colour])
        with torch.inference_mode():
            hidden = answers._spelled(model.words.spell([*model.words.read(text), *spelled[:-1]]))[0, -len(spelled) :]
            scores[colour] = spelled, model.logits(hidden).log_softmax(-1)
        answers.reader.length = answers.known
    options = [spelled for spelled, _ in scores.values()]

    def chance(spelled: list[int], of: torch.Tensor) -> float:
        total = 0.0
        for k, token in enumerate(spelled):
            rivals = sorted({one[k] for one in options if one[:k] == spelled[:k] and len(one) > k})
            total += float(of[k][token] - of[k][rivals].logsumexp(0))
        return total

    best = max(scores, key=lambda colour: chance(*scores[colour]))
    assert said == model.words.decode([best])


@pytest.mark.parametrize("tune", ["frozen", "lora", "full"])
def test_it_is_trained_resumed_examined_and_saved_without_what_is_theirs(
    tune: str, folders: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = {"backbone": "hf", "backbone_from": folders["llama"], "tune": tune, "precision": "no"}
    small = Settings(out=str(tmp_path), scenes=4, kinds="p1", batch=2, warmup=1, lr=1e-3, checkpointing=True, **chosen)
    for steps in (2, 4):
        small.steps = steps
        assert main(small, {}) == 0
    assert "resuming at step 2" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"has lora_rank=8, not lora_rank=4; give another out="):
        main(replace(small, lora_rank=4), {})
    begun = replace(small, out=str(tmp_path / "begun"), tune="frozen", steps=1)
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "settings.json").write_text('{"tune": "lora"}')  # ended before its first checkpoint
    assert main(begun, {}) == 0
    model = load(str(tmp_path / "weights"))
    start, back = (dict(one.named_parameters()) for one in (reasoner(folders["llama"], tune), model))
    theirs = [name for name in back if model.theirs(name)]
    assert bool(theirs) == (tune != "full")
    for name in theirs:
        assert torch.equal(back[name], start[name])
    learnt = [name for name in back if name.startswith("backbone.lm.layers") and not model.theirs(name)]
    assert bool(learnt) == (tune != "frozen")
    learnt = [name for name in learnt if "lora_A" not in name and "norm" not in name]
    for name in [*learnt, "encoder.last.weight", "smear.one.weight", "backbone.table"]:
        assert not torch.equal(back[name], start[name].half().float()), name
    answers = evaluate_tamp.some(Job("tamp", 0, 1, Evaluate(weights=str(tmp_path / "weights"))))
    assert {a["test"] for a in answers} >= {"p1", "p2"}


def test_weights_for_another_language_model_are_refused(folders: dict[str, str], tmp_path: Path) -> None:
    save(reasoner(folders["llama"]), tmp_path / "weights")
    other = language(tmp_path / "wide", "llama", hidden_size=64)
    config = tmp_path / "weights" / "config.json"
    config.write_text(config.read_text().replace(folders["llama"], other))
    with pytest.raises(UserError, match="hidden size 48"):
        load(str(tmp_path / "weights"))


def test_layers_are_computed_again_on_the_way_back_where_that_is_asked_for(
    folders: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers.models.llama.modeling_llama import LlamaMLP

    calls: list[int] = []
    forward = LlamaMLP.forward
    monkeypatch.setattr(LlamaMLP, "forward", lambda self, x: calls.append(1) or forward(self, x))
    counts = []
    for again in (False, True):
        calls.clear()
        settings = Settings(
            out=str(tmp_path / str(again)), scenes=2, kinds="q1", steps=1, batch=2, precision="no", backbone="hf",
            backbone_from=folders["llama"], checkpointing=again,
        )  # fmt: skip
        main(settings, {})
        counts.append(len(calls))
    assert counts == [2, 4]


def test_a_rank_of_nothing_is_refused(folders: dict[str, str]) -> None:
    with pytest.raises(UserError, match="lora_rank=0"):
        main(Settings(backbone="hf", backbone_from=folders["llama"], tune="lora", lora_rank=0), {})


def test_a_tiny_model_has_nothing_to_freeze() -> None:
    with pytest.raises(UserError, match="knows nothing before training"):
        main(Settings(tune="frozen"), {})
