"""A Llama's weights under the names that transformers gives them, without the library, whose import takes longer than all else
that a robot's node does before it is ready. embodied/model/reader.py reads with them word by word; to learn, transformers' own
LlamaModel is put on the same parameters."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from transformers import LlamaModel

SPREAD, EPSILON, THETA = 0.02, 1e-6, 10000.0  # LlamaConfig's initializer_range, rms_norm_eps, rope_theta


@dataclass(frozen=True)
class Sizes:
    """The part of a LlamaConfig that is not as the library has it anyway."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    max_position_embeddings: int = 1024


class Norm(nn.Module):
    variance_epsilon = EPSILON

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))


class Attention(nn.Module):
    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        dim, heads = sizes.hidden_size, sizes.num_attention_heads
        shared = dim // heads * sizes.num_key_value_heads
        self.q_proj, self.k_proj = nn.Linear(dim, dim, bias=False), nn.Linear(dim, shared, bias=False)
        self.v_proj, self.o_proj = nn.Linear(dim, shared, bias=False), nn.Linear(dim, dim, bias=False)


class Mlp(nn.Module):
    def __init__(self, dim: int, inner: int) -> None:
        super().__init__()
        self.gate_proj, self.up_proj = nn.Linear(dim, inner, bias=False), nn.Linear(dim, inner, bias=False)
        self.down_proj = nn.Linear(inner, dim, bias=False)


class Layer(nn.Module):
    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        dim = sizes.hidden_size
        self.self_attn, self.mlp = Attention(sizes), Mlp(dim, sizes.intermediate_size)
        self.input_layernorm, self.post_attention_layernorm = Norm(dim), Norm(dim)


class Llama(nn.Module):
    """What embodied.model.reader.Reader needs of a LlamaModel, and `dressed`."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.config = sizes
        self.embed_tokens = nn.Embedding(sizes.vocab_size, sizes.hidden_size)
        self.layers = nn.ModuleList(Layer(sizes) for _ in range(sizes.num_hidden_layers))
        self.norm = Norm(sizes.hidden_size)
        for parameter in self.parameters():
            if parameter.ndim == 2:
                nn.init.normal_(parameter, 0.0, SPREAD)
        self._dressed: list[LlamaModel] = []  # in a list, for its parameters are these

    def rotary_emb(self, x: Tensor, at: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and sines (1, n, D / heads) of the rotary positions `at` (1, n); x: of the type that is wanted. Su and others,
        "RoFormer", section 3.4.3, halves in place of pairs as in all Llamas."""
        dim = self.config.hidden_size // self.config.num_attention_heads
        each = THETA ** -(torch.arange(0, dim, 2, device=x.device).float() / dim)
        angles = (at[..., None].float() * each).repeat(1, 1, 2)
        return angles.cos().to(x.dtype), angles.sin().to(x.dtype)

    def dressed(self) -> LlamaModel:
        """transformers' own model of these very parameters, with attention of packed sentences (embodied/model/attention.py)."""
        if not self._dressed:
            from transformers import LlamaConfig, LlamaModel

            from embodied.model.attention import NAME

            same = {"tie_word_embeddings": True, "attn_implementation": NAME, "pad_token_id": 0}
            with torch.random.fork_rng(devices=[]):  # what it begins with is thrown away, and nobody's dice have rolled
                made = LlamaModel(LlamaConfig(**asdict(self.config), **same))
            for name, parameter in self.named_parameters():
                module, _, key = name.rpartition(".")
                setattr(made.get_submodule(module), key, parameter)
            self._dressed.append(made)
        made = self._dressed[0]
        if made.rotary_emb.inv_freq.device != self.norm.weight.device:
            made.to(self.norm.weight.device)
        return made.train(self.training)
