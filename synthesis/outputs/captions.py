"""Make SubRip (SRT) and WebVTT captions from word times, as a stream.

They follow the common conventions: at most two lines of 42 columns, one to seven seconds
each, and a new caption at the end of a sentence, or of a clause if needed. A line never
holds text of two paragraphs, verses or items, and none is broken after "Dr.", after an
opening bracket or before a closing one. Captions never overlap.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

import regex

from providers.contract.lines import columns_of
from providers.contract.lines import line_ends as verses_and_items
from synthesis.text.splitting import sentence_ends

LINE = 42
"""The maximum columns of a line; an ideograph takes two."""
_SHORTEST = 1.0  # seconds
_LONGEST = 7.0
_GAP = 1.5  # seconds of silence that end a caption

_CLAUSE_END = regex.compile(r"""[,;:،؛—–、，；：]["'”’»›)\]」』）]*$""")
_PARAGRAPH_END = regex.compile(r"(?<=\S)[^\S\n]*\n[^\S\n]*\n")
_ABBREVIATION = regex.compile(r"(?<!\.)\.$")

# Lines don't end with these: opening marks, and vowels of Thai and Lao before their letter.
_OPENING = r"[\p{Ps}\p{Pi}¿¡]"
_LEADING = rf"(?:{_OPENING}|[\u0e40-\u0e44\u0ec0-\u0ec4])"
# And don't begin with these: closing marks, small kana, and vowels of Thai after theirs.
_FOLLOWING = (
    r"(?:[\p{Pe}\p{Pf}、，。．：；！？،؛؟,.:;!?…々ーぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮ"
    r"\u0e2f\u0e30\u0e32\u0e33\u0e45\u0e46\u0eb0\u0eb2\u0eb3]\p{M}*)"
)
_OPENED = regex.compile(rf"{_OPENING}++$")
_ENDS_NO_LINE = regex.compile(rf"{_LEADING}$")
_BEGINS_NO_LINE = regex.compile(_FOLLOWING)
_INSEPARABLE = regex.compile(rf"{_LEADING}*+\X{_FOLLOWING}*+|{_LEADING}++")
_GRAPHEME = regex.compile(r"\X")


@dataclass(frozen=True, slots=True)
class CaptionScene:
    """The text and word times of a scene, and its start in the joined audio."""

    text: str
    words: Iterable[Mapping[str, Any]]  # start and end (s), char_start and char_end
    offset: float  # seconds
    language: str = ""  # of its voice (BCP 47); empty if it is unknown


def srt(scenes: Iterable[CaptionScene]) -> Iterator[str]:
    """Yield a SubRip file, one caption at a time."""
    for number, cue in enumerate(_cues(scenes), 1):
        lines = "\n".join(cue.lines)
        yield f"{number}\n{_span(cue, ',')}\n{lines}\n\n"


def vtt(scenes: Iterable[CaptionScene]) -> Iterator[str]:
    """Yield a WebVTT file (https://www.w3.org/TR/webvtt1/), one caption at a time."""
    yield "WEBVTT\n\n"
    for cue in _cues(scenes):
        lines = "\n".join(cue.lines)
        escaped = lines.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        yield f"{_span(cue, '.')}\n{escaped}\n\n"


@dataclass(frozen=True, slots=True)
class _Token:
    """A word with its adjacent punctuation."""

    text: str
    start: float
    end: float
    spaced: bool  # whether white space comes before it
    columns: int  # of the text and that space
    ends_sentence: bool
    ends_clause: bool
    ends_line: bool = False  # of a paragraph, a verse or an item
    binds: bool = False  # whether the next token stays on its line


@dataclass(slots=True)
class _Cue:
    start_ms: int
    end_ms: int
    lines: list[str]


def _span(cue: _Cue, point: str) -> str:
    return f"{_time(cue.start_ms, point)} --> {_time(cue.end_ms, point)}"


def _time(ms: int, point: str) -> str:
    seconds, ms = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{ms:03}"


def _cues(scenes: Iterable[CaptionScene]) -> Iterator[_Cue]:
    """Yield captions in order; each ends before the next one begins."""
    last: _Cue | None = None
    for scene in scenes:
        for tokens in _groups(_bound(list(_tokens(scene)))):
            start = round((scene.offset + tokens[0].start) * 1000)
            end = max(token.end for token in tokens)
            end = min(max(end, tokens[0].start + _SHORTEST), tokens[0].start + _LONGEST)
            cue = _Cue(start, round((scene.offset + end) * 1000), _lines(tokens))
            if last is not None:
                cue.start_ms = max(cue.start_ms, last.start_ms + 1)
                last.end_ms = min(last.end_ms, cue.start_ms)
                yield last
            cue.end_ms = max(cue.end_ms, cue.start_ms + 1)
            last = cue
    if last is not None:
        yield last


def _tokens(scene: CaptionScene) -> Iterator[_Token]:
    """Yield the text of a scene as tokens that fit into a line, with their times."""
    text = scene.text
    words = sorted(scene.words, key=lambda word: (word["char_start"], word["start"]))
    ends = {*sentence_ends(text, scene.language), len(text.rstrip())}
    line_ends = {match.start() for match in _PARAGRAPH_END.finditer(text)}
    line_ends.update(verses_and_items(text, marked=True))
    place = 0  # the text before it is in earlier tokens
    for number, word in enumerate(words):
        following = words[number + 1]["char_start"] if number + 1 < len(words) else None
        end = _token_end(text, word["char_end"], following)
        shown = text[place:end]
        spaced = shown[:1].isspace() or place == 0
        tail = range(word["char_end"], end + 1)
        is_last, is_line = (not found.isdisjoint(tail) for found in (ends, line_ends))
        place = max(place, end)
        shown = " ".join(shown.split())
        if shown:
            yield from _word_tokens(
                shown, spaced, word["start"], word["end"], is_last, is_line
            )


