"""Equalities of the model: cached = uncached, packed = alone, ours = transformers, saved = loaded, batch = single."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import LlamaForCausalLM

from embodied.data.snapshots import Record
from embodied.errors import UserError
from embodied.model.decode import Look
from embodied.model.grammar import Grammar
from embodied.model.lessons import ALL, Teacher, ask_check, ask_move, ask_plan, cells_of, listing, shifted
from embodied.model.losses import losses, total
from embodied.model.network import EmbodiedModel, ModelConfig, before, positions, visible
from embodied.model.packing import collate
from embodied.model.sentence import Objects, Picture, Prompt, Series, Text, embed, pad
from embodied.model.tokens import LINE, Words, train_vocabulary
from embodied.model.weights import from_pretrained, save_pretrained
from embodied.plan import COLOURS, HELD, PLACES, SHAPES, locate, plain, read
from embodied.types import Point

INPUTS = ("front", "wrist", "arm", "objects")
ITEMS = ["red block", "blue bowl"]


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


def record() -> tuple[Record, dict[str, np.ndarray]]:
    rng = np.random.default_rng(1)
    arrays = {
        "front": rng.integers(0, 256, (96, 160, 3), dtype=np.uint8),
        "wrist": rng.integers(0, 256, (96, 96, 3), dtype=np.uint8),
        "front_seg": rng.integers(0, 2, (96, 160)).astype(np.uint8),
        "wrist_seg": np.full((96, 96), 255, np.uint8),
    }
    points = {"red block": [0.3, 0.4], "blue bowl": [0.7, 0.6]}
    plan = ["pick red block <x038><y051>", "put red block in blue bowl <x089><y076>"]
    goals, checks = ["put the red block in the blue bowl"], [("pick red block", False)]
    return Record("pick", goals, [], plan, "", checks, ITEMS, points, {}, []), arrays


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
    look.say(ask_plan("pick the red block"), Grammar(model.words).plan, most=6)
    torch.testing.assert_close(look.choose(ask_check("pick red block"), [0, 1]), again)


def test_sentence_path_equals_transformers_on_the_same_ids(model: EmbodiedModel) -> None:
    reference = LlamaForCausalLM(model.backbone.config).eval()
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


@pytest.mark.parametrize("head", ["flow", "bins"])
def test_eight_samples_are_learnt_by_heart(head: str) -> None:
    model = made(head).train()
    example, arrays = record()
    teacher = Teacher(model.words)
    rng = np.random.default_rng(0)
    states = {"arm": np.zeros((8, 6), np.float32)}
    lessons = [teacher.lesson(example, arrays, states, rng, augment=False) for _ in range(8)]
    target = np.random.default_rng(3).normal(size=(8, 16, 6)).astype(np.float32)
    for lesson, chunk in zip(lessons, target, strict=True):
        lesson.segments.append((model.words.encode(ask_move("pick red block")), []))
        lesson.chunk, lesson.valid = chunk, np.ones(16, np.float32)
    batch = collate(lessons, model.prompt().ids(model.words), model.words, model.grid())
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    torch.manual_seed(0)
    first = {k: float(v.detach()) for k, v in losses(model, batch).items()}
    for _ in range(60):
        optimizer.zero_grad()
        total(losses(model, batch)).backward()
        optimizer.step()
    last = {k: float(v.detach()) for k, v in losses(model, batch).items()}
    for name, share in (("text", 0.1), ("place", 0.3), ("motion", 0.9)):
        assert last[name] < share * first[name], name
    assert all(p.grad is not None for n, p in model.named_parameters() if not n.startswith("encoders.objects"))


def test_save_and_load_are_exact_and_broken_files_say_so(model: EmbodiedModel, tmp_path) -> None:
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


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_whatever_is_decoded_parses(seed: int) -> None:
    words = made_words()
    grammar, rng, out = Grammar(words, most_steps=4), np.random.default_rng(seed), []
    while (token := int(rng.choice(grammar.plan(out)))) != grammar.eos:
        out.append(token)
    if out and out[0] not in (grammar.absent, grammar.unclear):
        assert 1 <= len(read(words.decode(out)).steps) <= 4


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_listing_names_all_once_and_is_read_back(seed: int) -> None:
    words, rng = made_words(), np.random.default_rng(seed)
    grammar = Grammar(words)
    names = [f"{COLOURS[i]} {(SHAPES + PLACES)[j]}" for i, j in {tuple(rng.integers(0, 5, 2)) for _ in range(6)}]
    at = {name: rng.random(2) for name in names}
    lies = {name: f"on {below}" for name, below in pairwise(names) if rng.random() < 0.5}
    held = {"white block": HELD} if rng.random() < 0.5 else {}
    said = listing({n: Point(*p) for n, p in at.items()}, lies | held)
    lines = said.split(LINE)
    assert sorted(" ".join(line.split()[:2]) for line in lines) == sorted(
        [*at, *held]
    )  # each once, though they lie in chains
    for name, where in lies.items():
        assert any(line.startswith(name) and line.endswith(where) for line in lines)
    known = grammar.placed(words.encode(said))
    assert {words.decode(name) for name in known} == {*at, *held}
    for name, one in known.items():
        below, point = lies.get(words.decode(name), "on ")[3:], at.get(words.decode(name))
        assert words.decode(one.below or ()) == below
        assert words.decode(one.point).replace(" ", "") == ("" if point is None else locate(Point(*point)))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_plan_names_what_was_listed_where_it_was_listed(seed: int) -> None:
    words, rng, out = made_words(), np.random.default_rng(seed), []
    grammar = Grammar(words, most_steps=5)
    text = "red block <x010><y020>\nblue bowl <x030><y040>\ngreen brick <x050><y060>\nwhite block in hand"
    known = grammar.placed(words.encode(text))
    while (token := int(rng.choice(grammar.plan(out, known)))) != grammar.eos:
        out.append(token)
    if not out or out[0] in (grammar.absent, grammar.unclear):
        return
    moved: set[str] = set()
    for step in read(words.decode(out)).steps:
        names = [arg for arg in step.args if " " in arg and arg.split()[1] in SHAPES + PLACES]
        assert set(names) <= {"red block", "blue bowl", "green brick", "white block"}
        meant = names[1:] if step.skill == "put" else names
        for name, point in zip(meant, step.points, strict=False):
            if name in text and name not in moved | {"white block"}:
                assert locate(point) in text.split(name)[1].splitlines()[0]
        if step.skill in ("put", "push"):
            moved.add(names[0])


def test_things_lie_below_what_lies_on_them_in_the_order_of_the_picture() -> None:
    across = {"red block": 0.7, "blue bowl": 0.2, "green brick": 0.1, "pink zone": 0.9, "white block": 0.0}
    lies = {"green brick": "on red block", "white block": HELD}
    said = plain(listing({name: Point(u, 0.5) for name, u in across.items()}, lies).replace(LINE, "\n")).split("\n")
    assert [line.strip() for line in said] == [
        "white block in hand", "blue bowl", "red block", "green brick on red block", "pink zone",
    ]  # fmt: skip


def test_questions_go_on_from_what_was_noted_and_motion_does_not(model: EmbodiedModel) -> None:
    look, grammar = Look(model, *seen(model)), Grammar(model.words)
    before = look.move(ask_move("pick red block"), generator=torch.Generator().manual_seed(0))
    alone = look.choose(ask_check("pick red block"), grammar.verdict)
    look.note(ALL, "red")
    noted = look.choose(ask_check("pick red block"), grammar.verdict)
    assert (alone - noted).abs().max() > 1e-5
    torch.testing.assert_close(
        look.move(ask_move("pick red block"), generator=torch.Generator().manual_seed(0)), before
    )
    once = (
        look.model.words.encode(ALL)
        + [model.words["red"], grammar.eos]
        + model.words.encode(ask_check("pick red block"))
    )
    other = Look(model, *seen(model))
    with torch.inference_mode():
        whole = (other._read(once)[0, -1] @ model.backbone.embed_tokens.weight[grammar.verdict].T).softmax(-1)
    torch.testing.assert_close(noted, whole, atol=1e-5, rtol=1e-4)


def test_a_lesson_in_words_has_the_listing_for_a_picture(model: EmbodiedModel) -> None:
    example, _ = record()
    rng = np.random.default_rng(0)
    batch = collate([Teacher(model.words).lesson(example, {}, {}, rng)], [1, 2, 3], model.words, model.grid())
    prefix = batch.ids[0][batch.segment[0] == 0].tolist()
    assert model.words.decode(prefix).startswith("<bos> <ask> things red block <x")
    assert (batch.target[0][batch.segment[0] == 0] == -100).all()  # given, not asked for
    assert not batch.images and {"text", "place"} == set(losses(model, batch))


def test_a_lesson_in_seeing_alone_does_not_wake_the_language_model(model: EmbodiedModel) -> None:
    example, arrays = record()
    states = {"arm": np.zeros((8, 6), np.float32)}
    lesson = Teacher(model.words).lesson(example, arrays, states, np.random.default_rng(0), asked=False)
    batch = collate([lesson], model.prompt().ids(model.words), model.words, model.grid())
    parts = losses(model, batch)
    assert set(parts) >= {"colour", "kind", "naming", "centre"} and not {"text", "place"} & set(parts)
    model.zero_grad()
    total(parts).backward()
    assert model.backbone.layers[0].self_attn.q_proj.weight.grad is None
    assert model.encoders["front"].merge.weight.grad is not None
    model.zero_grad()


def made_words(cache: list[Words] = []) -> Words:  # noqa: B006 - one vocabulary for all examples
    if not cache:
        cache.append(Words(train_vocabulary([], INPUTS)))
    return cache[0]


def test_a_segment_follows_on_the_prefix_not_on_its_neighbour() -> None:
    one, two = before(torch.tensor([[0, 0, 0, 1, 1, 2, 2, -1]]))
    assert one[0, :7].tolist() == [8, 0, 1, 2, 3, 2, 5]
    assert two[0, :7].tolist() == [8, 8, 0, 1, 2, 1, 2]


def test_segments_see_the_prefix_and_themselves() -> None:
    segment = torch.tensor([[0, 0, 1, 1, 2, -1]])
    sees = visible(segment)[0]
    assert sees[4].tolist() == [True, True, False, False, True, False]
    assert positions(segment)[0].tolist()[:5] == [0, 1, 2, 3, 2]


def test_shifting_a_picture_moves_its_labels_with_it() -> None:
    picture = np.arange(96 * 160).reshape(96, 160).astype(np.uint8)
    moved = shifted(picture, 3, -2, fill=255)
    assert (moved[:-2, 3:] == picture[2:, :-3]).all() and (moved[:, :3] == 255).all()
    seg = np.full((16, 16), 255, np.uint8)
    seg[8:, 8:] = 1
    assert cells_of(seg, ITEMS).tolist() == [[0, 0, 0, 6], [0, 0, 0, 4]]


def test_unknown_words_are_spelled_and_counted() -> None:
    words = made_words()
    assert words.spelled("pick red block") == 0.0 and words.spelled("nimm den klotz") == 1.0
    assert words.decode(words.encode("pick quokka")) == "pick quokka"
