"""The fast reader equals transformers with its own cache, and skipping forced tokens changes nothing."""

from __future__ import annotations

import copy
import dataclasses
import random
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import DynamicCache, LlamaConfig, LlamaModel

from embodied.errors import UserError
from embodied.model import reading
from embodied.model.decode import Look
from embodied.model.grammar import Grammar
from embodied.model.lessons import ask_plan
from embodied.model.llama import Llama, Sizes
from embodied.model.reader import ROOM, Reader
from embodied.model.reading import AHEAD, Guess, copied
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


def counted(look: Look) -> list[int]:
    """Tokens of each read from now on."""
    reads, read = list[int](), look.reader.read
    look.reader.read = lambda embeds: reads.append(len(embeds)) or read(embeds)  # type: ignore[method-assign]
    return reads


def test_a_question_that_begins_as_the_one_before_is_read_from_where_they_part() -> None:
    model = made()
    look, words = Look(model, *seen(model)), model.words
    first, second = (words.encode(ask_plan(goal)) for goal in ("pick the red block", "pick the red bowl"))
    part = next(k for k, (a, b) in enumerate(zip(first, second, strict=True)) if a != b)
    with torch.inference_mode():
        for read in (first, second):
            look._read(read)
            look._forget()
        reads = counted(look)
        got = [look._read(second[:k]).clone() for k in (3, len(second)) if look._forget() is None]
        look._forget()
        back = look._read(first)
        fresh = [Look(model, *seen(model))._read(ids) for ids in (second[:3], second, first)]
    assert reads == [len(first) - part]  # what was asked last is all there
    for mine, theirs in zip([*got, back], fresh, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("right", [True, False])
def test_words_read_on_a_guess_change_nothing_and_save_reads(right: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer is the question's words, which is what is guessed, or it is not."""
    model = made()
    text, end = ask_plan("pick the red block"), model.words["<eos>"]
    ids, hidden = model.words.encode(text), list[torch.Tensor]()
    said, other = (ids[:4], model.words["blue"]) if right else (ids[3:0:-1], ids[0])

    def allowed(so_far: Sequence[int]) -> list[int]:
        return [end] if len(so_far) == len(said) else [said[len(so_far)], other]

    def ask(look: Look, unread: list[int], choices: list[int], guess: Guess = list) -> torch.Tensor:
        hidden.append(look._read(unread, guess)[0, -1].clone())
        return torch.tensor([1.0, 0.0])  # of two words that may stand, the one that is said

    monkeypatch.setattr(Look, "_ask", ask)
    reads = {}
    for ahead in (0, AHEAD):
        monkeypatch.setattr(reading, "AHEAD", ahead)
        look = Look(model, *seen(model))
        reads[ahead] = counted(look)
        assert look.say(text, allowed)[0] == said
    one_by_one, guessing = torch.stack(hidden).chunk(2)
    torch.testing.assert_close(one_by_one, guessing, atol=1e-4, rtol=1e-4)
    assert len(reads[0]) == len(said) and len(reads[AHEAD]) == (1 if right else len(said))


def test_a_prompt_that_just_fits_is_answered_and_what_is_held_is_not_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    model = made()
    text, guessed = ask_plan("pick the red block"), list[int]()
    ids = model.words.encode(text)
    either = [model.words["blue"], model.words["<eos>"]]

    def answer(most: int, ahead: int) -> list[int] | str:
        monkeypatch.setattr(reading, "AHEAD", ahead)
        look = Look(model, *seen(model))
        backbone = look.reader.backbone
        monkeypatch.setattr(backbone, "config", dataclasses.replace(backbone.config, max_position_embeddings=most))
        try:
            said = look.say(text, lambda so_far: [ids[2], either[1]] if len(so_far) < 3 else either, most=4)[0]
        except UserError as error:
            return str(error)
        before = len(guessed)
        look._read(ids, lambda: guessed.append(1) or [])  # held since it was asked
        assert len(guessed) == before
        return said

    fits = len(Look(model, *seen(model)).ids) + len(ids)
    answers = [[answer(most, ahead) for most in range(fits - 1, fits + 6)] for ahead in (0, AHEAD)]
    assert answers[0] == answers[1]
    assert {type(one) for one in answers[0]} == {str, list}


@given(st.lists(st.integers(1, 6), max_size=8), st.lists(st.integers(1, 6), max_size=4), st.integers(0, 2**16))
def test_a_guess_keeps_to_the_grammar_and_stops_before_the_end(question: list[int], said: list[int], seed: int) -> None:
    def allowed(so_far: Sequence[int]) -> list[int]:
        dice = random.Random(f"{seed} {list(so_far)}")
        return sorted(dice.sample(range(6), dice.randint(1, 3)))  # 0 is the end

    guess = copied(question, said, allowed, 0)
    assert len(guess) <= AHEAD and 0 not in guess
    for k, word in enumerate(guess):
        choices = allowed([*said, *guess[:k]])
        assert word in choices and (word in question or choices == [word])
