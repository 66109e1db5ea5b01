"""The language that a text is most likely in: by its letters, then by fastText's model.

Most scripts belong to one language. Where they don't, a model decides. It was made from
whole sentences: of a few words it knows more without punctuation and in lower case.
"""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from operator import itemgetter
from pathlib import Path
from typing import Any

import fasttext
import regex

from providers.catalogue.languages import is_known

ENGLISH = "en"

_MAX_CHARACTERS = 1000  # characters of a text
_MIN_PROBABILITY = 0.2  # probability; below, and
_MIN_RATIO = (
    2  # where it is not so many times that of the script's usual one, that is taken
)
_SURE_PROBABILITY = 0.7  # probability, and
_SURE_LETTERS = (
    20  # letters from which on a scene may be in another language than its job
)
_JAPANESE_KANA_SHARE = (
    0.1  # share of kana among them and ideographs; Chinese borrows one or two
)

# What Unicode's names of letters begin with, and the language that is written so most.
_SHARED_SCRIPTS = {
    "LATIN": ENGLISH,
    "CYRILLIC": "ru",
    "ARABIC": "ar",
    "DEVANAGARI": "hi",
}
_SINGLE_LANGUAGE_SCRIPTS = {
    "ARMENIAN": "hy",
    "BENGALI": "bn",
    "CJK": "zh",
    "ETHIOPIC": "am",
    "GEORGIAN": "ka",
    "GREEK": "el",
    "GUJARATI": "gu",
    "GURMUKHI": "pa",
    "HANGUL": "ko",
    "HEBREW": "he",
    "HIRAGANA": "ja",
    "KANNADA": "kn",
    "KATAKANA": "ja",
    "KHMER": "km",
    "LAO": "lo",
    "MALAYALAM": "ml",
    "MYANMAR": "my",
    "ORIYA": "or",
    "SINHALA": "si",
    "TAMIL": "ta",
    "TELUGU": "te",
    "THAI": "th",
}
_DENSE_SCRIPTS = ("CJK", "HANGUL", "HIRAGANA", "KATAKANA")
"""One of these says as much as about three letters, and Latin names stand among them."""

_SAME_LANGUAGE = {"arz": "ar", "nn": "nb", "no": "nb", "sh": "hr", "tl": "fil"}
"""Of what the model tells apart and voices don't."""

_WORDS = regex.compile(r"[\p{L}\p{M}'’]++")


@dataclass(frozen=True, slots=True)
class _Guess:
    language: str
    script: str
    is_sure: bool


_NO_GUESS = _Guess(ENGLISH, "", is_sure=False)


def languages_of(texts: Sequence[str]) -> list[str]:
    """Return the language of each scene of a job, as BCP 47 names it: `en`, `zh`.

    The first 1,000 characters of each are looked at. A scene that is too short to tell is
    in the language that most of the others are in, unless its letters are different. Where
    nothing can be told, that is English.
    """
    guesses = [_guess(text) for text in texts]
    sure: Counter[_Guess] = Counter()
    for guess, text in zip(guesses, texts, strict=True):
        if guess and guess.is_sure:
            sure[guess] += len(text)
    most = sure.most_common(1)[0][0] if sure else _guess("\n".join(texts)) or _NO_GUESS
    return [
        guess.language
        if guess and (guess.is_sure or guess.script != most.script)
        else most.language
        for guess in guesses
    ]


def _guess(text: str) -> _Guess | None:
    """Return the most likely language of `text`, None if it has no letters that we know."""
    words = _WORDS.findall(text[:_MAX_CHARACTERS])
    scripts = Counter(map(_script, "".join(words)))
    for name in _DENSE_SCRIPTS:
        scripts[name] *= 3
    kana = scripts["HIRAGANA"] + scripts["KATAKANA"]
    if kana > _JAPANESE_KANA_SHARE * (kana + scripts["CJK"]):
        scripts["HIRAGANA"] = kana + scripts.pop("CJK", 0)
    del scripts[""]
    letters, script = max(((count, name) for name, count in scripts.items()))
    if not letters:
        return None
    if script in _SINGLE_LANGUAGE_SCRIPTS:
        return _Guess(_SINGLE_LANGUAGE_SCRIPTS[script], script, is_sure=True)
    found = _ask_model(" ".join(words).lower())
    usual = _SHARED_SCRIPTS[script]
    language, probability = max(found.items(), key=itemgetter(1), default=(usual, 0.0))
    if probability < max(_MIN_PROBABILITY, _MIN_RATIO * found[usual]):
        language = usual
    is_sure = found[language] >= _SURE_PROBABILITY and letters >= _SURE_LETTERS
    return _Guess(language, script, is_sure)


@lru_cache(maxsize=4096)
def _script(char: str) -> str:
    """Return the script of a letter as Unicode's names call it; empty if not known here."""
    name = unicodedata.name(char, "").partition(" ")[0] if char.isalpha() else ""
    return name if name in _SINGLE_LANGUAGE_SCRIPTS or name in _SHARED_SCRIPTS else ""


def _ask_model(words: str) -> Counter[str]:
    """Return the likeliest of the languages that have voices, each with its probability."""
    found: Counter[str] = Counter()
    for label, probability in zip(*_model().predict(words, k=8), strict=True):
        code = label.removeprefix("__label__")
        language = _SAME_LANGUAGE.get(code, code)
        if is_known(language):
            found[language] += probability
    return found


@cache
def _model() -> Any:
    """Return the model; loading it takes 20 ms and 6 MB."""
    return fasttext.load_model(str(Path(__file__).with_name("lid.176.ftz")))
