"""Language models and vision towers of others, random and small, in folders as they publish them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoModel, AutoModelForCausalLM, PreTrainedTokenizerFast

from embodied.model.network import EmbodiedModel, ModelConfig
from embodied.registry import build

CORPUS = ["please pick up the red block and put it in the blue bowl, then on the table"] * 3
SIZES = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
LANGUAGE: dict[str, dict[str, Any]] = {
    "llama": SIZES | {"num_key_value_heads": 2, "tie_word_embeddings": True},
    "qwen3": SIZES | {"num_key_value_heads": 2, "head_dim": 16, "tie_word_embeddings": False},
    "gpt2": {"n_embd": 48, "n_layer": 2, "n_head": 4, "n_positions": 512},
}
VISION: dict[str, dict[str, Any]] = {
    "siglip": {
        "vision_config": SIZES | {"image_size": 32, "patch_size": 8},
        "text_config": SIZES | {"vocab_size": 50},
    },
    "clip": {
        "vision_config": SIZES | {"image_size": 32, "patch_size": 8},
        "text_config": SIZES | {"vocab_size": 50, "projection_dim": 16},
    },
    "dinov2": {k: v for k, v in SIZES.items() if k != "intermediate_size"} | {"image_size": 28, "patch_size": 14},
    "mobilenet_v2": {"depth_multiplier": 0.25, "image_size": 64},
}  # fmt: skip
ARM = {"mean": [0.0] * 6, "std": [1.0] * 6}


def tokenizer(vocabulary: int = 300) -> Tokenizer:
    """Byte-level BPE that has met few words: most are spelled in several tokens."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, initial_alphabet=alphabet, show_progress=False)
    made.train_from_iterator(CORPUS, trainer)
    return made


def large(model: torch.nn.Module, size: float) -> Any:
    """The same with matrices so large that different inputs give different answers."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, size)
    return model


def language(folder: Path, kind: str = "llama", **changes: Any) -> str:
    """A folder with a random model of that kind and its tokenizer."""
    from transformers import AutoConfig

    words = tokenizer()
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **{"vocab_size": words.get_vocab_size() + 4} | LANGUAGE[kind] | changes)
    large(AutoModelForCausalLM.from_config(config), 0.14).save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=words).save_pretrained(folder)
    return str(folder)


def vision(folder: Path, kind: str) -> str:
    from transformers import AutoConfig

    torch.manual_seed(0)
    large(AutoModel.from_config(AutoConfig.for_model(kind, **VISION[kind])), 0.3).save_pretrained(folder)
    return str(folder)


def embodied(**chosen: Any) -> EmbodiedModel:
    """A small model on such parts."""
    torch.manual_seed(0)
    small = ModelConfig(
        layers=2, dim=48, heads=3, mlp=64, vit_depth=1, vit_channels=16, statistics={"arm": ARM, "action": ARM},
        **({"tune": "", "cameras": {"front": (96, 160, 32), "wrist": (96, 96, 32)}} | chosen),
    )  # fmt: skip
    backbone = build("backbone", small.backbone, source=small.backbone_from)
    small = backbone.fitted(small)
    model = EmbodiedModel(small, backbone.words(CORPUS, small.placeholders)).eval()
    if small.backbone == "tiny":
        large(model.backbone, 0.14)
    return model
