"""Encoding: files are decoded again and measured."""

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from synthesis import audio
from synthesis.audio import ChapterMark, Samples
from synthesis.audio.encoding import wav_header
from tests.synthesis.sounds import blocks, decode, lag, level, likeness, voice

RATES = [8_000, 16_000, 22_050, 24_000, 44_100, 48_000]


def encoded(
    samples: Samples, kind: str, folder: Path, *, rate: int = 22_050, **options
) -> Path:
    target = folder / f"sound{audio.FORMATS[kind].extension}"
    result = audio.encode(
        blocks(samples), rate=rate, format=kind, target=target, **options
    )
    assert result.samples == len(samples)
    assert result.duration_ms == round(len(samples) * 1000 / rate)
    return target


def at_rate(samples: Samples, rate: int, to: int) -> Samples:
    """Resample independently of FFmpeg: by linear interpolation."""
    places = np.arange(round(len(samples) * to / rate)) * rate / to
    return np.interp(places, np.arange(len(samples)), samples).astype(np.int16)


# --- length, place and loudness ------------------------------------------------------


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("kind", ["mp3", "wav", "flac"])
def test_length_is_exact_to_the_sample(kind: str, rate: int, tmp_path: Path) -> None:
    samples = voice(3 * rate + 77, rate)
    path = encoded(samples, kind, tmp_path, rate=rate)

    found, found_rate, container = decode(path)

    assert (found_rate, len(found)) == (rate, len(samples))
    assert container.duration == pytest.approx(len(samples) / rate * 1e6, abs=20)


@pytest.mark.parametrize("rate", [*RATES, 12_345])
def test_opus_is_exact_to_the_sample_at_its_own_rate(rate: int, tmp_path: Path) -> None:
    samples = voice(3 * rate + 77, rate)
    found, found_rate, _ = decode(encoded(samples, "opus", tmp_path, rate=rate))
    assert found_rate == 48_000
    assert abs(len(found) - len(samples) * 48_000 / rate) <= 3


@pytest.mark.parametrize("rate", RATES)
def test_m4b_says_its_exact_length(rate: int, tmp_path: Path) -> None:
    """The last frame is padded; the edit list tells players where to stop."""
    samples = voice(3 * rate + 77, rate)
    found, found_rate, container = decode(encoded(samples, "m4b", tmp_path, rate=rate))
    assert container.duration == pytest.approx(len(samples) / rate * 1e6, abs=20)
    assert 0 <= len(found) - len(samples) * found_rate / rate < 1_024


def test_aac_has_only_the_padding_of_its_frames(tmp_path: Path) -> None:
    samples = voice(66_227)
    found, _, _ = decode(encoded(samples, "aac", tmp_path))
    assert 1_024 <= len(found) - len(samples) < 3 * 1_024
    assert lag(samples, found) == 1_024


def test_pcm_is_16_bits_at_24_khz(tmp_path: Path) -> None:
    samples = voice(48_000, 24_000)
    path = encoded(samples, "pcm", tmp_path, rate=24_000)
    assert path.read_bytes() == samples.tobytes()
    path = encoded(voice(44_100), "pcm", tmp_path)
    assert path.stat().st_size == 2 * 48_000


@pytest.mark.parametrize(
    ("kind", "alike"),
    [("wav", 1), ("flac", 1), ("mp3", 0.99), ("opus", 0.95), ("m4b", 0.99)],
)
def test_sound_is_in_its_place_and_as_loud_as_it_was(
    kind: str, alike: float, tmp_path: Path
) -> None:
    samples = voice(100_000)
    found, rate, _ = decode(encoded(samples, kind, tmp_path))
    expected = at_rate(samples, 22_050, rate)
    assert lag(expected, found) == 0
    assert likeness(expected, found) >= alike - 1e-9
    # LAME takes 0.45 dB off by itself, so that loud samples don't clip.
    quieter = 0.45 if kind == "mp3" else 0
    assert level(found) == pytest.approx(level(expected) - quieter, abs=0.1)


