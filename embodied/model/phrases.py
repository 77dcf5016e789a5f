"""A small language asked in one look: the probability of every sentence of a finite list, as a language model says them word by
word.

Only where the sentences part is there anything to ask. Each prefix that continues in more than one way is put behind the scene as a
segment of its own (embodied.model.network), so that one pass gives what decoding bound to the grammar would give word after word.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from embodied.model.tokens import EOS, Words


class Phrases:
    """cue: the token that asks.  segments: token ids to put behind the scene, each beginning with the cue.
    Sentences that begin alike part at a `fork`: (segment, place in it, ids of the words that may follow)."""

    def __init__(self, words: Words, cue: str, sentences: Sequence[str]) -> None:
        self.sentences = tuple(sentences)
        ids = [(*words.encode(one), words[EOS]) for one in self.sentences]
        if len(set(ids)) != len(ids):
            raise ValueError(f"{self.sentences} do not differ in this vocabulary")
        after: dict[tuple[int, ...], list[int]] = {}
        for one in ids:
            for k, word in enumerate(one):
                following = after.setdefault(one[:k], [])
                if word not in following:
                    following.append(word)
        forks = [prefix for prefix, following in after.items() if len(following) > 1]
        trunks = [a for a in forks if not any(b != a and b[: len(a)] == a for b in forks)] or [()]
        self.segments = [[words[cue], *trunk] for trunk in trunks]
        self.forks: list[tuple[int, int, list[int]]] = []
        self._choices: list[list[tuple[int, int]]] = [[] for _ in ids]  # of a sentence: (fork, which word)
        for prefix in forks:
            segment = next(k for k, trunk in enumerate(trunks) if trunk[: len(prefix)] == prefix)
            for one, chosen in zip(ids, self._choices, strict=True):
                if one[: len(prefix)] == prefix:
                    chosen.append((len(self.forks), after[prefix].index(one[len(prefix)])))
            self.forks.append((segment, len(prefix), after[prefix]))

    def log_probabilities(self, hidden: Sequence[Tensor], table: nn.Embedding) -> Tensor:
        """hidden: of each segment (b, its length, D) -> (b, sentences)."""
        said = [
            (hidden[segment][:, place] @ table.weight[ids].t()).float().log_softmax(-1)
            for segment, place, ids in self.forks
        ]
        return torch.stack([sum(said[fork][:, word] for fork, word in chosen) for chosen in self._choices], -1)  # type: ignore[arg-type]
