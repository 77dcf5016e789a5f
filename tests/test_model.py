"""Equalities of the model: cached = uncached, packed = alone, ours = transformers, batch = single."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import LlamaForCausalLM

from embodied.errors import UserError
from embodied.model.attention import attend, blocks, positions
from embodied.model.decode import Look
from embodied.model.grammar import Grammar
from embodied.model.lessons import ALL, ask_check, ask_job, ask_move, ask_plan
from embodied.model.network import EmbodiedModel, ModelConfig, before
from embodied.model.sentence import Objects, Picture, Prompt, Series, Text, embed, pad
from embodied.model.tokens import Words, train_vocabulary

INPUTS = ("front", "wrist", "arm", "objects")


def made(head: str = "flow") -> EmbodiedModel:
    torch.manual_seed(0)
    words = Words(train_vocabulary(["please pick up the red block and put it in the blue bowl"] * 2, INPUTS))
    scale = {name: {"mean": [0.0] * n, "std": [1.0] * n} for name, n in (("arm", 6), ("action", 6))}
    small = ModelConfig(
        layers=2, dim=96, heads=3, mlp=128, vit_depth=1, vit_channels=32, head=head, statistics=scale,
        cameras={"front": (96, 160, 32), "wrist": (96, 96, 32)},
    )  # fmt: skip
    model = EmbodiedModel(small, words).eval()
    for mix in (model.smear.one, model.smear.two):  # which starts as the identity
        torch.nn.init.normal_(mix.weight, 0, 0.1)
    return model


@pytest.fixture(scope="module")
def model() -> EmbodiedModel:
    return made()


def seen(model: EmbodiedModel, seed: int = 0, b: int = 1):
    rng = np.random.default_rng(seed)
    images = {
        c: torch.from_numpy(rng.integers(0, 256, (b, h, w, 3), dtype=np.uint8))
        for c, (h, w, _) in model.config.cameras.items()
    }
    return images, {"arm": torch.from_numpy(rng.normal(size=(b, 8, 6)).astype(np.float32))}


def test_cached_decoding_equals_one_pass_over_the_packed_sentence(model: EmbodiedModel) -> None:
    images, states = seen(model)
    look = Look(model, images, states)
    first, second = model.words.encode(ask_plan("pick the red block")), model.words.encode(ask_check("pick red block"))
    ids = torch.tensor([[*look.ids, *first, *second]])
    segment = torch.tensor([[0] * len(look.ids) + [1] * len(first) + [2] * len(second)])
    with torch.inference_mode():
        whole = model(ids, segment, model.look(images, states)[0])
        alone = look._read(second)
    torch.testing.assert_close(alone, whole[:, -len(second) :], atol=1e-4, rtol=1e-4)
    look._forget()
    again = look.choose(ask_check("pick red block"), [0, 1])
    look.say(ask_plan("pick the red block"), Grammar(model.words).steps, most=6)
    torch.testing.assert_close(look.choose(ask_check("pick red block"), [0, 1]), again)


def test_sentence_path_equals_transformers_on_the_same_ids(model: EmbodiedModel) -> None:
    reference = LlamaForCausalLM(model.backbone.dressed().config).eval()
    reference.model.load_state_dict(model.backbone.state_dict())
    reference.tie_weights()
    ids = torch.tensor([model.words.encode("please pick up the red block")])
    with torch.inference_mode():
        ours = model.logits(model(ids, torch.zeros_like(ids), {}))
        words = reference.model.embed_tokens(ids)
        one, two = (torch.nn.functional.pad(words, (0, 0, k, 0))[:, : words.shape[1]] for k in (1, 2))
        theirs = reference(inputs_embeds=model.smear(words, one, two)).logits
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_padding_and_neighbours_change_nothing_but_order_does(model: EmbodiedModel) -> None:
    a, b = model.words.encode("pick red block"), model.words.encode("put red block in blue bowl")
    ids, mask = pad([a, b], 0)
    segment = torch.where(mask, 0, -1)
    with torch.inference_mode():
        together = model(ids, segment, {})
        alone = model(torch.tensor([a]), torch.zeros(1, len(a), dtype=torch.long), {})
        turned = model(torch.tensor([a[::-1]]), torch.zeros(1, len(a), dtype=torch.long), {})
    torch.testing.assert_close(together[:1, : len(a)], alone, atol=1e-5, rtol=1e-4)
    assert (alone[0, -1] - turned[0, -1]).abs().max() > 1e-3


def test_batch_equals_single_through_pictures_too(model: EmbodiedModel) -> None:
    images, states = seen(model, b=2)
    ids = torch.tensor([model.prompt("pick red block").ids(model.words)] * 2)
    with torch.inference_mode():
        both = model(ids, torch.zeros_like(ids), model.look(images, states)[0])
        one = {c: x[1:] for c, x in images.items()}, {s: x[1:] for s, x in states.items()}
        single = model(ids[1:], torch.zeros_like(ids[1:]), model.look(*one)[0])
    torch.testing.assert_close(both[1:], single, atol=1e-4, rtol=1e-4)


def test_prompt_shows_itself_and_takes_inputs_in_any_order(model: EmbodiedModel) -> None:
    prompt = Prompt((Text("pick red"), Series("arm"), Objects(2), Picture("wrist")), model.counts)
    assert str(prompt) == "pick red <arm x2> <objects x2> <wrist x9>"
    ids = prompt.ids(model.words)
    assert len(ids) == 2 + 2 + 2 + 9
    arm = torch.full((2, 96), 7.0)
    out = embed(model.backbone.embed_tokens, torch.tensor([ids]), {model.words["<arm>"]: arm})
    torch.testing.assert_close(out[0, 2:4], arm)
    with pytest.raises(UserError, match="2 places"):
        embed(model.backbone.embed_tokens, torch.tensor([ids]), {model.words["<arm>"]: arm[:1]})
    with pytest.raises(UserError, match="no encoder for 'side'"):
        Prompt((Picture("side"),), model.counts).ids(model.words)


def test_a_segment_follows_on_the_prefix_not_on_its_neighbour() -> None:
    one, two = before(torch.tensor([[0, 0, 0, 1, 1, 2, 2, -1]]))
    assert one[0, :7].tolist() == [8, 0, 1, 2, 3, 2, 5]
    assert two[0, :7].tolist() == [8, 8, 0, 1, 2, 1, 2]


def test_a_segment_counts_on_from_the_prefix() -> None:
    assert positions(torch.tensor([[0, 0, 1, 1, 2, -1]]))[0].tolist()[:5] == [0, 1, 2, 3, 2]


@given(st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=4), min_size=1, max_size=3))
def test_packed_attention_is_attention_under_a_dense_mask_and_so_are_its_gradients(rows: list[list[int]]) -> None:
    n = max(map(sum, rows)) + 1
    segment = torch.full((len(rows), n), -1)
    for row, lengths in zip(segment, rows, strict=True):
        row[: sum(lengths)] = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    same = (segment[:, :, None] == segment[:, None]) | (segment[:, None] == 0)
    mask = same & torch.ones(n, n, dtype=torch.bool).tril()
    q, k, v = torch.randn(3, len(rows), 2, n, 4, generator=torch.Generator().manual_seed(n)).requires_grad_()
    ours = attend(torch.nn.Module(), q, k, v, None, blocks(segment), scaling=0.5)[0]
    dense = torch.nn.functional.scaled_dot_product_attention(q, k, v, mask[:, None], scale=0.5).transpose(1, 2)
    spoken = segment >= 0
    torch.testing.assert_close(ours[spoken], dense[spoken])
    weight = torch.randn(ours[spoken].shape, generator=torch.Generator().manual_seed(1))
    for a, b in zip(
        torch.autograd.grad((ours[spoken] * weight).sum(), (q, k, v)),
        torch.autograd.grad((dense[spoken] * weight).sum(), (q, k, v)),
        strict=True,
    ):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


def test_questions_go_on_from_what_was_noted_last(model: EmbodiedModel) -> None:
    look, grammar = Look(model, *seen(model)), Grammar(model.words)
    alone = look.choose(ask_check("pick red block"), grammar.verdict)
    look.note(ALL, "blue bowl in hand")
    other = look.choose(ask_check("pick red block"), grammar.verdict)
    look.note(ALL, "red")
    noted = look.choose(ask_check("pick red block"), grammar.verdict)
    assert (alone - noted).abs().max() > 1e-5 and (other - noted).abs().max() > 1e-5
    once = (
        look.model.words.encode(ALL)
        + [model.words["red"], grammar.eos]
        + model.words.encode(ask_check("pick red block"))
    )
    fresh = Look(model, *seen(model))  # which has noted nothing before
    with torch.inference_mode():
        whole = (fresh._read(once)[0, -1] @ model.backbone.embed_tokens.weight[grammar.verdict].T).softmax(-1)
    torch.testing.assert_close(noted, whole, atol=1e-5, rtol=1e-4)


def test_a_picture_is_read_when_a_question_needs_it_and_not_before(model: EmbodiedModel) -> None:
    look, grammar = Look(model, *seen(model)), Grammar(model.words)
    look.note(ALL, "red block in hand")
    ids, _ = look.say(ask_check("pick red block"), lambda so_far: [[3], [grammar.eos]][min(len(so_far), 1)])
    assert ids == [3] and look.reader.length == 0  # nothing was left to choose
    late = look.choose(ask_check("pick red block"), grammar.verdict)
    early = Look(model, *seen(model))
    early.choose(ask_check("pick red block"), grammar.verdict)
    early.note(ALL, "red block in hand")
    torch.testing.assert_close(early.choose(ask_check("pick red block"), grammar.verdict), late, rtol=1e-5, atol=1e-6)


def feeling(model: EmbodiedModel, seed: int = 0, b: int = 1) -> dict[str, torch.Tensor]:
    """States of the arm, and what the hand goes for."""
    rng = np.random.default_rng(seed)
    states = {"arm": rng.normal(size=(b, 8, 6)), "objects": rng.normal(size=(b, 3, 11))}
    return {name: torch.from_numpy(state.astype(np.float32)) for name, state in states.items()}


def test_cached_motion_equals_the_pass_that_training_makes(model: EmbodiedModel) -> None:
    states, step = feeling(model), model.words.encode(ask_move("pick red block"))
    prefix = model.motion_prompt().ids(model.words)
    ids = torch.tensor([[*prefix, *step]])
    segment = torch.tensor([[0] * len(prefix) + [1] * len(step)])
    with torch.inference_mode():
        hidden = model(ids, segment, model.feel(states), moving=True)
        spoken = model(ids, segment, model.feel(states))
        mask = torch.ones(hidden.shape[:2], dtype=torch.bool)
        whole = model.head.sample(hidden, mask, 5, torch.Generator().manual_seed(0))[0]
    look = Look(model, {}, states)
    moved = [
        look.move(ask_move("pick red block"), generator=torch.Generator().manual_seed(0)) for _ in range(2)
    ]  # the second is not told by the first
    torch.testing.assert_close(look.hidden[: len(prefix)], hidden[0, : len(prefix)], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(moved[0], whole, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(moved[1], moved[0], rtol=0, atol=0)
    assert (hidden - spoken).abs().max() > 0.1  # what went in is added for motion alone


def test_motion_knows_what_the_hand_goes_for_and_which_step(model: EmbodiedModel) -> None:
    states = feeling(model)
    other = states | {"objects": feeling(model, 1)["objects"]}

    def rows(states: dict[str, torch.Tensor], step: str) -> torch.Tensor:
        return Look(model, {}, states).move(ask_move(step), generator=torch.Generator().manual_seed(0))

    first = rows(states, "pick red block")
    assert (rows(other, "pick red block") - first).abs().max() > 1e-4
    assert (rows(states, "push red block to blue zone") - first).abs().max() > 1e-4
    with pytest.raises(UserError, match="'arm' is missing"):
        rows({"objects": states["objects"]}, "pick red block")


def test_a_sentence_is_read_the_same_without_pictures_whatever_was_asked_before(model: EmbodiedModel) -> None:
    look = Look(model, {}, {})
    look.note(ALL, "red block <x010><y020>")
    first = look.choose(ask_job("pick the red block"), [0, 1])
    look.note(ALL, "blue bowl <x030><y040>")
    look.note(ALL, "red block <x010><y020>")
    torch.testing.assert_close(look.choose(ask_job("pick the red block"), [0, 1]), first)
