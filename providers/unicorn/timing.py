"""Word times from the engine's events, exact to the sample."""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from providers import words
from providers.base import Word
from providers.unicorn.client import SAMPLE_RATE, Event


def timed(
    parts: Iterable[bytes | Event], text: str, origins: Sequence[int]
) -> Iterator[bytes | Word]:
    """Pass audio on at once and turn events into words as soon as they are over.

    Args:
        parts: what the engine says of a script made from `text`.
        origins: for each character of that script its offset in `text`.
    """
    clock = _Clock(text, origins)
    ahead: deque[Event] = deque()  # events of audio still to come
    heard = 0  # samples
    for part in parts:
        if isinstance(part, Event):
            ahead.append(part)
            continue
        yield part
        heard += len(part) // 2
        clock.tail += part
        while ahead and ahead[0].sample <= heard:
            yield from clock.turn(ahead.popleft())
    for event in ahead:
        yield from clock.turn(event)
    yield from clock.close(len(clock.units), heard)


class _Clock:
    """Follows the events of one text.

    The engine tells where it begins a word, often several times for one that it reads
    in parts ("12.5%"), and not at all for one that it says in one breath with the word
    before ("I am"). So a stretch lasts from one word that begins to the next, and the
    words in it share its time by their length; nearly always it is a single one. The
    silence that ends a clause belongs to nobody.
    """

    def __init__(self, text: str, origins: Sequence[int]) -> None:
        self.units = words.split(text)
        self.tail = bytearray()  # audio from `since` on
        self._starts = [unit.start for unit in self.units]
        self._ends = [unit.end for unit in self.units]
        self._origins = origins
        self._length = len(text)
        self._since = 0  # sample at which the stretch began
        self._first: int | None = None  # its first unit; None: between two clauses
        self._told: set[int] = set()  # units with an event of their own
        self._next = 0  # units before this one are over or being said

    def turn(self, event: Event) -> Iterator[Word]:
        """Go on to `event`; its audio has been heard."""
        place = self._length
        if event.place < len(self._origins):
            place = self._origins[event.place]
        if not event.is_word:
            # The place is the last of the clause, or the space after it.
            yield from self.close(bisect_right(self._starts, place), event.sample)
            return
        index = bisect_right(self._ends, place)
        if self._next <= index < len(self.units):
            self._told.add(index)
            if self._first is None or event.sample > self._since:
                yield from self.close(index, event.sample)
                self._first = index
            self._next = index + 1

    def close(self, upto: int, sample: int) -> Iterator[Word]:
        """End the stretch at `sample`; it held the units before `upto`."""
        upto = max(upto, self._next)
        length = 2 * max(sample - self._since, 0)
        loud = len(bytes(self.tail[:length]).rstrip(b"\0")) / 2
        if self._first is not None and loud:
            yield from self._share(self._first, upto, loud)
        del self.tail[:length]
        self._since = max(sample, self._since)
        self._first = None
        self._next = upto

    def _share(self, first: int, upto: int, loud: float) -> Iterator[Word]:
        spans: list[tuple[int, int]] = []
        for index in range(first, upto):
            unit = self.units[index]
            if index in self._told or (unit.has_letters and not unit.is_attached):
                spans.append((unit.word_start, unit.word_end))
            elif unit.has_letters and spans:
                spans[-1] = (
                    spans[-1][0],
                    unit.word_end,
                )  # 你好 is one word, read as one
        total = sum(end - start for start, end in spans)
        done = 0
        for start, end in spans:
            begins = self._since + loud * done / total
            done += end - start
            ends = self._since + loud * done / total
            yield Word(begins / SAMPLE_RATE, ends / SAMPLE_RATE, start, end)
