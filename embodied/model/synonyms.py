"""Words that a vocabulary lacks -> words of like meaning that it has, so that "elevate" is read as "lift".

    python -m embodied.model.synonyms corpus=SNAPSHOTS/corpus.txt encoder=FOLDER weights=FOLDER

encoder: a folder of any sentence encoder that transformers can load (the shipped table: all-MiniLM-L6-v2, Apache-2.0,
arXiv 2002.10957); the words that get a meaning are those of its own vocabulary. The table is written to
weights/synonyms.json; the encoder is not needed afterwards.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AutoModel, AutoTokenizer

from embodied.errors import UserError
from embodied.model.tokens import SYNONYMS, Words

LEAST = 60  # times that a known word was met in the corpus: rarer ones are typos
CLOSE = 0.45  # cosine below which words do not mean the same


def vectors(words: list[str], pieces: Any, model: Any) -> Tensor:
    """Unit vectors (n, D) of words: the encoder's mean over their pieces."""
    out = []
    for start in range(0, len(words), 256):
        batch = pieces(words[start : start + 256], padding=True, return_tensors="pt")
        with torch.inference_mode():
            hidden = model(**batch).last_hidden_state
        mask = batch["attention_mask"][..., None].float()
        out.append(F.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1))
    return torch.cat(out)


def synonyms(corpus: str, words: Words, encoder: str) -> dict[str, str]:
    """Unknown word -> the known one nearest in meaning."""
    counts = Counter(re.findall(r"[a-z]{3,}", corpus.lower()))
    known = sorted(word for word, n in counts.items() if n >= LEAST and words.knows(word))
    if not known:
        raise UserError(f"no known word occurs {LEAST} times; give the corpus.txt that the weights were trained on")
    pieces, model = AutoTokenizer.from_pretrained(encoder), AutoModel.from_pretrained(encoder).eval()
    strange = sorted(w for w in pieces.get_vocab() if re.fullmatch(r"[a-z]{3,}", w) and not words.knows(w))
    near, at = (vectors(strange, pieces, model) @ vectors(known, pieces, model).T).max(1)
    return {word: known[k] for word, p, k in zip(strange, near.tolist(), at.tolist(), strict=True) if p >= CLOSE}


def main(arguments: list[str]) -> int:
    options = dict(one.partition("=")[::2] for one in arguments)
    try:
        corpus, encoder, folder = (Path(options[name]) for name in ("corpus", "encoder", "weights"))
        words = Words.load(folder / "tokenizer.json")
        words.synonyms = synonyms(corpus.read_text(), words, str(encoder))
    except (KeyError, OSError, UserError) as fault:
        print(f"{fault}; usage: corpus=FILE encoder=FOLDER weights=FOLDER", file=sys.stderr)
        return 2
    words.save(folder / "tokenizer.json")
    print(f"{len(words.synonyms):,} words got a meaning in {folder / SYNONYMS}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
