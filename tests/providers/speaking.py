"""What tests of providers have in common: speaking, and looking at what came."""

from array import array
from dataclasses import dataclass

from providers.base import Access, Provider, SpeechRequest, Word
from providers.unicorn import Unicorn


@dataclass(frozen=True)
class Heard:
    """Everything that a provider said for one text."""

    text: str
    audio: bytes
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
    provider: Provider | None = None,
) -> Heard:
    """Speak `text` to its end."""
    speech = (provider or Unicorn()).speak(SpeechRequest(text, voice, speed), Access())
    parts = list(speech.parts)
    return Heard(
        text,
        b"".join(part for part in parts if isinstance(part, bytes)),
        [part for part in parts if isinstance(part, Word)],
        speech.encoding.sample_rate,
    )


def check(heard: Heard) -> None:
    """Assert what holds for the words of every text."""
    time, place = 0.0, 0
    for word in heard.words:
        assert time <= word.start < word.end <= heard.seconds
        assert place <= word.char_start < word.char_end <= len(heard.text)
        assert heard.text[word.char_start : word.char_end].strip()
        time, place = word.end, word.char_end
