import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.contract.words import split


def words(text: str) -> list[str]:
    return [
        text[unit.word_start : unit.word_end]
        for unit in split(text)
        if unit.has_letters
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n\t", []),
        ("...", []),
        ("Hello, world!", ["Hello", "world"]),
        ("(don't) «l’homme»", ["don't", "l’homme"]),
        ("well-known 12.5% $3.20 C++", ["well-known", "12.5%", "$3.20", "C++"]),
        ("yes—no… maybe--so...end", ["yes", "no", "maybe", "so", "end"]),
        ("a\r\nb\u00a0c\u2028d\u200be\x01f", ["a", "b", "c", "d", "e", "f"]),
        ("http://a.b/c?d=e.", ["http://a.b/c?d=e"]),
        ("你好，世界abc", ["你", "好", "世", "界", "abc"]),
        ("こんにちは。テスト", ["こんにちは", "テスト"]),
        ("e\u0301te\u0301", ["e\u0301te\u0301"]),
        ("😀 hi 😀", ["hi"]),
    ],
)
def test_text_is_split_at_spaces(text, expected):
    assert words(text) == expected


def test_chinese_characters_that_touch_are_attached():
    units = split("你好 世5界界")
    assert [unit.is_attached for unit in units] == [
        *(False, True),
        *(False, False, False, True),
    ]


@settings(deadline=None, derandomize=True, database=None)
@given(st.text())
def test_units_cover_all_letters_in_order(text):
    place = 0
    for unit in split(text):
        assert place <= unit.start <= unit.word_start < unit.word_end <= unit.end
        assert not any(map(str.isalnum, text[place : unit.start]))
        place = unit.end
    assert not any(map(str.isalnum, text[place:]))
