"""Align the timings that vendors return with the words of the text."""

from collections import deque
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import replace

from providers.contract import words
from providers.contract.base import Word
from providers.contract.failures import finite_number

_SHORTEST = 0.001  # seconds
_AHEAD = 12  # words that a vendor may skip at once


class Timeline:
    """Interleaves audio and words, and keeps words in order and within the audio.

    A word is yielded once the audio up to its end was yielded. Vendors round times: a word
    may end after the next one begins, or after the audio ends.
    """

    def __init__(self, rate: int) -> None:
        self.seconds = 0.0  # of audio so far
        self._rate = rate
        self._bytes = 0
        self._waiting: deque[Word] = deque()
        self._time = 0.0
        self._offset = 0

    def add_audio(self, samples: bytes) -> Generator[bytes | Word]:
        """Yield 16-bit samples, then the words that end within the audio so far."""
        yield samples
        self._bytes += len(samples)
        self.seconds = self._bytes / 2 / self._rate
        while self._waiting and self._waiting[0].end <= self.seconds:
            yield from self._release()

    def add_words(self, found: Iterable[Word]) -> None:
        """Queue words, which must come in order."""
        self._waiting.extend(found)

    def finish(self, seconds: float | None = None) -> Generator[Word]:
        """Yield the remaining words; the audio ends here, or at `seconds` if given."""
        self.seconds = self.seconds if seconds is None else seconds
        while self._waiting:
            yield from self._release()

    def _release(self) -> Generator[Word]:
        word = self._waiting.popleft()
        start = max(word.start, self._time)
        end = min(max(word.end, start + _SHORTEST), self.seconds)
        is_new = word.char_start >= self._offset and word.char_end > word.char_start
        if start < end and is_new:
            self._time, self._offset = end, word.char_end
            yield replace(word, start=start, end=end)


class Matcher:
    """Finds the words of a text in a vendor's timed tokens.

    Tokens differ from the text: without punctuation, in parts ("don", "'t"), or spelled
    out ("12" as "twelve"). A token that equals one of the next words is that word; the
    words between two matches share the time of the tokens between them.
    """

    def __init__(self, text: str) -> None:
        self._units = [unit for unit in words.split(text) if unit.has_letters]
        self._plain = [
            _plain(text[unit.word_start : unit.word_end]) for unit in self._units
        ]
        self._next = 0
        self._unmatched: list[tuple[float, float]] = []

    def feed(self, token: str, start: float, end: float) -> list[Word]:
        """Return the words that are matched with this token."""
        plain = _plain(token)
        if not plain:
            return []
        ahead = self._plain[self._next : self._next + _AHEAD]
        if plain not in ahead:
            self._unmatched.append((start, end))
            return []
        index = self._next + ahead.index(plain)
        found = self._shared(index)
        unit = self._units[index]
        self._next = index + 1
        return [*found, Word(start, end, unit.word_start, unit.word_end)]

    def finish(self) -> list[Word]:
        """Return the remaining words, timed by the tokens that matched none."""
        return self._shared(len(self._units))

    def _shared(self, upto: int) -> list[Word]:
        units, times = self._units[self._next : upto], self._unmatched
        self._next, self._unmatched = upto, []
        if not units or not times:
            return []
        start, end = times[0][0], times[-1][1]
        lengths = [unit.word_end - unit.word_start for unit in units]
        per_letter = (end - start) / sum(lengths)
        found = []
        for unit, length in zip(units, lengths, strict=True):
            until = start + length * per_letter
            found.append(Word(start, until, unit.word_start, unit.word_end))
            start = until
        return found


def _plain(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))


def match_words(text: str, tokens: Iterable[Sequence[object]]) -> list[Word]:
    """Return the words of `text`, timed by a vendor's complete list of tokens.

    A token is (text, start, end), in seconds.
    """
    matcher = Matcher(text)
    found: list[Word] = []
    for token in timed_tokens(tokens):
        found += matcher.feed(*token)
    return [*found, *matcher.finish()]


def timed_tokens(
    tokens: Iterable[Sequence[object]],
) -> Generator[tuple[str, float, float]]:
    """Yield the valid (token, start, end) of a vendor's JSON; skip all others."""
    for token in tokens:
        match token:
            case (str(said), start, end):
                since, until = finite_number(start), finite_number(end)
                if since is not None and until is not None:
                    yield said, since, until


def words_from_characters(
    units: Iterable[words.Unit], times: Mapping[int, tuple[float, float]]
) -> list[Word]:
    """Return words, timed by the times of their characters.

    `times` has start and end in seconds by the character's offset in the text.
    """
    found = []
    for unit in units:
        timed = [
            times[index]
            for index in range(unit.word_start, unit.word_end)
            if index in times
        ]
        if timed:
            found.append(
                Word(timed[0][0], timed[-1][1], unit.word_start, unit.word_end)
            )
    return found