@pytest.mark.parametrize("kind", ["mp3", "opus", "m4b"])
def test_unsupported_rates_are_resampled(kind: str, tmp_path: Path) -> None:
    samples = voice(60_000, 17_000)
    found, rate, _ = decode(encoded(samples, kind, tmp_path, rate=17_000))
    assert rate in (*audio.FORMATS[kind].rates, 48_000)
    assert lag(at_rate(samples, 17_000, rate), found) == 0


@pytest.mark.parametrize("kind", list(audio.FORMATS))
def test_the_same_samples_make_the_same_bytes(kind: str, tmp_path: Path) -> None:
    samples = voice(30_000)
    first = encoded(samples, kind, tmp_path, title="A").read_bytes()
    assert encoded(samples, kind, tmp_path, title="A").read_bytes() == first


@pytest.mark.parametrize("kind", list(audio.FORMATS))
def test_empty_audio_is_refused(kind: str, tmp_path: Path) -> None:
    with pytest.raises(audio.BadAudio, match="nothing to encode"):
        encoded(voice(0), kind, tmp_path)


@pytest.mark.parametrize("kind", list(audio.FORMATS))
def test_errors_of_the_input_are_raised(kind: str, tmp_path: Path) -> None:
    def broken() -> Iterator[Samples]:
        yield voice(30_000)
        raise audio.BadAudio("a damaged part")

    target = tmp_path / "sound"
    with pytest.raises(audio.BadAudio, match="a damaged part"):
        audio.encode(broken(), rate=22_050, format=kind, target=target)


# --- MP3 -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "count", [47, 528, 529, 575, 576, 577, 1_105, 1_151, 1_152, 1_153, 2_304]
)
@pytest.mark.parametrize("rate", [22_050, 44_100])
def test_any_length_of_mp3_is_exact(count: int, rate: int, tmp_path: Path) -> None:
    samples = voice(count, rate)
    found, _, _ = decode(encoded(samples, "mp3", tmp_path, rate=rate))
    assert len(found) == count


@pytest.mark.parametrize(
    ("rate", "start", "samples"),
    [
        # From the tables of ISO 11172-3 and 13818-3: 64 kbit/s, mono.
        (48_000, "fffb54c0", 1_152),
        (44_100, "fffb50c0", 1_152),
        (32_000, "fffb58c0", 1_152),
        (24_000, "fff384c0", 576),
        (22_050, "fff380c0", 576),
        (16_000, "fff388c0", 576),
        (12_000, "ffe384c0", 576),
        (11_025, "ffe380c0", 576),
        (8_000, "ffe388c0", 576),
    ],
)
def test_mp3_header_states_frames_bytes_and_padding(
    rate: int, start: str, samples: int, tmp_path: Path
) -> None:
    data = encoded(voice(2 * rate), "mp3", tmp_path, rate=rate).read_bytes()

    assert data[:4].hex() == start
    frames = list(mp3_frames(data, rate, samples))
    # Padded or not, marked as an original or not: the rest of a header never changes.
    assert {header & 0xFFFF_FC00 | header & 0xC0 for header in frames} == {
        int(start, 16) & 0xFFFF_FC00 | 0xC0
    }
    mark = data.index(b"Info")
    assert mark == 4 + (17 if samples == 1_152 else 9)
    flags, count, size = struct.unpack_from(">III", data, mark + 4)
    assert (flags, count, size) == (0b1111, len(frames) - 1, len(data))
    assert data[mark + 120 : mark + 129] == b"LAME4.0  "
    delay, padding = divmod(int.from_bytes(data[mark + 141 : mark + 144], "big"), 4096)
    assert delay == 576
    assert delay + padding + 2 * rate == count * samples


def mp3_frames(data: bytes, rate: int, samples: int) -> Iterator[int]:
    """Yield the header of each frame; they touch, and the last one ends the file."""
    place = 0
    while place < len(data):
        header = int.from_bytes(data[place : place + 4], "big")
        yield header
        place += samples // 8 * 64_000 // rate + (header >> 9 & 1)
    assert place == len(data)


