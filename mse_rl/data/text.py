"""Texts as token ids: words and punctuation marks, numbered by how often they occur."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from mse_rl.architecture import PADDING, UNKNOWN
from mse_rl.data.raw import Array
from mse_rl.data.tokens import SPECIAL_NAMES, tokenise

MOST_WORDS = 50_000
"""Words of a vocabulary; the rarer ones are UNKNOWN."""
MOST_TOKENS = 512
"""Tokens of a text; the rest is cut off."""
FITTING = 0.95
"""Share of the training texts that are not cut off, if they are no longer than that."""
LEAST_COUNT = 2
"""A word that occurs less often in the training split is UNKNOWN."""


@dataclass(frozen=True)
class TextEncoder:
    """Reads texts (n,) of the column that is called so."""

    column: str

    def fit(self, rows: Array) -> "TextEncoding":
        """Return the words that occur twice in the training samples, and a length that most of them have."""
        texts = [tokenise(text) for text in rows]
        counts = Counter(word for text in texts for word in text)
        often = [word for word, count in counts.items() if count >= LEAST_COUNT]
        words = sorted(often, key=lambda word: (-counts[word], word))[:MOST_WORDS]
        length = int(np.quantile([len(text) for text in texts], FITTING, method="higher"))
        return TextEncoding(self.column, tuple(words), min(max(1, length), MOST_TOKENS))


@dataclass(frozen=True)
class TextEncoding:
    """The first of ``words`` has id 2, behind PADDING and UNKNOWN.

    Args:
        column: where the texts were found.
        words: the vocabulary, most frequent first.
        length: longer texts are cut and shorter ones padded at the end to this many tokens T.
    """

    column: str
    words: tuple[str, ...]
    length: int

    @property
    def vocabulary(self) -> int:
        """Number of token ids: PADDING, UNKNOWN, and one for each word."""
        return len(self.words) + 2

    @property
    def names(self) -> tuple[str, ...]:
        """The words, behind padding and unknown."""
        return (*SPECIAL_NAMES, *self.words)

    def __call__(self, rows: Array) -> Array:
        """Return token ids (n, T) int64; an empty text is one UNKNOWN."""
        ids = {word: number for number, word in enumerate(self.words, start=2)}
        out = np.full((len(rows), self.length), PADDING, dtype=np.int64)
        for row, text in zip(out, rows, strict=True):
            found = [ids.get(word, UNKNOWN) for word in tokenise(text)[: self.length]] or [UNKNOWN]
            row[: len(found)] = found
        return out

    def record(self) -> dict[str, Any]:
        """Return ``reads``, ``column``, ``words`` and ``length``."""
        return {"reads": "text", "column": self.column, "words": list(self.words), "length": self.length}
