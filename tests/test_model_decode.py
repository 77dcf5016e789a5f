"""The fast reader equals transformers with its own cache, and skipping forced tokens changes nothing."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import pytest
import torch
from transformers import DynamicCache, LlamaConfig, LlamaModel

from embodied.model.decode import Look
from embodied.model.grammar import Grammar
from embodied.model.lessons import ask_plan
from embodied.model.llama import Llama, Sizes
from embodied.model.reader import ROOM, Reader
from tests.test_model import made, seen


@pytest.mark.parametrize("shared", [4, 2])
def test_reader_equals_transformers_token_by_token_and_when_it_grows(shared: int) -> None:
    torch.manual_seed(0)
    backbone = LlamaModel(
        LlamaConfig(
            vocab_size=50, hidden_size=64, intermediate_size=96, num_hidden_layers=3, num_attention_heads=4,
            num_key_value_heads=shared, max_position_embeddings=1024, attn_implementation="sdpa",
        )
    ).eval()  # fmt: skip
    with torch.inference_mode():
        for parameter in backbone.parameters():
            parameter.normal_(0, 0.1)
        reader, cache = Reader(backbone), DynamicCache()
        for n in (9, 1, 1, 5, ROOM, 1, ROOM * 2, 1):  # prefix, tokens, a question, then past the room it starts with
            embeds = torch.randn(n, 64)
            theirs = backbone(inputs_embeds=embeds[None], past_key_values=cache, use_cache=True).last_hidden_state[0]
            torch.testing.assert_close(reader.read(embeds), theirs, atol=1e-4, rtol=1e-4)
        reader.length = 9  # forgotten tokens leave no trace
        again = reader.read(embeds)
        cache.crop(9 - cache.get_seq_length())
        theirs = backbone(inputs_embeds=embeds[None], past_key_values=cache, use_cache=True).last_hidden_state[0]
        torch.testing.assert_close(again, theirs, atol=1e-4, rtol=1e-4)


def test_a_llama_without_the_library_is_the_librarys() -> None:
    torch.manual_seed(0)
    bare = Llama(Sizes(50, 64, 96, 3, 4, 2)).eval()
    for parameter in bare.parameters():
        torch.nn.init.normal_(parameter, 0, 0.2)
    rolled = torch.get_rng_state()
    theirs = bare.dressed()
    assert torch.equal(torch.get_rng_state(), rolled)
    assert {n: id(p) for n, p in theirs.named_parameters()} == {n: id(p) for n, p in bare.named_parameters()}
    assert bare.state_dict().keys() == theirs.state_dict().keys()
    embeds = torch.randn(9, 64)
    with torch.inference_mode():
        hidden = theirs(inputs_embeds=embeds[None]).last_hidden_state[0]
        torch.testing.assert_close(Reader(bare).read(embeds), hidden, atol=1e-5, rtol=1e-5)
    theirs(inputs_embeds=embeds[None]).last_hidden_state.sum().backward()
    assert all(p.grad is not None for n, p in bare.named_parameters() if n != "embed_tokens.weight")
    assert bare.train().dressed().training and len(copy.deepcopy(bare).dressed().layers) == 3


def test_forced_tokens_read_along_with_the_next_give_the_same_plan() -> None:
    model = made()
    look, grammar, text = Look(model, *seen(model)), Grammar(model.words), ask_plan("pick the red block")
    between = model.words.encode("put red block between blue block")  # after the last point only "and" may stand

    def allowed(so_far: Sequence[int]) -> list[int]:
        choices = grammar.steps(so_far)
        return [between[len(so_far)]] if len(so_far) < len(between) else choices

    ids, score = look.say(text, allowed, most=24)
    out, scores = [], []
    while len(out) < 24 and (choices := allowed(out)) != [grammar.eos]:
        chances = look.expect(text, out, choices)
        out.append(choices[int(chances.argmax())])
        scores += [float(chances.max().log())] if len(choices) > 1 else []
        if out[-1] == grammar.eos:
            out.pop()
            break
    assert ids == out and model.words["and"] in ids
    assert score == pytest.approx(sum(scores) / len(scores), abs=1e-5)


def test_the_chance_of_an_answer_is_the_product_of_its_words() -> None:
    model = made()
    look, grammar, text = Look(model, *seen(model)), Grammar(model.words), ask_plan("pick the red block")
    said, product = model.words.encode("pick red block"), 1.0
    for k, token in enumerate(said):
        choices = grammar.steps(said[:k])
        product *= float(look.expect(text, said[:k], choices)[choices.index(token)])
    assert look.chance(text, said, grammar.steps) == pytest.approx(product, rel=1e-3)
    assert look.reader.length == look.known  # nothing stays
