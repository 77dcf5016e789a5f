"""Words <-> ids: a word-level vocabulary with spelled-out fallback, location tokens and placeholders.

Built with the `tokenizers` library (WordPiece, greedy longest match): a word never seen is spelled in characters instead
of becoming one unknown. Location tokens follow PaliGemma (arXiv 2407.07726) with one set for x and one for y.
"""

from __future__ import annotations

import json
import re
import string
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers

from embodied.errors import UserError
from embodied.plan import BINS, COLOURS, PLACES, SHAPES, SKILLS

PAD, BOS, EOS, LINE = "<pad>", "<bos>", "<eos>", "<line>"
GOAL, DONE, PLAN, CHECK, POINT, ASK, STEP = "<goal>", "<done>", "<plan>", "<check>", "<point>", "<ask>", "<step>"
YES, NO, ABSENT, UNCLEAR = "<yes>", "<no>", "<absent>", "<unclear>"
PARTS, JOBS = "<parts>", "<jobs>"
CONTROLS = (PAD, BOS, EOS, LINE, GOAL, DONE, PLAN, CHECK, POINT, ASK, STEP, YES, NO, ABSENT, UNCLEAR, PARTS, JOBS)
XS = tuple(f"<x{i:03d}>" for i in range(BINS))
YS = tuple(f"<y{i:03d}>" for i in range(BINS))
_JOINTS = ("on", "in", "left", "right", "of", "behind", "front", "between", "and", "to", "table", "hand", "things")
WHEN = "<when>"  # a picture's age stands here, in models that are shown older ones
SYNONYMS = "synonyms.json"
GRAMMAR_WORDS = (*SKILLS, *COLOURS, *SHAPES, *PLACES, *_JOINTS)


def train_vocabulary(
    corpus: Iterable[str], placeholders: Iterable[str], least: int = 2, first: Iterable[str] = ()
) -> Tokenizer:
    """A Tokenizer that knows every word seen `least` times, all characters, the control, location and placeholder tokens.

    placeholders: names such as "front" whose token `<front>` continuous inputs replace in the sentence. first: tokens in the
    order of a vocabulary that this one goes on from: they keep their ids.
    """
    counts: Counter[str] = Counter()
    splitter = pre_tokenizers.BertPreTokenizer()
    for line in corpus:
        counts.update(word for word, _ in splitter.pre_tokenize_str(line.lower()))
    characters = string.ascii_lowercase + string.digits + string.punctuation
    special = [*CONTROLS, *XS, *YS, *(f"<{name}>" for name in placeholders)]
    words = [*first, *special, "[UNK]", *characters, *(f"##{c}" for c in characters), *GRAMMAR_WORDS]
    words += sorted(word for word, n in counts.items() if n >= least)
    vocabulary = {word: i for i, word in enumerate(dict.fromkeys(words))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=64))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens([AddedToken(word, special=True) for word in special])
    return tokenizer


class Words:
    """Encode and decode text; newlines are the token <line>. synonyms: unknown word -> known word of like meaning."""

    def __init__(self, tokenizer: Tokenizer, synonyms: Mapping[str, str] | None = None) -> None:
        self.tokenizer, self.synonyms = tokenizer, synonyms or {}
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()

    def __len__(self) -> int:
        return self.tokenizer.get_vocab_size()

    def encode(self, text: str) -> list[int]:
        return self.tokenizer.encode(text.replace("\n", LINE), add_special_tokens=False).ids

    def decode(self, ids: Iterable[int]) -> str:
        words = [self.tokenizer.id_to_token(i) for i in ids]
        return " ".join(words).replace(" ##", "").replace(f" {LINE} ", "\n").replace(f" {LINE}", "\n")

    def read(self, text: str) -> list[int]:
        """Text -> what the language model reads."""
        return self.spell(self.encode(text))

    def spell(self, ids: Iterable[int]) -> list[int]:
        """Ids of words -> what the language model reads: the same here, several tokens a word in Subwords."""
        return list(ids)

    def __getitem__(self, token: str) -> int:
        found = self.tokenizer.token_to_id(token)
        if found is None:
            raise UserError(
                f"token {token!r} is not in this vocabulary; the tokenizer and the code do not belong together"
            )
        return found

    def knows(self, word: str) -> bool:
        return self.tokenizer.token_to_id(word) is not None

    def including(self, placeholders: Sequence[str]) -> Words:
        """The same, or, where it lacks the token of one of these inputs, with further ones behind its last."""
        there = all(self.tokenizer.token_to_id(f"<{name}>") is not None for name in placeholders)
        return self if there else self._extended(placeholders)

    def _extended(self, placeholders: Sequence[str]) -> Words:
        return Words(train_vocabulary([], placeholders, first=self.tokens()), self.synonyms)

    def familiar(self, text: str) -> str:
        """The text with words that it does not know replaced by synonyms that it knows."""

        def known(word: str) -> str:
            return word if self.knows(word) else self.synonyms.get(word, word)

        return re.sub(r"[a-z]+", lambda found: known(found[0]), text.lower())

    def spelled(self, text: str) -> float:
        """Share of the words of `text` that mean nothing to it (0 all known, 1 none): how foreign a goal is."""
        pieces = self.tokenizer.encode(self.familiar(text), add_special_tokens=False)
        words = zip(pieces.word_ids, pieces.tokens, strict=True)
        unknown = {w for w, piece in words if piece.startswith("##") or piece == "[UNK]"}
        total = {w for w in pieces.word_ids if w is not None}
        return len(unknown) / max(1, len(total))

    def tokens(self) -> list[str]:
        """All tokens in the order of their ids."""
        return [self.tokenizer.id_to_token(i) for i in range(len(self))]

    def save(self, path: Path) -> None:
        """Write `path` and, beside it, synonyms.json."""
        self.tokenizer.save(str(path))
        (path.parent / SYNONYMS).write_text(json.dumps(self.synonyms, indent=0) + "\n")

    @staticmethod
    def load(path: Path) -> Words:
        """The vocabulary of a weights folder: ours, or a language model's with our tokens."""
        from embodied.model.subwords import Subwords

        beside = path.parent / SYNONYMS
        try:
            made, synonyms = Tokenizer.from_file(str(path)), json.loads(beside.read_text()) if beside.exists() else None
            return (Words if isinstance(made.model, models.WordPiece) else Subwords)(made, synonyms)
        except Exception as error:  # the library raises bare Exception
            raise UserError(f"tokenizer {path} cannot be read ({error}); copy the weights folder again") from error