def test_mp3_carries_title_and_chapters(tmp_path: Path) -> None:
    samples = voice(3 * 22_050)
    chapters = [
        ChapterMark("Prológ", 0.0),
        ChapterMark("第一章", 0.5),
        ChapterMark("3", 1.25),
    ]
    path = encoded(samples, "mp3", tmp_path, title="Kniha č. 1", chapters=chapters)

    found, _, container = decode(path)

    assert path.read_bytes()[:4] == b"ID3\x03"
    assert len(found) == len(samples)
    assert container.metadata["title"] == "Kniha č. 1"
    assert marks(container) == [
        (0.0, 0.5, "Prológ"),
        (0.5, 1.25, "第一章"),
        (1.25, 3.0, "3"),
    ]


def test_mp3_lists_more_chapters_than_one_table_holds(tmp_path: Path) -> None:
    chapters = [ChapterMark(f"Part {number}", number / 1000) for number in range(600)]
    path = encoded(voice(22_050), "mp3", tmp_path, chapters=chapters)

    _, _, container = decode(path)

    assert [title for _, _, title in marks(container)] == [
        chapter.title for chapter in chapters
    ]
    tables = path.read_bytes().split(b"CTOC")[1:]
    entries = [table[table.index(b"\0", 6) + 2] for table in tables]
    assert entries == [3, 255, 255, 90]


# --- other containers ----------------------------------------------------------------


def test_m4b_is_an_audiobook_that_starts_before_it_is_loaded(tmp_path: Path) -> None:
    samples = voice(3 * 22_050)
    chapters = [ChapterMark("Prológ", 0.0), ChapterMark("第一章", 1.5)]
    path = encoded(samples, "m4b", tmp_path, title="Kniha", chapters=chapters)

    _, _, container = decode(path)

    data = path.read_bytes()
    assert data[4:12] == b"ftypM4B "
    assert data.index(b"moov") < data.index(b"mdat")
    assert container.metadata["title"] == "Kniha"
    assert container.metadata["genre"] == "Audiobook"
    assert container.metadata["media_type"] == "2"
    assert marks(container) == [(0.0, 1.5, "Prológ"), (1.5, 3.0, "第一章")]


def test_m4b_holds_many_chapters(tmp_path: Path) -> None:
    chapters = [ChapterMark(f"Part {number}", number / 1000) for number in range(600)]
    _, _, container = decode(encoded(voice(22_050), "m4b", tmp_path, chapters=chapters))
    assert [(start, title) for start, _, title in marks(container)] == [
        (chapter.start, chapter.title) for chapter in chapters
    ]


def test_m4b_without_chapters_has_none(tmp_path: Path) -> None:
    _, _, container = decode(encoded(voice(30_000), "m4b", tmp_path))
    assert container.chapters() == []
    assert len(container.streams) == 1


@pytest.mark.parametrize("kind", ["flac", "opus"])
def test_title_is_kept(kind: str, tmp_path: Path) -> None:
    _, _, container = decode(encoded(voice(30_000), kind, tmp_path, title="Názov"))
    tags = container.metadata | container.streams.audio[0].metadata
    assert tags["title"] == "Názov"


def test_wav_has_the_plain_header_that_every_reader_knows(tmp_path: Path) -> None:
    samples = voice(30_000)
    data = encoded(samples, "wav", tmp_path).read_bytes()
    assert data[44:] == samples.tobytes()
    assert struct.unpack("<4sI4s4sIHHIIHH4sI", data[:44]) == (
        *(b"RIFF", 60_036, b"WAVE", b"fmt ", 16, 1, 1, 22_050, 44_100, 2, 16),
        *(b"data", 60_000),
    )


def test_wav_that_is_too_long_for_its_header_says_unknown() -> None:
    header = wav_header(48_000, 5 << 30)
    assert header[4:8] == header[40:44] == b"\xff\xff\xff\xff"


def marks(container) -> list[tuple[float, float, str]]:
    return [
        (
            round(float(chapter["start"] * chapter["time_base"]), 3),
            round(float(chapter["end"] * chapter["time_base"]), 3),
            chapter["metadata"].get("title", ""),
        )
        for chapter in container.chapters()
    ]
