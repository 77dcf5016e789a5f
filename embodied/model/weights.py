"""Weights on disk: model.safetensors, config.json (with the normalisation statistics), tokenizer.json and synonyms.json. No
pickle."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from embodied.errors import UserError
from embodied.model.network import EmbodiedModel, ModelConfig
from embodied.model.tokens import Words, train_vocabulary

EMBEDDINGS = "backbone.embed_tokens.weight"
SHIPPED = Path(__file__).resolve().parent.parent / "weights"


def write(model: torch.nn.Module, folder: Path, dtype: torch.dtype) -> None:
    """model.safetensors: shared tensors once, weights as `dtype` (16 bits halve the download), buffers as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, torch.Tensor] = {}
    seen: set[int] = set()
    for name, tensor in model.state_dict(keep_vars=True).items():
        if id(tensor) in seen:
            continue
        seen.add(id(tensor))
        saved = tensor.detach().to(dtype) if isinstance(tensor, torch.nn.Parameter) else tensor.detach()
        tensors[name] = saved.contiguous()
    save_file(tensors, folder / "model.safetensors")


def fill(model: torch.nn.Module, path: Path) -> None:
    """Put the tensors of a file into a model of the same shape. UserError when the file is broken or of another model."""
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"{path} is missing, truncated or damaged ({error}); copy the weights folder again") from error
    own = model.state_dict(keep_vars=True)
    first: dict[int, str] = {}
    alias = {name: first.setdefault(id(tensor), name) for name, tensor in own.items()}
    wrong = sorted(set(tensors) ^ set(alias.values()))
    wrong += [name for name, saved in tensors.items() if name in own and own[name].shape != saved.shape]
    if wrong:
        beside = path.parent / "config.json"
        raise UserError(f"{path} does not fit {beside} (for example {wrong[0]!r}); the files are of different models")
    with torch.no_grad():
        for name, saved in tensors.items():
            own[name].copy_(saved.to(own[name].dtype))


def save_pretrained(model: EmbodiedModel, folder: Path, dtype: torch.dtype = torch.float16) -> None:
    """Write the four files."""
    write(model, folder, dtype)
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
        config = ModelConfig.of(json.loads((folder / "config.json").read_text()))
    except (json.JSONDecodeError, UnicodeDecodeError, TypeError) as error:
        raise UserError(f"{folder / 'config.json'} is damaged ({error}); copy the weights folder again") from error
    if not config.statistics:
        raise UserError(
            f"{folder / 'config.json'} holds no normalisation statistics; train again with statistics from the data"
        )
    words = Words.load(folder / "tokenizer.json")
    model = EmbodiedModel(config, words)
    fill(model, folder / "model.safetensors")
    return model.eval()


def headed(model: EmbodiedModel, head: str) -> EmbodiedModel:
    """The same model with another kind of motion head, which has learnt nothing yet."""
    out = EmbodiedModel(replace(model.config, head=head), model.words)
    out.load_state_dict({k: v for k, v in model.state_dict().items() if not k.startswith("head.")}, strict=False)
    return out


def grown(model: EmbodiedModel, corpus: Iterable[str], least: int = 8) -> EmbodiedModel:
    """The same model with a vocabulary that also has the words met `least` times in the corpus and all that this version's
    grammar needs. A new word starts as the known one that it was read as before (synonyms), or near the mean."""
    old, config = model.words, model.config
    first = old.tokens()
    words = Words(train_vocabulary(corpus, [*config.cameras, *config.states, "objects"], least, first), old.synonyms)
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
