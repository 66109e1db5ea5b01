"""Read English: from a text to the phonemes of each phrase.

`hibari` turns a text into phonemes without saying what comes from where. Here each of its
steps is followed, so that every phoneme has its place in the text; and what it would pass
over in silence is found, to be spoken by another voice.
"""

import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path

from hibari.g2p import ASSETS, G2P
from hibari.g2p.lexicon import CURRENCIES

from providers.contract import words
from providers.contract.lines import line_ends
from providers.contract.sentences import spoken_sentence_ends
from providers.contract.words import Unit
from providers.unicorn.hibari.tracing import Origins, Traced, steps, traced
from providers.unicorn.hibari.wording import CHANGES

# Seconds at normal speed, the same as between calls (`synthesis.text.splitting`).
PARAGRAPH_PAUSE = 0.55
SENTENCE_PAUSE = 0.3
CLAUSE_PAUSE = 0.15

_PARAGRAPH = re.compile(r"\n[^\S\n]*\n\s*|[\u2029\f]\s*")
_CLAUSE_ENDS = frozenset(",;:—)…")
_STOPS = frozenset('.!?…,;:—"“”() ')
_READ_SIGNS = frozenset({*steps.SYMBOLS, *steps.CURRENCY_WORDS, *CURRENCIES})
_SKIPPED = re.compile("[\u200d\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]")
_SIGN = re.compile(r"[^\x00-\x7f\w\s]")
_LONG_WORD = re.compile(r"[^\W\d_]{25,}")  # the lexicon's net reads no further
_PART = 20  # letters
_ODD_LETTER = re.compile(r"[^\x00-\x7f\W]")


@dataclass(frozen=True, slots=True)
class Phrase:
    """What the voice says in one go."""

    phonemes: str
    words: Sequence["Spoken"]
    pause: float  # silence after it, in seconds at normal speed


@dataclass(frozen=True, slots=True)
class Foreign:
    """A stretch of the text that this voice can't read: its start and end."""

    start: int
    end: int


@dataclass(slots=True)
class Spoken:
    """The words `spans` of the text, spoken by `phonemes[first:end]` of a phrase."""

    first: int
    end: int
    spans: list[tuple[int, int]]


@dataclass(slots=True)
class _Atom:
    """Phonemes that belong together, then the stops and spaces after them."""

    phonemes: str
    units: list[Unit]  # empty: stops alone
    tail: str = ""

    @property
    def length(self) -> int:
        return len(self.phonemes) + len(self.tail)


