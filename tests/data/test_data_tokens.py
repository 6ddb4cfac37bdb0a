"""Tokens of texts in any script."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mse_rl.data.tokens import tokenise


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("It's 5.", ["it", "'", "s", "5", "."]),
        ("snake_case", ["snake_case"]),
        ("a", ["a"]),
        ("  \n", []),
        ("東京へ2020年に行った ok", [*"東京へ", "2020", *"年に行った", "ok"]),
        ("ดีมาก", ["ดี", "ม", "า", "ก"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("سَلَام عليكم", ["سَلَام", "عليكم"]),
        ("한국어 텍스트", ["한국어", "텍스트"]),
        ("👍❤️👨‍👩", ["👍", "❤️", "👨", "👩"]),
        ("\uff21\uff22", ["ab"]),
        ("e\u0301 \u00e9", ["é", "é"]),
        ("\ufeffone\u200btwo", ["one", "two"]),
        ("\u0301", ["\u0301"]),
    ],
)
def test_words_are_tokens_and_letters_where_a_script_has_no_spaces(text, tokens):
    assert tokenise(text) == tokens


@given(st.text())
def test_tokens_of_any_text_hold_no_space_and_are_the_same_when_read_again(text):
    tokens = tokenise(text)
    assert all(token and not any(letter.isspace() for letter in token) for token in tokens)
    assert tokenise(" ".join(tokens)) == tokens


def test_a_letter_with_a_hundred_thousand_marks_is_one_token():
    """Sorting so many takes normalising quadratic time, half an hour."""
    marks = "\u0315" * 500_000 + "\u0316" * 500_000
    assert tokenise("a" + marks + " b") == ["a" + "\u0315" * 30, "b"]
    assert tokenise(("e" + "\u0301" + " ") * 1_000) == ["\u00e9"] * 1_000
