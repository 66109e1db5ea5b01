"""Synthesize a text with an adapter and collect the result, for tests."""

import io
from array import array
from dataclasses import dataclass

import av

from providers.contract.base import Access, Adapter, SpeechRequest, Word
from providers.unicorn import Unicorn


@dataclass(frozen=True)
class Heard:
    """The audio and words of one text."""

    text: str
    audio: bytes  # 16-bit samples
    words: list[Word]
    sample_rate: int

    @property
    def seconds(self) -> float:
        return len(self.audio) / 2 / self.sample_rate

    @property
    def spoken(self) -> list[str]:
        return [self.text[word.char_start : word.char_end] for word in self.words]

    @property
    def loudest(self) -> int:
        return max(map(abs, array("h", self.audio)))


def hear(
    text: str,
    voice: str = "en-us",
    *,
    speed: float = 1.0,
    provider: Adapter | None = None,
    access: Access | None = None,
    options: dict[str, object] | None = None,
) -> Heard:
    """Synthesize `text` completely and return the result."""
    request = SpeechRequest(text, voice, speed, options or {})
    speech = (provider or Unicorn()).speak(request, access or Access())
    parts = list(speech.parts)
    audio = b"".join(part for part in parts if isinstance(part, bytes))
    rate = speech.encoding.sample_rate
    if speech.encoding.name != "pcm":
        rate, audio = decoded(audio, speech.encoding.name)
    return Heard(text, audio, [part for part in parts if isinstance(part, Word)], rate)


def decoded(audio: bytes, kind: str) -> tuple[int, bytes]:
    """Return the sample rate (Hz) and the mono samples of a file."""
    with av.open(io.BytesIO(audio), "r", format=kind) as container:
        resampler = av.AudioResampler(format="s16", layout="mono")
        frames = [
            mono
            for frame in container.decode(audio=0)
            for mono in resampler.resample(frame)
        ]
        rate = container.streams.audio[0].rate
    return rate, b"".join(frame.to_ndarray()[0].tobytes() for frame in frames)


def check(heard: Heard) -> None:
    """Assert that words are in order, within the audio and within the text."""
    time, place = 0.0, 0
    for word in heard.words:
        assert time <= word.start < word.end <= heard.seconds
        assert place <= word.char_start < word.char_end <= len(heard.text)
        assert heard.text[word.char_start : word.char_end].strip()
        time, place = word.end, word.char_end
