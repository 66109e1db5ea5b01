"""Mark the clauses of a script as eSpeak NG needs them to read it as people do.

eSpeak pauses at punctuation alone: not at the end of a verse, but after "Dr.". And it
reads a clause only up to a thousand phonemes, and silently leaves out the rest.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from unicodedata import category, name

from providers.contract.lines import line_ends
from providers.contract.sentences import CLOSERS, ends_sentence
from providers.unicorn.espeak.abbreviations import EXPANSIONS
from providers.unicorn.espeak.japanese import readings
from providers.unicorn.espeak.numerals import centuries, money, numerals, powers
from providers.unicorn.script import HAN, Script

_SPACE = r"(?:[^\S\n]+|[^\S\n]*\n[^\S\n]*)"  # within a paragraph
_FULL_STOP = re.compile(rf"(?<![.\s])\.(?!\.){CLOSERS}*(?=({_SPACE})\S)")
_NO_BREAK = "\u00a0"  # a stop before it ends no clause
_ABBREVIATION = re.compile(r"(?<![^\s(\[“„«\"'])([^\W\d_]{1,6})\.(?=" + _SPACE + r"\S)")
_PAUSE = re.compile(
    rf"[.,;:!?…]{CLOSERS}*(?=\s)|[،؛؟۔।॥։።。！？、，；：｡､]|[—–]|\n\s*\n"
)
_GLOSS = re.compile(rf"(?<=[가-힣])[(（]{HAN.pattern}+[)）]")

# Estimated phonemes. eSpeak reads a thousand in a clause.
_LONGEST_CLAUSE = 480
_LONGEST_RUN = 200  # without a space: a word of ten seconds has no useful time
# They begin a syllable in Thai and Lao.
_LEADING_VOWELS = re.compile("[\u0e40-\u0e44\u0ec0-\u0ec4]")


def mark_clauses(script: Script, language: str) -> Script:
    """Return `script` with the marks that make eSpeak pause where people do.

    The stop of an abbreviation ends no clause, and some are spelled out. The end of a
    verse, of an item or of a heading gets a comma. A clause that is too long for eSpeak
    gets commas at the best places.
    """
    known = language.partition("-")[0]
    if known == "ko":  # the Chinese characters of a word, after it: 대통령(大統領)
        script = script.edited(
            (*gloss.span(), "") for gloss in _GLOSS.finditer(script.text)
        )
    if known in ("fr", "ru"):
        script = script.edited(centuries(script.text))
    script = script.edited(numerals(script.text, known))
    script = script.edited(powers(script.text, known))
    script = script.edited(money(script.text, known))
    script = script.edited(_expansions(script.text, known))
    script = script.edited(_abbreviations(script.text, known))
    if known == "ja":
        script = script.edited(readings(script.text))
    script = script.edited((end, end, ",") for end in line_ends(script.text))
    return script.edited(_cuts(script.text))


def is_readable(script: Script, language: str) -> bool:
    """Return whether the voice can tell the characters of `script` apart.

    Some say the same for every Chinese character.
    """
    known = language.partition("-")[0]
    return known not in ("hak", "ko") or not HAN.search(script.text)


def _expansions(text: str, language: str) -> Iterator[tuple[int, int, str]]:
    known = EXPANSIONS.get(language)
    if not known:
        return
    for match in _ABBREVIATION.finditer(text):
        full = known.get(match[1].lower())
        if full and not ends_sentence(text, match.end() - 1, match.end(), language):
            yield match.start(), match.end() - 1, full
            yield match.end() - 1, match.end(), ""


def _abbreviations(text: str, language: str) -> Iterator[tuple[int, int, str]]:
    for match in _FULL_STOP.finditer(text):
        if ends_sentence(text, *match.span(), language):
            continue
        place = match.end(1)
        if not text[match.start() - 1].isdigit():
            yield *match.span(1), _NO_BREAK * len(match[1])
        elif len(small := text[place].lower()) == 1:
            yield place, place + 1, small  # 5. mai: now it is an ordinal


def _cuts(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield commas within clauses that are too long, and within runs without a space."""
    start = 0
    for pause in [*_PAUSE.finditer(text), None]:
        end = pause.end() if pause else len(text)
        yield from _cuts_of_clause(text, start, end)
        start = end


def _cuts_of_clause(text: str, start: int, end: int) -> Iterator[tuple[int, int, str]]:
    clause = run = 0.0  # phonemes since the last cut, and since the last space
    since, space = start, start  # the last cut, and the last space
    place = start
    while place < end:
        letter = text[place]
        if letter.isspace():
            run, space = 0.0, place
        weight = _phonemes(letter)
        clause += weight
        run += weight
        if clause > _LONGEST_CLAUSE and space > since:
            yield space, space, ","
            since, place = space, space + 1
            clause = run = 0.0
            continue
        if run > _LONGEST_RUN and (cut := _best_cut(text, max(since, space), place)):
            yield cut, cut, ", "
            since = space = place = cut
            clause = run = 0.0
            continue
        place += 1


def _best_cut(text: str, start: int, end: int) -> int:
    """Return the best place to cut a run without spaces near its end; 0 if none."""
    least = start + (end - start) // 2
    places = range(end, max(least, start), -1)
    for place in places:
        before, after = text[place - 1], text[place]
        if before in "/&?=_を" or _LEADING_VOWELS.match(after):
            return place
    for place in places:
        if category(text[place])[0] != "M" and text[place] != "\u200d":
            return place
    return 0


@lru_cache(maxsize=8192)
def _phonemes(letter: str) -> float:
    """Return about how many phonemes a character has in a language that has many."""
    if letter.isspace():
        return 0.5
    if letter.isdigit():
        return 8
    kind = category(letter)
    if kind[0] == "M":
        return 1
    if not letter.isalnum():
        return 40 if kind == "So" else 8
    if letter.isascii():
        return 1.2 if letter.islower() else 4
    script = name(letter, "").partition(" ")[0]
    return {"HANGUL": 8, "CJK": 6, "HIRAGANA": 5, "KATAKANA": 5}.get(script, 2.5)
