"""`hibari` as an engine: natural English, a hundred times faster than real time.

What it can't read, such as a Russian word, is spoken by eSpeak NG in its place.
"""

import struct
import sys
import unicodedata
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np

from providers.contract.base import Failure, ProviderError, Word
from providers.unicorn import levels
from providers.unicorn.client import synthesize
from providers.unicorn.engines import EngineVoice, get_engine
from providers.unicorn.hibari import voices
from providers.unicorn.script import Script, make_script

SAMPLE_RATE = 24_000
_TICK = Fraction(1, SAMPLE_RATE)
SPEEDS = (0.5, 2.0)  # of the models; what lies outside is stretched

# The voice of another script, by the first word of its letters' names.
_BY_SCRIPT = {
    "ARABIC": "ar",
    "ARMENIAN": "hy",
    "BENGALI": "bn",
    "CJK": "zh-cn",
    "CYRILLIC": "ru",
    "DEVANAGARI": "hi",
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
    "MALAYALAM": "ml",
    "MYANMAR": "my",
    "ORIYA": "or",
    "SINHALA": "si",
    "TAMIL": "ta",
    "TELUGU": "te",
    "THAI": "th",
}
_OTHERWISE = "en-us"  # names the letters


class Hibari:
    """The engine; its program has a process for each core."""

    name = voices.NAME
    sample_rate = SAMPLE_RATE
    is_neural = True
    has_all_times = False

    def is_installed(self) -> bool:
        """Return whether the package and what it runs on exist on this machine."""
        return voices.is_installed()

    def command(self) -> list[str]:
        """Return the command of its program."""
        (first,) = (str(m.path) for m in voices.models().values() if m.is_in_package)
        return [sys.executable, "-m", "providers.unicorn.hibari.engine", first]

    def voices(self) -> Mapping[str, EngineVoice]:
        """Return its voices by id."""
        return voices.voices()

    def speak(
        self, script: Script, voice: EngineVoice, speed: float
    ) -> Generator[bytes | Word]:
        """Yield samples and words, as `providers.unicorn.engines.Engine` says."""
        own = min(max(speed, SPEEDS[0]), SPEEDS[1])
        with closing(_spoken(script, voice, own)) as parts:
            whole = _whole_words(parts)
            yield from whole if own == speed else _stretched(whole, speed / own)


def _spoken(
    script: Script, voice: EngineVoice, speed: float
) -> Generator[bytes | Word]:
    request = {
        "text": script.text,
        "model": voice.engine_id,
        "is_british": voice.info.language == "en-GB",
        "speed": speed,
    }
    gain = levels.gain(voice)
    own = inserted = 0  # samples of this voice, and of others
    has_times = True
    with closing(synthesize(voices.NAME, request)) as frames:
        for kind, content in frames:
            if kind == b"A":
                own += len(content) // 2
                yield levels.raised(content, gain)
            elif kind == b"W":
                for start, end, first, last in struct.iter_unpack("<IIII", content):
                    yield Word(
                        (inserted + first) / SAMPLE_RATE,
                        (inserted + last) / SAMPLE_RATE,
                        script.origins[start][0],
                        script.origins[end - 1][1],
                    )
            elif kind == b"F":
                start, end = struct.unpack("<II", content)
                since = (own + inserted) / SAMPLE_RATE
                for part in _foreign(script.text[start:end], speed):
                    if isinstance(part, bytes):
                        inserted += len(part) // 2
                        yield part
                    elif has_times:
                        yield Word(
                            since + part.start,
                            since + part.end,
                            script.origins[start + part.char_start][0],
                            script.origins[start + part.char_end - 1][1],
                        )
            elif kind == b"T":
                has_times = False


def _whole_words(parts: Iterator[bytes | Word]) -> Iterator[bytes | Word]:
    """Yield a word that was spoken in several phrases, since it is very long, as one."""
    held: Word | None = None
    for part in parts:
        if isinstance(part, bytes):
            yield part
        elif held and (held.char_start, held.char_end) == (
            part.char_start,
            part.char_end,
        ):
            held = replace(held, end=part.end)
        else:
            if held:
                yield held
            held = part
    if held:
        yield held


def _foreign(text: str, speed: float) -> Iterator[bytes | Word]:
    """Yield what another engine makes of a text that this one can't read.

    Raises:
        ProviderError: UNSPEAKABLE, it makes no sound of it.
    """
    other = get_engine("espeak")
    voice = other.voices()[f"{_language_of(text)}-female"]
    script = make_script(text, voice.info.language)
    resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
    is_heard = False
    for part in other.speak(script, voice, speed):
        if isinstance(part, Word):
            yield part
        elif part:
            is_heard = is_heard or any(part)
            yield from _bytes(resampler.resample(_frame(part, other.sample_rate)))
    yield from _bytes(resampler.resample(None))
    if not is_heard:
        raise ProviderError(Failure.UNSPEAKABLE, "a word that no voice can say")


def _language_of(text: str) -> str:
    scripts = [
        unicodedata.name(character, "").split(" ")[0]
        for character in text
        if character.isalpha()
    ]
    if not {"HIRAGANA", "KATAKANA"}.isdisjoint(scripts):
        return "ja"
    return next((_BY_SCRIPT[s] for s in scripts if s in _BY_SCRIPT), _OTHERWISE)


def _stretched(parts: Iterator[bytes | Word], tempo: float) -> Iterator[bytes | Word]:
    """Yield audio at another tempo, at the same pitch, and the words where they are."""
    graph = av.filter.Graph()
    source = graph.add_abuffer(
        sample_rate=SAMPLE_RATE, format="s16", layout="mono", time_base=_TICK
    )
    steps = [source, graph.add("atempo", str(tempo)), graph.add("abuffersink")]
    graph.link_nodes(*steps).configure()
    position = 0  # samples that went in
    made = 0  # samples that came out
    words: deque[Word] = deque()  # whose sound has not come out yet

    def ready() -> Iterator[bytes]:
        while True:
            try:
                frame = graph.pull()
            except (av.FFmpegError, EOFError):  # it wants more, or has ended
                return
            assert isinstance(frame, av.AudioFrame)
            yield from _bytes([frame])

    def heard() -> Iterator[Word]:
        while words and words[0].end * SAMPLE_RATE <= made:
            yield words.popleft()

    for part in parts:
        if isinstance(part, Word):
            start, end = part.start / tempo, part.end / tempo
            words.append(Word(start, end, part.char_start, part.char_end))
        elif part:
            graph.push(_frame(part, SAMPLE_RATE, position))
            position += len(part) // 2
            for samples in ready():
                made += len(samples) // 2
                yield samples
        yield from heard()
    graph.push(None)
    for samples in ready():
        made += len(samples) // 2
        yield samples
    for word in words:  # some samples get lost at the end
        end = min(word.end, made / SAMPLE_RATE)
        yield Word(min(word.start, end), end, word.char_start, word.char_end)


def _frame(samples: bytes, rate: int, position: int = 0) -> av.AudioFrame:
    array = np.frombuffer(samples, np.dtype("<i2"))[np.newaxis]
    frame = av.AudioFrame.from_ndarray(array, format="s16", layout="mono")
    frame.sample_rate = rate
    frame.time_base = Fraction(1, rate)
    frame.pts = position
    return frame


def _bytes(frames: Iterable[av.AudioFrame]) -> Iterator[bytes]:
    for frame in frames:
        yield frame.to_ndarray()[0].tobytes()
