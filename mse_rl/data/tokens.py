"""Tokens of a text: words and punctuation marks; letters where a script has no spaces between words."""

import re
from unicodedata import category, normalize

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
    return _TOKEN.findall(normalize("NFKC", text).lower())
