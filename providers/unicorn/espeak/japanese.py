"""Write Japanese as it sounds, since eSpeak NG reads kana only.

The words and their readings are IPADIC's, by Lindera. A process that speaks Japanese needs
95 MB for them; others don't load them.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

from providers.unicorn.script import HAN

_PHONETIC = 8  # the place of the pronunciation in the details of a word
# Parts of speech that begin a phrase, and kinds of them that don't.
_PHRASES = frozenset("名詞 動詞 形容詞 副詞 連体詞 接続詞 感動詞 接頭詞".split())
_AFTER_NUMBER = {"月": "ガツ", "日": "ニチ", "人": "ニン", "分": "フン", "時": "ジ"}
_SUFFIXES = frozenset("接尾 非自立 数".split())


def readings(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield replacements that turn `text` into kana, with a space between phrases.

    The space has no sound; it gives each phrase a time. A character that no word is known
    for stays.
    """
    encoded = text.encode()
    place, byte = 0, 0
    is_open = False  # whether the next word belongs to the one before
    for token in _tokenizer().tokenize(text):
        place += len(encoded[byte : token.byte_start].decode())
        byte = token.byte_start
        surface, details = token.surface, token.details
        begins = details[0] in _PHRASES and details[1] not in _SUFFIXES
        if begins and place and not is_open and text[place - 1].isalnum():
            yield place, place, " "
        is_open = details[0] == "接頭詞" or surface.isdigit()
        said = details[_PHONETIC] if len(details) > _PHONETIC else "*"
        if place and text[place - 1].isdigit():
            said = _AFTER_NUMBER.get(surface, said)
        # Particles are not spelled as they sound: は, へ.
        if said != "*" and (HAN.search(surface) or details[0] == "助詞"):
            yield place, place + len(surface), said


@cache
def _tokenizer() -> Any:
    # Importing it takes a tenth of a second, and its dictionary 95 MB.
    from lindera import TokenizerBuilder

    return TokenizerBuilder().set_dictionary("embedded://ipadic").build()
