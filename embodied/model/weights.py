"""Weights on disk: model.safetensors, config.json (with the normalisation statistics), tokenizer.json and synonyms.json. No
pickle."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from embodied.errors import UserError
from embodied.model.network import EmbodiedModel, ModelConfig
from embodied.model.tokens import Words, train_vocabulary
from embodied.registry import build

EMBEDDINGS = "backbone.embed_tokens.weight"
TABLES = (EMBEDDINGS, "backbone.table", "backbone.table_out")  # rows of words, the latter two of ours alone
SHIPPED = Path(__file__).resolve().parent.parent / "weights"


def _ours(name: str) -> bool:
    return True


def write(model: torch.nn.Module, folder: Path, dtype: torch.dtype, ours: Callable[[str], bool] = _ours) -> None:
    """model.safetensors: shared tensors once, weights as `dtype` (16 bits halve the download), buffers as they are. ours: which
    tensors belong in the file, by name."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, torch.Tensor] = {}
    seen: set[int] = set()
    for name, tensor in model.state_dict(keep_vars=True).items():
        if id(tensor) in seen or not ours(name):
            continue
        seen.add(id(tensor))
        saved = tensor.detach().to(dtype) if isinstance(tensor, torch.nn.Parameter) else tensor.detach()
        tensors[name] = saved.contiguous()
    save_file(tensors, folder / "model.safetensors")


def fill(model: torch.nn.Module, path: Path, ours: Callable[[str], bool] = _ours) -> None:
    """Put the tensors of a file into a model of the same shape; ours: as in `write`. UserError when the file is broken or of
    another model."""
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"{path} is missing, truncated or damaged ({error}); copy the weights folder again") from error
    own = model.state_dict(keep_vars=True)
    first: dict[int, str] = {}
    alias = {name: first.setdefault(id(tensor), name) for name, tensor in own.items() if ours(name)}
    wrong = sorted(set(tensors) ^ set(alias.values()))
    wrong += [name for name, saved in tensors.items() if name in own and own[name].shape != saved.shape]
    if wrong:
        beside = path.parent / "config.json"
        raise UserError(f"{path} does not fit {beside} (for example {wrong[0]!r}); the files are of different models")
    with torch.no_grad():
        for name, saved in tensors.items():
            own[name].copy_(saved.to(own[name].dtype))


def save_pretrained(model: EmbodiedModel, folder: Path, dtype: torch.dtype = torch.float16) -> None:
    """Write the four files. What others trained and we left as it was is named in config.json and not written."""
    write(model, folder, dtype, lambda name: not model.theirs(name))
    (folder / "config.json").write_text(json.dumps(model.config.as_dict(), indent=1) + "\n")
    model.words.save(folder / "tokenizer.json")


def find(name: str) -> Path:
    """A folder by path, or shipped weights by name."""
    for folder in (Path(name), SHIPPED / name):
        if (folder / "config.json").is_file():
            return folder
    shipped = ", ".join(sorted(p.parent.name for p in SHIPPED.glob("*/config.json"))) or "none"
    raise UserError(f"no weights at {name!r} (a folder with config.json is needed); shipped: {shipped}")


def from_pretrained(name: str) -> EmbodiedModel:
    """Load a folder or shipped weights, float32, ready to infer. UserError when files are broken or do not match."""
    folder = find(name)
    try:
        saved = json.loads((folder / "config.json").read_text())
        if kind := saved.get("kind"):
            raise UserError(
                f"weights {name!r} are a {kind}'s, which cannot do this; give tabletop or a folder of embodied train"
            )
        config = ModelConfig.of(saved)
    except (json.JSONDecodeError, UnicodeDecodeError, TypeError, AttributeError) as error:
        raise UserError(f"{folder / 'config.json'} is damaged ({error}); copy the weights folder again") from error
    if not config.statistics:
        raise UserError(
            f"{folder / 'config.json'} holds no normalisation statistics; train again with statistics from the data"
        )
    words = Words.load(folder / "tokenizer.json")
    model = EmbodiedModel(config, words)  # which loads what others trained
    fill(model, folder / "model.safetensors", lambda name: not model.theirs(name))
    return model.eval()


def headed(model: EmbodiedModel, head: str) -> EmbodiedModel:
    """The same model with another kind of motion head, which has learnt nothing yet."""
    out = EmbodiedModel(replace(model.config, head=head), model.words)
    out.load_state_dict({k: v for k, v in model.state_dict().items() if not k.startswith("head.")}, strict=False)
    return out


def grown(model: EmbodiedModel, corpus: Iterable[str], least: int = 8) -> EmbodiedModel:
    """The same model with a vocabulary that also has the words met `least` times in the corpus and all that this version's
    grammar needs. A new word starts as the known one that it was read as before (synonyms), or near the mean. A language model
    that others trained spells what it does not know, and stays as it is."""
    old, config = model.words, model.config
    if config.backbone != "tiny":
        return model
    first = old.tokens()
    words = Words(train_vocabulary(corpus, config.placeholders, least, first), old.synonyms)
    if len(words) == len(old):
        return model
    out = EmbodiedModel(config, words)
    kept = {name: t for name, t in model.state_dict().items() if name != EMBEDDINGS}
    out.load_state_dict(kept, strict=False)
    with torch.no_grad():
        table, before = out.backbone.embed_tokens.weight, model.backbone.embed_tokens.weight
        table[: len(first)] = before
        for i, word in enumerate(words.tokens()[len(first) :], len(first)):
            near = old.synonyms.get(word, "")
            table[i] = before[old[near]] if near and old.knows(near) else before.mean(0)
            table[i] += 0.02 * torch.randn(config.dim)
    return out


def rebuilt(model: EmbodiedModel, changed: Mapping[str, Any], corpus: Iterable[str]) -> EmbodiedModel:
    """The same with another language model or eye, or shown another number of pictures: what fits by name and shape is kept (the
    finder, the picture encoder, ...), the rest is new. changed: settings of ModelConfig."""
    other = "backbone" in changed or "backbone_from" in changed
    usual: dict[str, Any] = {"tune": "", "vit_dim": model.config.vit_dim or model.config.dim} if other else {}
    config = replace(model.config, **{**usual, **changed})
    backbone = build("backbone", config.backbone, source=config.backbone_from)
    config = backbone.fitted(config)
    words = backbone.words(corpus, config.placeholders) if other else model.words.including(config.placeholders)
    out = EmbodiedModel(config, words)
    have, want = model.state_dict(), out.state_dict()
    hangs = ("head.", "pointer.") if other else ()  # on what the language model makes of a sentence
    kept = {name: one for name, one in have.items() if not name.startswith(hangs) and not out.theirs(name)}
    fits = {name: one for name, one in kept.items() if name in want and want[name].shape == one.shape}
    out.load_state_dict(fits, strict=False)
    if words is not model.words and not other:  # those of new inputs stand behind all that were there
        for name in kept.keys() & TABLES:
            want[name][: len(kept[name])] = kept[name]
    if other:  # motions are to be learnt anew
        scales = {name: one for name, one in config.statistics.items() if name != "action"}
        out.config = replace(config, statistics=scales)
    return out
