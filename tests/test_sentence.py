"""Sentences with several pictures: earlier ones with ages, solved examples first; order matters, padding does not."""

from __future__ import annotations

import pytest
import torch

from embodied.errors import UserError
from embodied.model.decode import Look
from embodied.model.grammar import Grammar
from embodied.model.lessons import ALL, ask_check
from embodied.model.network import EmbodiedModel
from embodied.model.sentence import Example, few_shot, pad
from embodied.model.tokens import WHEN, YES
from tests.published import embodied
from tests.test_model import seen


def frames(model: EmbodiedModel, k: int) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """k pictures of each camera, (1, k, H, W, 3)."""
    images, states = seen(model, b=k)
    return {camera: image[None] for camera, image in images.items()}, {name: one[:1] for name, one in states.items()}


def verdict(
    model: EmbodiedModel, images: dict[str, torch.Tensor], states: dict[str, torch.Tensor], prompt=None
) -> torch.Tensor:
    return Look(model, images, states, prompt=prompt).choose(ask_check("pick red block"), Grammar(model.words).verdict)


def test_a_history_tells_then_from_now() -> None:
    model = embodied(history=3)
    assert str(model.prompt()).startswith(
        "<bos> <front x15 2 ago> <front x15 1 ago> <front x15 0 ago> <wrist x9 2 ago>"
    )
    assert model.prompt().ids(model.words).count(model.words[WHEN]) == 6
    images, states = frames(model, 3)
    now = verdict(model, images, states)
    turned = verdict(model, {camera: image.flip(1) for camera, image in images.items()}, states)
    assert (now - turned).abs().max() > 1e-5
    with torch.no_grad():
        model.encoders["when"].out.weight.mul_(3)
    assert (now - verdict(model, images, states)).abs().max() > 1e-5  # the ages are read
    assert embodied().prompt().ages == [] and "when" not in embodied().encoders


def test_a_batch_of_histories_equals_each_alone() -> None:
    model = embodied(history=2)
    images = {c: torch.cat([frames(model, 2)[0][c], frames(model, 4)[0][c][:, 2:]]) for c in model.config.cameras}
    states = {"arm": seen(model, b=2)[1]["arm"]}
    ids = torch.tensor([model.prompt("pick red block").ids(model.words)] * 2)
    with torch.inference_mode():
        both = model(ids, torch.zeros_like(ids), model.look(images, states)[0])
        one = model.look({c: x[1:] for c, x in images.items()}, {"arm": states["arm"][1:]})[0]
        alone = model(ids[1:], torch.zeros_like(ids[1:]), one)
    torch.testing.assert_close(both[1:], alone, atol=1e-4, rtol=1e-4)


def test_examples_with_their_pictures_stand_before_the_question() -> None:
    model = embodied()
    shots = [Example(ask_check("pick red block"), YES), Example(ALL, "red block in hand")]
    prompt = few_shot(model.prompt(), shots)
    shown = str(prompt)
    assert shown.count("<front x15>") == 3 and shown.index(YES) < shown.index("in hand") < shown.rindex("<front x15>")
    images, states = frames(model, 3)
    states = {name: one.repeat(3, 1, 1)[None] for name, one in states.items()}
    answer = verdict(model, images, states, prompt)
    swapped = {camera: image[:, [1, 0, 2]] for camera, image in images.items()}
    assert (
        answer - verdict(model, swapped, states, prompt)
    ).abs().max() > 1e-6  # which picture belongs to which answer
    other = few_shot(model.prompt(), shots[::-1])
    assert (answer - verdict(model, images, states, other)).abs().max() > 1e-6
    with pytest.raises(UserError, match="but"):
        verdict(model, {camera: image[:, :2] for camera, image in images.items()}, states, prompt)


def test_cached_answers_to_a_prompt_with_examples_equal_one_padded_pass() -> None:
    model = embodied()
    prompt = few_shot(model.prompt(), [Example(ask_check("pick red block"), YES)])
    images, states = frames(model, 2)
    states = {name: one.repeat(2, 1, 1)[None] for name, one in states.items()}
    question = model.words.encode(ask_check("pick red block"))
    ids, mask = pad([[*prompt.ids(model.words), *question], [1] * 200], 0)
    vectors = model.look(images, states, prompt)[0]
    with torch.inference_mode():
        padded = model(ids, torch.where(mask, 0, -1), vectors)[0, mask[0]]
        look = Look(model, images, states, prompt=prompt)
        cached = look._read(question)[0]
    torch.testing.assert_close(cached, padded[-len(question) :], atol=1e-4, rtol=1e-4)
