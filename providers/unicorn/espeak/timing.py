"""Word times from the engine's events, exact to one sample."""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from providers.contract import words
from providers.contract.base import Word
from providers.contract.words import Unit
from providers.unicorn.script import Script

SAMPLE_RATE = 22_050  # Hz


@dataclass(frozen=True, slots=True)
class EngineEvent:
    """The start of a word, or of the silence after a clause, in the engine's audio."""

    is_word: bool
    place: int  # offset in the text, in code points
    sample: int  # from the start of the audio


def with_word_times(
    parts: Iterable[bytes | EngineEvent], script: Script
) -> Iterator[bytes | Word]:
    """Yield the engine's audio at once, and each word when its audio was yielded.

    `parts` is the engine's output for `script`; words refer to the original text.
    """
    clock = _Clock(script)
    ahead: deque[EngineEvent] = deque()  # events whose audio was not yielded yet
    yielded = 0  # samples
    for part in parts:
        if isinstance(part, EngineEvent):
            ahead.append(part)
            continue
        yield part
        yielded += len(part) // 2
        clock.tail += part
        while ahead and ahead[0].sample <= yielded:
            yield from clock.advance(ahead.popleft())
    for event in ahead:
        yield from clock.advance(event)
    yield from clock.close(len(clock.units), yielded)


def _units(script: Script) -> list[Unit]:
    """Return the units of a script; what was made of one sign or word is one unit."""
    units: list[Unit] = []
    for unit in words.split(script.text):
        before = units[-1] if units else None
        if before and (
            script.origins[before.word_end - 1] == script.origins[unit.word_start]
        ):
            units[-1] = replace(
                before,
                end=unit.end,
                word_end=unit.word_end,
                has_letters=before.has_letters or unit.has_letters,
            )
        else:
            units.append(unit)
    return units


class _Clock:
    """Assigns times to the words of one text, from the engine's events.

    An event marks the start of a word. A word that is read in parts ("12.5%") has several
    events, and a word that is spoken together with the one before ("I am") has none. So a
    stretch lasts from the start of one word to the start of the next. All words in a
    stretch share its time by their length; nearly always there is only one. The silence at
    the end of a clause belongs to no word.
    """

    def __init__(self, script: Script) -> None:
        self.units = _units(script)
        self._text = script.text
        self.tail = bytearray()  # audio from `_since` on
        self._starts = [unit.start for unit in self.units]
        self._ends = [unit.end for unit in self.units]
        self._origins = script.origins
        self._since = 0  # sample at which the stretch began
        self._first: int | None = None  # the stretch's first unit; None between clauses
        self._with_event: set[int] = set()  # units that have an event
        self._next = 0  # units before this one are done or being spoken

    def advance(self, event: EngineEvent) -> Iterator[Word]:
        """Process `event` after its audio was yielded; yield the words that end."""
        if not event.is_word:
            # The event's place is the clause's last character, or the space after it.
            upto = bisect_right(self._starts, event.place)
            yield from self.close(upto, event.sample)
            return
        if self._text[event.place : event.place + 1].isspace():
            return  # a further word of the sign before it: "↩" is read in four
        index = bisect_right(self._ends, event.place)
        if self._next <= index < len(self.units):
            self._with_event.add(index)
            if self._first is None or event.sample > self._since:
                yield from self.close(index, event.sample)
                self._first = index
            self._next = index + 1

    def close(self, upto: int, sample: int) -> Iterator[Word]:
        """End the stretch at `sample`, with the units before `upto`; yield its words."""
        upto = max(upto, self._next)
        length = 2 * max(sample - self._since, 0)
        loud = len(bytes(self.tail[:length]).rstrip(b"\0")) / 2
        # Some words at the start of a clause have no event: in Korean, those in ㄴ.
        first = self._next if self._first is None else self._first
        if loud:
            yield from self._share(first, upto, loud)
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
        """Return the start and end in the script of each word among these units."""
        spans: list[tuple[int, int]] = []
        for index in range(first, upto):
            unit = self.units[index]
            if unit.has_letters:
                if unit.is_attached and spans and index not in self._with_event:
                    # 你好 is read as one word.
                    spans[-1] = (spans[-1][0], unit.word_end)
                else:
                    spans.append((unit.word_start, unit.word_end))
            elif index in self._with_event and not self._lacks_event(index + 1, upto):
                spans.append((unit.word_start, unit.word_end))
        return spans

    def _lacks_event(self, index: int, upto: int) -> bool:
        """Return whether the unit at `index` is a word without an event.

        For "- b" the engine has an event for the hyphen and none for "b".
        """
        return (
            index < upto
            and index not in self._with_event
            and self.units[index].has_letters
        )