def _token_end(text: str, end: int, following: int | None) -> int:
    """Return the offset after a word's punctuation; opening marks go to the next word."""
    if following is None:
        return len(text)
    gap = text[end:following]
    before, newline, _ = gap.rpartition("\n")
    if newline:  # what follows is the sign of an item
        return end + len(before.rstrip())
    return end + (len(gap.rstrip()) if gap[-1:].isspace() else _last_space(gap))


def _last_space(gap: str) -> int:
    """Return the offset of the last white space in `gap`, else of opening marks."""
    for place in range(len(gap) - 1, -1, -1):
        if gap[place].isspace():
            return place
    opened = _OPENED.search(gap)
    return opened.start() if opened else len(gap)


def _word_tokens(
    text: str,
    spaced: bool,
    start: float,
    end: float,
    ends_sentence: bool,
    ends_line: bool,
) -> Iterator[_Token]:
    """Yield a word as one token, or as several that share its time if it is too wide."""
    end = max(start, end)
    width = columns_of(text)
    done = 0
    pieces = [text] if width <= LINE else _line_pieces(text)
    for number, piece in enumerate(pieces, 1):
        columns = columns_of(piece)
        yield _Token(
            piece,
            start + (end - start) * done / width,
            start + (end - start) * (done + columns) / width,
            spaced,
            columns + spaced,
            ends_sentence and number == len(pieces),
            _CLAUSE_END.search(piece) is not None,
            ends_line and number == len(pieces),
        )
        done += columns
        spaced = False


def _line_pieces(text: str) -> list[str]:
    """Split `text` into pieces that fit into a line, between graphemes."""
    pieces: list[str] = []
    room = 0
    for unit in _INSEPARABLE.findall(text):
        fits = columns_of(unit) <= LINE
        for part in [unit] if fits else _GRAPHEME.findall(unit):
            columns = columns_of(part)
            if columns > room:
                pieces.append("")
                room = LINE
            pieces[-1] += part
            room -= columns
    return pieces


def _bound(tokens: list[_Token]) -> list[_Token]:
    """Return tokens that know whether the next one stays on their line."""
    return [
        replace(token, binds=following is not None and _binds(token, following))
        for token, following in zip_longest(tokens, tokens[1:])
    ]


def _binds(token: _Token, following: _Token) -> bool:
    if token.ends_sentence or token.ends_line:
        return False
    if following.spaced:
        return _ABBREVIATION.search(token.text) is not None
    return bool(
        _ENDS_NO_LINE.search(token.text) or _BEGINS_NO_LINE.match(following.text)
    )


def _groups(tokens: list[_Token]) -> Iterator[list[_Token]]:
    """Yield the tokens of each caption."""
    group: list[_Token] = []
    for token, following in zip_longest(tokens, tokens[1:]):
        if group and token.start - group[-1].end > _GAP:
            yield group
            group = []
        while group and not _fits(group, token):
            cut = _best_cut(group)
            yield group[:cut]
            group = group[cut:]
        group.append(token)
        is_end = token.ends_sentence or token.ends_line
        if is_end and _duration(group) >= _SHORTEST:
            # "Why?" she asked.
            goes_on = following is not None and following.text[0].islower()
            if token.ends_line or not goes_on:
                yield group
                group = []
    if group:
        yield group


def _fits(group: list[_Token], token: _Token) -> bool:
    """Return whether `token` fits into the caption after `group`."""
    if token.end - group[0].start > _LONGEST:
        return False
    columns = sum(known.columns for known in group) + token.columns
    if columns <= LINE and not any(known.ends_line for known in group):
        return True
    return columns <= 2 * LINE + 1 and _two_lines([*group, token]) is not None


def _duration(group: list[_Token]) -> float:
    return group[-1].end - group[0].start


def _best_cut(group: list[_Token]) -> int:
    """Return how many tokens of a full group go into the next caption."""
    cuts = [cut for cut in range(len(group), 0, -1) if not group[cut - 1].binds]
    long_enough = [cut for cut in cuts if _duration(group[:cut]) >= _SHORTEST]
    for cut in long_enough:
        if group[cut - 1].ends_sentence or group[cut - 1].ends_line:
            return cut
    for cut in long_enough:
        if group[cut - 1].ends_clause:
            return cut
    return cuts[0] if cuts else len(group)


def _lines(group: list[_Token]) -> list[str]:
    cut = None
    width = sum(token.columns for token in group) - group[0].spaced
    if width > LINE or any(token.ends_line for token in group[:-1]):
        cut = _two_lines(group)
    return (
        [_joined(group)]
        if cut is None
        else [_joined(group[:cut]), _joined(group[cut:])]
    )


def _two_lines(group: list[_Token]) -> int | None:
    """Return how many tokens go on the first of two lines; None if two lines don't fit.

    Lines of similar width are preferred, and breaks at the end of a sentence or clause.
    """
    ends = [cut for cut in range(1, len(group)) if group[cut - 1].ends_line]
    whole = sum(token.columns for token in group)
    best, least = None, float("inf")
    first = -int(group[0].spaced)
    for cut in range(1, len(group)):
        token = group[cut - 1]
        first += token.columns
        second = whole - group[0].spaced - first - group[cut].spaced
        if first > LINE or second > LINE or token.binds or ends not in ([], [cut]):
            continue
        breathes = token.ends_sentence or token.ends_clause
        cost = abs(first - second) - (LINE / 4 if breathes else 0)
        if cost < least:
            best, least = cut, cost
    return best


def _joined(group: list[_Token]) -> str:
    parts = [f" {token.text}" if token.spaced else token.text for token in group]
    return "".join(parts).strip()
