"""Word times from the engine's events, exact to the sample."""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator

from providers.contract import words
from providers.contract.base import Word
from providers.unicorn.client import SAMPLE_RATE, EngineEvent
from providers.unicorn.script import Script


def with_word_times(
    parts: Iterable[bytes | EngineEvent], script: Script
) -> Iterator[bytes | Word]:
    """Pass audio on at once and turn events into words as soon as they are over.

    `parts` is what the engine says of `script`; the words are of the original text.
    """
    clock = _Clock(script)
    ahead: deque[EngineEvent] = deque()  # events of audio still to come
    heard = 0  # samples
    for part in parts:
        if isinstance(part, EngineEvent):
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

    def __init__(self, script: Script) -> None:
        self.units = words.split(script.text)
        self.tail = bytearray()  # audio from `since` on
        self._starts = [unit.start for unit in self.units]
        self._ends = [unit.end for unit in self.units]
        self._origins = script.origins
        self._since = 0  # sample at which the stretch began
        self._first: int | None = None  # its first unit; None: between two clauses
        self._told: set[int] = set()  # units with an event of their own
        self._next = 0  # units before this one are over or being said

    def turn(self, event: EngineEvent) -> Iterator[Word]:
        """Go on to `event`; its audio has been heard."""
        if not event.is_word:
            # The place is the last of the clause, or the space after it.
            upto = bisect_right(self._starts, event.place)
            yield from self.close(upto, event.sample)
            return
        index = bisect_right(self._ends, event.place)
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
        spans = self._spans(first, upto)
        total = sum(end - start for start, end in spans)
        done = 0
        for start, end in spans:
            begins = self._since + loud * done / total
            done += end - start
            ends = self._since + loud * done / total
            yield Word(
                begins / SAMPLE_RATE,
                ends / SAMPLE_RATE,
                self._origins[start][0],
                self._origins[end - 1][1],
            )

    def _spans(self, first: int, upto: int) -> list[tuple[int, int]]:
        """Return where in the script the words among these units stand."""
        spans: list[tuple[int, int]] = []
        for index in range(first, upto):
            unit = self.units[index]
            if unit.has_letters:
                if unit.is_attached and spans and index not in self._told:
                    spans[-1] = (spans[-1][0], unit.word_end)  # 你好 is read as one
                else:
                    spans.append((unit.word_start, unit.word_end))
            elif index in self._told and not self._is_untold(index + 1, upto):
                spans.append((unit.word_start, unit.word_end))
        return spans

    def _is_untold(self, index: int, upto: int) -> bool:
        """Return whether a word stands there that the engine told nothing of.

        It tells of "- b" as if the hyphen were said, and of "b" nothing.
        """
        return (
            index < upto and index not in self._told and self.units[index].has_letters
        )