@dataclass(slots=True)
class Reader:
    """Reads texts with the lexicon of one kind of English."""

    is_british: bool = False
    _g2p: G2P = field(init=False)
    _letters: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        self._g2p = G2P(british=self.is_british)
        self._letters = frozenset(self._g2p.oov.cin)

    def read(self, text: str, most: int) -> Iterator[Phrase | Foreign]:
        """Yield the phrases of `text`, of at most `most` phonemes each, in order."""
        spans = list(_sentences(text))
        for number, (start, end, pause) in enumerate(spans, 1):
            parts = list(self._sentence(text, start, end, most))
            for place, part in enumerate(parts, 1):
                is_last = place == len(parts)
                if isinstance(part, Phrase) and is_last and number < len(spans):
                    part = Phrase(part.phonemes, part.words, pause)
                yield part
                if isinstance(part, Foreign) and is_last and number < len(spans):
                    yield Phrase("", [], pause)

    def _sentence(
        self, text: str, start: int, end: int, most: int
    ) -> Iterator[Phrase | Foreign]:
        units = _moved(words.split(text[start:end]), start)
        foreign = {n for n, unit in enumerate(units) if self._is_foreign(text, unit)}
        while True:
            runs = list(_runs(units, foreign))
            read = [
                None if is_foreign else self._atoms(text, run)
                for is_foreign, run in runs
            ]
            silent = {
                unit.start
                for (is_foreign, run), atoms in zip(runs, read, strict=True)
                if not is_foreign
                for unit in _silent(run, atoms or [])
            }
            if not silent:
                break
            foreign |= {n for n, unit in enumerate(units) if unit.start in silent}
        for (_, run), atoms in zip(runs, read, strict=True):
            if atoms is None:
                yield Foreign(run[0].start, run[-1].end)
            else:
                yield from _phrases(atoms, most)

    def _is_foreign(self, text: str, unit: Unit) -> bool:
        return unit.has_letters and any(
            character.isalpha() and not _is_latin(character)
            for character in text[unit.word_start : unit.word_end]
        )

    def _atoms(self, text: str, run: Sequence[Unit]) -> list[_Atom]:
        """Return the phonemes of some units in a row."""
        start, end = run[0].start, run[-1].end
        trace = Traced(text[start:end], start)
        trace.sub(_SKIPPED, lambda _: "")
        for pattern, change in CHANGES:
            trace.sub(pattern, change)
        trace.sub(_SIGN, lambda match: self._sign(match[0]))
        trace.sub(_ODD_LETTER, lambda match: self._letter(match[0]))
        trace.sub(_LONG_WORD, lambda match: self._in_parts(match[0]))
        traced(trace)
        place = 0
        atoms: list[_Atom] = []
        for token in self._g2p.phonemize_tokens(self._g2p._tokens(trace.text)):
            first, place = _found(trace.text, token.text, place)
            phonemes = "".join(c for c in token.phonemes or "" if c in vocabulary())
            space = " " if token.whitespace else ""
            if not phonemes.strip("".join(_STOPS)):
                if atoms:
                    atoms[-1].tail += phonemes + space
                elif phonemes.strip():
                    atoms.append(_Atom("", [], phonemes + space))
                continue
            meant = _units_of(run, trace.origins[first:place])
            before = atoms[-1] if atoms else None
            if before and meant and meant[0] in before.units:
                before.phonemes += before.tail + phonemes
                before.tail = space
                before.units += [unit for unit in meant if unit not in before.units]
            else:
                atoms.append(_Atom(phonemes, meant, space))
        return atoms

    def _sign(self, sign: str) -> str:
        """Return a sign that isn't read as it is by its name: "→" and "½" are."""
        category = unicodedata.category(sign)
        if sign in _READ_SIGNS or category[0] in "PZCM":
            return sign
        if "\U0001f1e6" <= sign <= "\U0001f1ff":  # half of a flag
            return f" {chr(ord(sign) - 0x1F1E6 + ord('A'))} "
        return f" {unicodedata.name(sign, '').lower().replace('-', ' ')} "

    def _letter(self, letter: str) -> str:
        """Return a letter as the lexicon's net knows it, or the letter below its mark."""
        if letter in self._letters or not (letter.isalpha() or letter.isdigit()):
            return letter
        if letter.isdecimal():
            return str(unicodedata.decimal(letter))
        plain = unicodedata.normalize("NFKD", letter)[0]
        if plain.isascii():
            return plain
        match = re.match(r"LATIN (\w+) LETTER (\w)\b", unicodedata.name(letter, ""))
        if match is None:
            return letter
        return match[2] if match[1] == "CAPITAL" else match[2].lower()

    def _in_parts(self, word: str) -> str:
        """Return a long word that is in no lexicon in parts that are read one by one."""
        if self._g2p.lexicon.is_known(word.lower(), None):
            return word
        places = range(0, len(word), _PART)
        return " ".join(word[place : place + _PART] for place in places)


def _sentences(text: str) -> Iterator[tuple[int, int, float]]:
    """Yield start, end and following pause of each sentence, verse, item or heading."""
    place = 0
    for gap in [*_PARAGRAPH.finditer(text), None]:
        end = gap.start() if gap else len(text)
        pauses = {place + cut: CLAUSE_PAUSE for cut in line_ends(text[place:end])}
        for cut in spoken_sentence_ends(text[place:end]):
            pauses[place + cut] = SENTENCE_PAUSE
        for cut, pause in sorted(pauses.items()):
            if text[place:cut].strip():
                yield place, cut, pause
            place = cut
        if text[place:end].strip():
            yield place, end, PARAGRAPH_PAUSE
        place = gap.end() if gap else end


