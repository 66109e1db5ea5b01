"""Encoding for streaming."""

import struct
from pathlib import Path

import numpy as np
import pytest

from synthesis import audio
from tests.synthesis.sounds import blocks, decode, lag, likeness, voice

RATE = 22_050
SPOKEN = voice(3 * RATE + 77)
KINDS = ["mp3", "opus", "aac", "flac", "wav", "pcm"]


def streamed(kind: str, rate: int = RATE) -> bytes:
    encoder = audio.StreamEncoder(kind, rate)
    return b"".join(map(encoder.feed, blocks(SPOKEN, 300))) + encoder.finish()


@pytest.mark.parametrize("rate", [22_050, 24_000, 44_100])
@pytest.mark.parametrize("kind", ["mp3", "opus", "aac", "flac", "wav"])
def test_streamed_audio_equals_the_input(kind: str, rate: int, tmp_path: Path) -> None:
    path = tmp_path / f"stream{audio.FORMATS[kind].extension}"
    path.write_bytes(streamed(kind, rate))
    found, found_rate, _ = decode(path)

    expected = SPOKEN
    if found_rate != rate:
        places = np.arange(len(SPOKEN) * found_rate // rate) * rate / found_rate
        expected = np.interp(places, np.arange(len(SPOKEN)), SPOKEN).astype(np.int16)
    # Without a header that states it, the encoder's padding is audible.
    late = {"mp3": 1_105, "aac": 1_024}.get(kind, 0)
    assert lag(expected, found) == late
    assert likeness(expected, found[late:]) > 0.95
    assert 0 <= len(found) - late - len(expected) < 2_304


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_come_after_a_tenth_of_a_second_of_sound(kind: str) -> None:
    encoder = audio.StreamEncoder(kind, RATE)
    fed, sent = 0, b""
    while not sent:
        sent = encoder.feed(SPOKEN[fed : fed + 441])
        fed += 441
    assert fed <= RATE // 8  # FLAC works in frames of 105 ms
    # And they keep coming.
    longest = 0
    since = fed
    while fed < 2 * RATE:
        if encoder.feed(SPOKEN[fed : fed + 441]):
            longest = max(longest, fed - since)
            since = fed
        fed += 441
    assert longest <= RATE // 8


def test_streamed_wav_says_that_its_length_is_unknown() -> None:
    data = streamed("wav")
    assert data[:4] + data[8:12] == b"RIFFWAVE"
    assert struct.unpack_from("<I", data, 4) == (0xFFFFFFFF,)
    assert struct.unpack_from("<I", data, 40) == (0xFFFFFFFF,)
    assert data[44:] == SPOKEN.tobytes()


def test_streamed_pcm_is_at_24_khz() -> None:
    assert streamed("pcm", 24_000) == SPOKEN.tobytes()
    assert abs(len(streamed("pcm")) / 2 - len(SPOKEN) * 24_000 / RATE) <= 1


def test_m4b_is_not_streamed() -> None:
    with pytest.raises(ValueError, match="can't be streamed"):
        audio.StreamEncoder("m4b", RATE)


@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_of_nothing_is_a_header_at_most(kind: str) -> None:
    encoder = audio.StreamEncoder(kind, RATE)
    assert len(encoder.feed(SPOKEN[:0]) + encoder.finish()) <= 200


@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_can_be_abandoned(kind: str) -> None:
    encoder = audio.StreamEncoder(kind, RATE)
    encoder.feed(SPOKEN)
    del encoder
