"""Texts and token ids: words, punctuation, vocabularies."""

import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from unicodedata import category, combining, normalize

import numpy as np

from mse_rl.data.checks import check_numbers
from mse_rl.data.raw import Array
from mse_rl.errors import InvalidTask
from mse_rl.spec.architecture import PADDING, UNKNOWN

SPECIAL_NAMES = ("padding ", "unknown ")
"""What the first two token ids are called, where they have names: no word ends in a space."""
_UNSPACED = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\u1780-\u17ff"  # Burmese, Khmer
    "\u3040-\u30ff\u31f0-\u31ff"  # Japanese syllables
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Chinese characters
)
_MARKS = "".join(
    chr(code) for code in (*range(0x300, 0x3100), *range(0xFE00, 0xFE30)) if category(chr(code))[0] == "M"
)
"""Accents, vowel signs and selectors: they belong to the letter or emoji before them."""
_LETTER = rf"[^\W{_UNSPACED}]"
_TOKEN = re.compile(rf"{_LETTER}(?:{_LETTER}|[{_MARKS}\u200c\u200d])*|[^\s\u200b-\u200d\ufeff][{_MARKS}]*")


def tokenise(text: str) -> list[str]:
    """Return the tokens of a text, in lower case and with compatible letters made one (NFKC).

    >>> tokenise("It's 5.")
    ['it', "'", 's', '5', '.']
    >>> tokenise("東京 2020")
    ['東', '京', '2020']
    """
    if len(text) > _SHORT_LETTERS:
        text = _long_run().sub(r"\1", text)
    return _TOKEN.findall(normalize("NFKC", text).lower())


_SHORT_LETTERS = 1_000


@lru_cache
def _long_run() -> re.Pattern[str]:
    """Return the pattern of more marks on one letter than any has, which take normalising quadratic time."""
    marks = "".join(chr(code) for code in range(0x300, 0x1F000) if combining(chr(code)))
    return re.compile(f"([{marks}]{{30}})[{marks}]+")


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


MOST_IDS = 100_000
"""Ids of a file stay below this; larger whole numbers are hardly words."""


@dataclass(frozen=True)
class IdEncoder:
    """Reads ids (n, T) int64, of which 0 is padding and 1, 2, … are words."""

    def fit(self, rows: Array) -> "IdEncoding":
        """Return the largest id and the length T of the training samples."""
        return IdEncoding(int(rows.max()), rows.shape[1])


@dataclass(frozen=True)
class IdEncoding:
    """Id w becomes w + 1, as 1 is UNKNOWN; 0 stays PADDING.

    Args:
        largest: ids above it become UNKNOWN.
        length: longer samples are cut and shorter ones padded at the end to this many tokens T.
    """

    largest: int
    length: int

    @property
    def vocabulary(self) -> int:
        """Number of token ids: PADDING, UNKNOWN, and one for each of 1..largest."""
        return self.largest + 2

    @property
    def names(self) -> tuple[str, ...]:
        """The ids of the user, behind padding and unknown."""
        return (*SPECIAL_NAMES, *map(str, range(1, self.largest + 1)))

    def __call__(self, rows: Array) -> Array:
        """Return token ids (n, T) int64; a sample without a word is one UNKNOWN."""
        rows = rows[:, : self.length]
        words = np.where(rows == 0, PADDING, np.where(rows > self.largest, UNKNOWN, rows + 1))
        out = np.full((len(rows), self.length), PADDING, dtype=np.int64)
        out[:, : rows.shape[1]] = words
        out[(out == PADDING).all(axis=1), 0] = UNKNOWN
        return out

    def record(self) -> dict[str, Any]:
        """Return ``reads``, ``largest`` and ``length``."""
        return {"reads": "ids", "largest": self.largest, "length": self.length}


@dataclass(frozen=True)
class KnownIds:
    """Ids as a task that was made by hand has them: 0 is PADDING and 1 UNKNOWN already.

    Args:
        vocabulary: number of token ids; those from here on become UNKNOWN.
        length: as in ``IdEncoding``.
    """

    vocabulary: int
    length: int

    @property
    def names(self) -> None:
        """None: they mean what their number says."""
        return None

    def __call__(self, rows: Array) -> Array:
        """Return token ids (n, T) int64."""
        rows = rows[:, : self.length]
        out = np.full((len(rows), self.length), PADDING, dtype=np.int64)
        out[:, : rows.shape[1]] = np.where(rows < self.vocabulary, rows, UNKNOWN)
        return out

    def record(self) -> dict[str, Any]:
        """Return ``reads``, ``vocabulary`` and ``length``."""
        return {"reads": "token ids", "vocabulary": self.vocabulary, "length": self.length}


def read_ids(x_train: Array, x_test: Array) -> tuple[Array, Array]:
    """Return both as ids (n, T) int64; larger ones in ``x_test``, unknown anyway, are 100,000.

    Raises:
        InvalidTask: not whole numbers from 0 on, or too large in ``x_train``.
    """
    train, test = ids_of("x_train", x_train), ids_of("x_test", x_test)
    if train.max() >= MOST_IDS:
        raise InvalidTask(
            f"expected token ids below {MOST_IDS:,} in x_train, got {x_train.max()}: "
            "set input to vector, or number the words 1, 2, …"
        )
    return train, test


def ids_of(key: str, x: Array) -> Array:
    """Return the array called ``key`` as ids (n, T) int64; those beyond all vocabularies are 100,000.

    Raises:
        InvalidTask: not whole numbers from 0 on.
    """
    check_numbers(key, x, "tokens")
    with np.errstate(over="ignore"):
        values = x.astype(np.float64)
    wrong = x[~np.isfinite(values) | (values < 0) | (values != np.floor(values))]
    if len(wrong):
        raise InvalidTask(
            f"expected token ids in {key}, whole numbers from 0 on, got {len(wrong):,} others, "
            f"the first {wrong[0]}: set input to vector, or number the words 1, 2, …"
        )
    return np.minimum(values, MOST_IDS).astype(np.int64)