@lru_cache(maxsize=4096)
def _is_latin(character: str) -> bool:
    return character.isascii() or "LATIN" in unicodedata.name(character, "LATIN")


@cache
def vocabulary() -> dict[str, int]:
    """Return the phonemes that the models know, with their numbers."""
    path = Path(ASSETS) / "vocab.json"
    known: dict[str, int] = json.loads(path.read_text(encoding="utf-8"))
    return known


def _moved(units: Sequence[Unit], by: int) -> list[Unit]:
    return [
        Unit(
            *(unit.start + by, unit.end + by, unit.word_start + by, unit.word_end + by),
            unit.has_letters,
            unit.is_attached,
        )
        for unit in units
    ]


def _runs(
    units: Sequence[Unit], foreign: set[int]
) -> Iterator[tuple[bool, list[Unit]]]:
    """Yield the units in a row that are foreign, and those that are not."""
    run: list[Unit] = []
    is_foreign = False
    for number, unit in enumerate(units):
        # Stops belong to what they follow.
        differs = unit.has_letters and (number in foreign) != is_foreign
        if run and differs:
            yield is_foreign, run
            run = []
        if differs or not run:
            is_foreign = number in foreign
        run.append(unit)
    if run:
        yield is_foreign, run


def _silent(run: Sequence[Unit], atoms: Sequence[_Atom]) -> list[Unit]:
    heard = {unit.start for atom in atoms for unit in atom.units}
    return [unit for unit in run if unit.has_letters and unit.start not in heard]


def _found(text: str, token: str, place: int) -> tuple[int, int]:
    """Return start and end of a token in `text` from `place` on; some signs are lost."""
    first = -1
    for character in token:
        if character.isspace():
            continue
        at = text.find(character, place)
        if at < 0:
            continue
        place = at + 1
        first = at if first < 0 else first
    return (place if first < 0 else first), place


def _units_of(run: Sequence[Unit], origins: Origins) -> list[Unit]:
    if not origins:
        return []
    start, end = min(o[0] for o in origins), max(o[1] for o in origins)
    return [unit for unit in run if unit.start < end and start < unit.end]


def _phrases(atoms: Sequence[_Atom], most: int) -> Iterator[Phrase]:
    """Yield phrases of at most `most` phonemes, cut after a clause, else after a word."""
    short = [part for atom in atoms for part in _shortened(atom, most)]
    while short:
        length = count = clause = 0
        for number, atom in enumerate(short, 1):
            length += atom.length
            if length > most and count:
                break
            count = number
            if _CLAUSE_ENDS & set(atom.tail) and length > most // 4:
                clause = number
        pause = 0.0
        if count < len(short):
            count, pause = (clause, CLAUSE_PAUSE) if clause else (count, 0.0)
        if phrase := _phrase(short[:count], pause):
            yield phrase
        del short[:count]


def _shortened(atom: _Atom, most: int) -> Iterator[_Atom]:
    if atom.length <= most:
        yield atom
        return
    for place in range(0, len(atom.phonemes), most):
        yield _Atom(atom.phonemes[place : place + most], atom.units)


def _phrase(atoms: Sequence[_Atom], pause: float) -> Phrase | None:
    phonemes = ""
    spoken = []
    for atom in atoms:
        first = len(phonemes)
        phonemes += atom.phonemes
        if atom.units:
            spans = [(unit.word_start, unit.word_end) for unit in atom.units]
            spoken.append(Spoken(first, len(phonemes), spans))
        phonemes += atom.tail
    if not spoken and not phonemes.strip("".join(_STOPS)):
        return None  # stops alone
    return Phrase(phonemes.rstrip(), spoken, pause)
