"""Detect the language of a text by its script, then by fastText's model.

Most scripts belong to one language. For the others the model decides. It was trained on
whole sentences: for a few words it works better without punctuation and in lower case.
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

_MAX_CHARACTERS = 1000  # of a text that are used
# The usual language of the script is assumed, unless another one has this probability, and
# is this many times as likely.
_MIN_PROBABILITY = 0.2
_MIN_RATIO = 2
# From this probability and number of letters on, a scene may be in another language than
# the rest of its job.
_SURE_PROBABILITY = 0.7
_SURE_LETTERS = 20
_JAPANESE_KANA_SHARE = 0.1  # of kana and ideographs; Chinese borrows one or two kana

# The first word of the Unicode names of letters, and the most common language of each.
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
"""A letter of these counts like three others, since texts contain names in Latin."""

_SAME_LANGUAGE = {"arz": "ar", "nn": "nb", "no": "nb", "sh": "hr", "tl": "fil"}
"""Languages that the model distinguishes, but voices don't."""

_WORDS = regex.compile(r"[\p{L}\p{M}'’]++")


@dataclass(frozen=True, slots=True)
class _Guess:
    language: str
    script: str
    is_sure: bool


_NO_GUESS = _Guess(ENGLISH, "", is_sure=False)


def languages_of(texts: Sequence[str]) -> list[str]:
    """Return the language (BCP 47, such as `en`) of each scene of a job.

    Only the first 1,000 characters of each scene are used. A scene that is too short to be
    sure gets the main language of the job, unless its script differs. If nothing can be
    detected, it is English.
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
    """Return the most likely language of `text`; None if it has no known letters."""
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
    """Return the script of a letter by its Unicode name; empty if it is not known here."""
    name = unicodedata.name(char, "").partition(" ")[0] if char.isalpha() else ""
    return name if name in _SINGLE_LANGUAGE_SCRIPTS or name in _SHARED_SCRIPTS else ""


def _ask_model(words: str) -> Counter[str]:
    """Return the most likely languages that have voices, with their probabilities."""
    found: Counter[str] = Counter()
    for label, probability in zip(*_model().predict(words, k=8), strict=True):
        code = label.removeprefix("__label__")
        language = _SAME_LANGUAGE.get(code, code)
        if is_known(language):
            found[language] += probability
    return found


@cache
def _model() -> Any:
    """Return the fastText model; loading it takes 20 ms and 6 MB."""
    return fasttext.load_model(str(Path(__file__).with_name("lid.176.ftz")))
