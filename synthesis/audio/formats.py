"""The output formats that clients can request, and how each is encoded."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Format:
    """An output format. Always mono."""

    content_type: str
    extension: str  # with its dot
    container: str  # FFmpeg's names from here on
    codec: str
    bit_rate: int = 0  # bits per second; 0: not configurable
    codec_options: Mapping[str, str] = field(default_factory=dict)
    rates: tuple[int, ...] = ()  # supported rates in Hz, ascending; empty: any

    def rate_for(self, rate: int) -> int:
        """Return the rate to encode at: `rate`, else the next higher supported one."""
        if not self.rates or rate in self.rates:
            return rate
        return next((known for known in self.rates if known > rate), self.rates[-1])


@dataclass(frozen=True, slots=True)
class ChapterMark:
    """The start of a chapter, which ends where the next one starts."""

    title: str
    start: float  # seconds


_MPEG_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)

FORMATS: Mapping[str, Format] = {
    # 64 kbit/s is transparent for one voice. The bit rate is constant, so that all players
    # can seek. Encoded by `synthesis.audio.mp3`.
    "mp3": Format("audio/mpeg", ".mp3", "mp3", "libmp3lame", 64_000, rates=_MPEG_RATES),
    "wav": Format("audio/wav", ".wav", "wav", "pcm_s16le"),
    "flac": Format("audio/flac", ".flac", "flac", "flac"),
    # Opus always decodes to 48 kHz. At 32 kbit/s it keeps nothing of speech above 12 kHz,
    # so the highest rate here is 24 kHz.
    "opus": Format(
        "audio/ogg",
        ".opus",
        "ogg",
        "libopus",
        32_000,
        rates=(8_000, 12_000, 16_000, 24_000),
    ),
    # Raw AAC frames (ADTS). This format can't mark its first 1,024 samples as padding, so
    # playback starts that much later: 43 ms at 24 kHz. M4B can mark them.
    "aac": Format(
        "audio/aac",
        ".aac",
        "adts",
        "aac",
        64_000,
        {"aac_coder": "fast"},
        rates=_MPEG_RATES,
    ),
    # No header: 16-bit signed little-endian at 24 kHz, as OpenAI's clients expect.
    "pcm": Format("audio/pcm", ".pcm", "s16le", "pcm_s16le", rates=(24_000,)),
    "m4b": Format(
        "audio/mp4",
        ".m4b",
        "ipod",
        "aac",
        64_000,
        {"aac_coder": "fast"},
        rates=_MPEG_RATES,
    ),
}
