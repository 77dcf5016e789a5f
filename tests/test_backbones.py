"""Backbones that others trained: packed = alone, cached = uncached, saved = loaded, and a plan always parses."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from embodied import plan
from embodied.errors import UserError
from embodied.model.decode import Look
from embodied.model.grammar import Grammar
from embodied.model.lessons import ask_check, ask_plan
from embodied.model.narrow import FEW, narrow
from embodied.model.network import EmbodiedModel, Level
from embodied.model.reading import _walk
from embodied.model.subwords import Subwords
from embodied.model.tokens import CONTROLS, XS, YS
from embodied.model.weights import from_pretrained, save_pretrained
from tests.published import LANGUAGE, embodied, language, tokenizer
from tests.test_model import seen


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    root = tmp_path_factory.mktemp("published")
    return {kind: language(root / kind, kind) for kind in LANGUAGE}


@pytest.fixture(scope="module")
def models(folders: dict[str, str]) -> dict[str, EmbodiedModel]:
    return {kind: embodied(backbone="hf", backbone_from=folder) for kind, folder in folders.items()}


@pytest.mark.parametrize("kind", LANGUAGE)
def test_answers_from_the_cache_equal_one_pass_over_the_packed_sentence(kind: str, models) -> None:
    model = models[kind]
    images, states = seen(model)
    look, words = Look(model, images, states), model.words
    first, second = (
        words.spell(words.encode(text)) for text in (ask_plan("pick red block"), ask_check("pick red block"))
    )
    ids = torch.tensor([[*look.ids, *first, *second]])
    segment = torch.tensor([[0] * len(look.ids) + [1] * len(first) + [2] * len(second)])
    with torch.inference_mode():
        whole = model(ids, segment, model.look(images, states)[0])
        look._read(words.encode(ask_plan("pick red block")))
        look._forget()
        alone = look._read(words.encode(ask_check("pick red block")))
    torch.testing.assert_close(alone, whole[:, -len(second) :], atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize("kind", LANGUAGE)
def test_their_own_words_are_read_and_answered_as_the_library_does(kind: str, models, folders) -> None:
    """inputs_embeds and our cache against ids, for tokens that are theirs: the same next token at every step."""
    from transformers import AutoModelForCausalLM

    backbone = models[kind].backbone
    theirs = AutoModelForCausalLM.from_pretrained(folders[kind]).eval()
    ids = torch.tensor(tokenizer().encode("please pick up the red block and put it").ids)
    with torch.inference_mode():
        want = theirs(ids[None]).logits[0, :, : backbone.base]
        whole = backbone.hidden(backbone.embed(ids[None]), torch.zeros_like(ids[None]))[0]
        reader = backbone.reader()
        cached = torch.cat([reader.read(backbone.embed(part)) for part in ids.split(3)])
        for hidden in (whole, cached):
            got = backbone.logits(hidden)[:, : backbone.base]
            torch.testing.assert_close(got, want, atol=2e-4, rtol=1e-3)
            assert torch.equal(got.argmax(-1), want.argmax(-1))
        some = [0, 5, backbone.base, backbone.base + 7]
        torch.testing.assert_close(backbone.logits(whole, some), backbone.logits(whole)[:, some])


def words_of(vocabulary: int = 300) -> Subwords:
    return Subwords.extended(tokenizer(vocabulary), ["front", "arm", "objects"])


def test_our_tokens_are_added_behind_theirs_and_words_are_spelled_by_themselves() -> None:
    words = words_of()
    assert words.base == tokenizer().get_vocab_size() and words[XS[0]] == words.base
    assert all(words[token] >= words.base for token in (*CONTROLS, *XS, *YS, "<front>"))
    text = "<plan> put green cylinder in front of red block <x003><y127>\npick red block"
    ids = words.encode(text)
    assert words.decode(ids) == "<plan> put green cylinder in front of red block <x003> <y127>\npick red block"
    green = ids[2]
    assert green == words["green"] >= len(words) and len(words.spell([green])) > 1
    assert words.decode(words.encode("put the red one, don't push it")) == " put the red one, don't push it".strip()
    theirs = tokenizer().encode(" put the red one").ids
    assert words.spell(words.encode("Put the red one")) == theirs  # as their tokenizer reads it


@settings(max_examples=25)
@given(st.integers(0, 2**31 - 1), st.integers(260, 420))
def test_a_walk_through_the_grammar_always_parses_whatever_the_spelling(seed: int, vocabulary: int) -> None:
    words, generator = words_of(vocabulary), torch.Generator().manual_seed(seed)
    grammar, out = Grammar(words, most_steps=3), list[int]()
    while (choices := grammar.steps(out, some=True)) != [grammar.eos]:
        token = choices[int(torch.randint(len(choices), (1,), generator=generator))]
        if token == grammar.eos:
            break
        out.append(token)
    assert plan.read(words.decode(out)).steps


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_a_plan_of_an_untrained_language_model_parses(kind: str, models) -> None:
    model = models[kind]
    look, grammar = Look(model, *seen(model)), Grammar(model.words, most_steps=2)
    ids, score = look.say(ask_plan("pick the red block"), lambda so_far: grammar.steps(so_far, some=True), most=40)
    while grammar.steps(ids, some=True)[-1] != grammar.eos:  # cut off in the middle of a line
        ids.append(grammar.steps(ids, some=True)[0])
    assert plan.read(model.words.decode(ids)).steps and -20 < score < 0
    assert look.reader.length == look.known


def test_a_word_of_several_tokens_is_as_likely_as_its_spelling(models) -> None:
    """The walk against the model asked for each spelling, token by token; one spelling is the start of another."""
    model = models["llama"]
    look, words = Look(model, {}, {}), model.words
    spelled = [[10, 11, 12], [10, 11, 13], [10, 14], [20], [10, 11]]
    with torch.inference_mode():
        hidden = look._read(words.encode(ask_check("pick red block")))[0, -1]
        start = look.reader.length
        got = _walk(look, hidden, spelled)
        assert look.reader.length == start
        first = model.backbone.logits(hidden, [10, 20]).log_softmax(-1)
        after = model.backbone.logits(
            look._feed(model.backbone.embed(torch.tensor([10])))[0, -1], [11, 14]
        ).log_softmax(-1)
        every = model.backbone.logits(look._feed(model.backbone.embed(torch.tensor([11])))[0, -1]).softmax(-1)
    want = [every[12].log() + after[0] + first[0], every[13].log() + after[0] + first[0], after[1] + first[0], first[1]]
    torch.testing.assert_close(got[:4], torch.stack(want))
    torch.testing.assert_close(got[4], (1 - every[12] - every[13]).log() + after[0] + first[0], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(got.exp().sum(), torch.tensor(1.0))


def test_the_chance_of_an_answer_is_the_product_of_its_words_of_several_tokens(models) -> None:
    model = models["gpt2"]
    look, grammar, text = Look(model, *seen(model)), Grammar(model.words), ask_plan("pick the red block")
    said, product = model.words.encode("pick green cylinder"), 1.0
    assert max(said) >= len(model.words)
    for k, token in enumerate(said):
        choices = grammar.steps(said[:k])
        product *= float(look.expect(text, said[:k], choices)[choices.index(token)])
    assert look.chance(text, said, grammar.steps) == pytest.approx(product, rel=2e-3)
    assert look.reader.length == look.known


@pytest.mark.parametrize("tune", ["frozen", "lora", "full"])
def test_what_is_learnt_is_what_was_chosen_and_what_is_saved_is_what_was_learnt(
    tune: str, folders, tmp_path: Path
) -> None:
    if tune == "lora":
        pytest.importorskip("peft", reason="the extra lm is not installed")
    model = embodied(backbone="hf", backbone_from=folders["llama"], tune=tune)
    learnt = {name for name, p in model.named_parameters() if p.requires_grad}
    theirs = {name for name in learnt if name.startswith("backbone.lm.")}
    assert {"backbone.table", "encoders.front.position", "level.arm.shift"} <= learnt
    assert {"frozen": not theirs, "lora": theirs and all("lora_" in name for name in theirs)}.get(
        tune, len(theirs) > 10
    )
    with torch.no_grad():
        for name in learnt:
            model.get_parameter(name).add_(0.01)
    save_pretrained(model, tmp_path, torch.float32)
    again = from_pretrained(str(tmp_path))
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], tensor, rtol=0, atol=0)
    small = sum(path.stat().st_size for path in tmp_path.glob("*.safetensors"))
    everything = sum(t.numel() * 4 for t in model.state_dict().values())
    assert (small < everything - 1e5) == (tune != "full")
    asked = ask_check("pick red block")
    one, other = (Look(each, *seen(each)).choose(asked, [3, 4, 5]) for each in (model, again))
    torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_adapters_start_as_nothing_and_soft_tokens_as_large_as_words(folders, models) -> None:
    pytest.importorskip("peft", reason="the extra lm is not installed")
    adapted, plain = embodied(backbone="hf", backbone_from=folders["llama"], tune="lora"), models["llama"]
    images, states = seen(plain)
    ids = torch.tensor([[5, 6, 7]])
    with torch.inference_mode():
        one, other = (m.backbone.hidden(m.backbone.embed(ids), torch.zeros_like(ids)) for m in (adapted, plain))
        vectors = plain.look(images, states)[0]
    torch.testing.assert_close(one, other)
    for rows in vectors.values():
        assert 0.5 < float(rows.square().mean().sqrt()) / plain.backbone.rms < 2
    blank = Level(48, plain.backbone.rms)
    zero = torch.zeros(1, 2, 48, requires_grad=True)
    out = blank(zero)
    assert out.abs().min() > 0
    out.sum().backward()
    assert torch.isfinite(zero.grad).all()


def test_another_backbone_than_the_weights_were_trained_on_is_told(folders, tmp_path: Path) -> None:
    save_pretrained(embodied(backbone="hf", backbone_from=folders["llama"]), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    wider = language(tmp_path / "wider", "llama", hidden_size=64)
    for source, words in ((wider, "hidden size 48.*has 64"), (str(tmp_path / "nowhere"), "no language model at")):
        (tmp_path / "config.json").write_text(json.dumps(config | {"backbone_from": source}))
        with pytest.raises(UserError, match=words):
            from_pretrained(str(tmp_path))


def test_a_prompt_over_the_context_length_is_told(folders, tmp_path: Path) -> None:
    short = embodied(backbone="hf", backbone_from=language(tmp_path / "short", "gpt2", n_positions=40))
    look = Look(short, {}, {})
    with pytest.raises(UserError, match=r"the prompt has \d+ tokens, this backbone reads 40 at most"):
        look.choose(ask_check("pick red block " * 20), [3, 4])
    ids = torch.full((1, 41), 5)
    with pytest.raises(UserError, match="41 tokens"):
        short(ids, torch.zeros_like(ids), {})


def test_wrong_choices_are_told(folders) -> None:
    for chosen, words in (
        ({"backbone": "hf"}, "needs backbone_from="),
        ({"backbone": "tiny", "backbone_from": "x"}, "leave it out"),
        ({"backbone": "tiny", "tune": "lora"}, "needs smollm2 or hf"),
        ({"backbone": "hf", "backbone_from": "no-such/model"}, "no language model at 'no-such/model'"),
        ({"backbone": "hf", "backbone_from": folders["llama"], "tune": "half"}, "unknown tune 'half'"),
        ({"backbone": "bert"}, "unknown backbone 'bert'"),
        ({"vision": "eye"}, "unknown vision 'eye'"),
    ):
        with pytest.raises(UserError, match=words):
            embodied(**chosen)


def test_forced_words_and_free_answers_go_through_the_same_ids(models) -> None:
    model = models["llama"]
    look, words, grammar = Look(model, {}, {}), model.words, Grammar(model.words)
    fixed = words.encode("green cylinder")

    def allowed(so_far: Sequence[int]) -> list[int]:
        return [fixed[len(so_far)]] if len(so_far) < len(fixed) else [grammar.eos]

    assert look.say(ask_plan("pick it"), allowed)[0] == fixed
    ids, _ = look.say(ask_plan("pick it"), lambda _: grammar.anything, most=5)
    assert isinstance(words.decode(ids), str) and max(ids) < len(words)


@pytest.mark.parametrize("kind", ["llama", "qwen3"])
def test_their_weights_in_16_bits_answer_nearly_alike_and_ours_stay(kind: str, folders) -> None:
    model = embodied(backbone="hf", backbone_from=folders[kind])
    ids, table = torch.arange(5, 15), model.backbone.table.clone()
    answers = []
    for change in (lambda: None, model.backbone.halve, model.backbone.narrow):
        change()
        with torch.inference_mode():
            hidden = model.backbone.reader().read(model.backbone.embed(ids))
            answers.append(
                torch.cat([model.backbone.logits(hidden)[:, ::7], model.backbone.logits(hidden, [0, 400])], 1)
            )
    assert torch.equal(model.backbone.table, table)
    for other in answers[1:]:
        assert other.dtype == torch.float32 and 0 < (answers[0] - other).norm() < 0.03 * answers[0].norm()
    assert not torch.equal(answers[1], answers[2])


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 2 * FEW), st.booleans(), st.booleans(), st.integers(0, 2**32))
def test_narrow_rows_multiply_as_their_numbers_do(few: int, biased: bool, computes: bool, seed: int) -> None:
    """computes: whether the processor has 16 bits, so that the numbers stand in these beside."""
    torch.manual_seed(seed)
    linear, x = torch.nn.Linear(64, 48, bias=biased), torch.randn(1, few, 64).bfloat16()
    model = torch.nn.ModuleDict({"a": linear, "lora_A": torch.nn.Linear(64, 4)})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("embodied.model.narrow.has_bf16", lambda device: computes)
        narrow(model)
    assert (model["a"].weight is not None) == computes
    assert type(model["lora_A"]) is torch.nn.Linear
    scale = model["a"].scale.float()[:, None]
    rows = model["a"].rows.float() * scale
    assert ((rows - linear.weight).abs() <= 0.51 * scale).all()
    with torch.no_grad():
        got, want = model["a"](x), torch.nn.functional.linear(x.float(), rows, linear.bias)
    assert got.shape == (1, few, 48) and got.dtype == torch.bfloat16
    torch.testing.assert_close(got.float(), want, rtol=0.02, atol=0.02)
