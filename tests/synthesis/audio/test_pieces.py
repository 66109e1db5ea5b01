"""Validation and storage of the audio that providers send."""

import io
import struct
import wave
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from providers.contract.base import Encoding
from synthesis import audio
from synthesis.audio import BadAudio, NoSpeech, PieceAudio, Samples
from tests.synthesis.sounds import blocks, voice

RATE = 22_050
SPOKEN = voice(3 * RATE + 77)
NAMES = ["mp3", "flac", "ogg", "wav"]
FORMATS = {"mp3": "mp3", "flac": "flac", "ogg": "opus", "wav": "wav"}


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, bytes]:
    """The same audio in all encodings."""
    folder: Path = tmp_path_factory.mktemp("files")
    made = {}
    for name, kind in FORMATS.items():
        target = folder / name
        audio.encode(blocks(SPOKEN), rate=RATE, format=kind, target=target)
        made[name] = target.read_bytes()
    return made


def stored(
    data: bytes, name: str, *, rate: int = 0, text: str = "", speed: float = 1
) -> tuple[PieceAudio, bytes]:
    """Store `data` in parts of uneven length, as from a network."""
    target = io.BytesIO()
    cuts = [0, 1, 3, 3, 44, 1_000, *range(1_001, len(data), 3_333), len(data)]
    parts = (data[one:two] for one, two in pairwise(cuts))
    encoding = Encoding(name, rate)  # type: ignore[arg-type]
    piece = audio.store_piece(parts, encoding, target, text=text, speed=speed)
    return piece, target.getvalue()


def read(data: bytes, rate: int = RATE) -> Samples:
    return np.concatenate(list(audio.read_samples(io.BytesIO(data), rate=rate)))


def wav(
    data: bytes, *, rate: int = RATE, channels: int = 1, width: int = 2, form: int = 1
) -> bytes:
    block = channels * width
    head = struct.pack("<HHIIHH", form, channels, rate, rate * block, block, 8 * width)
    return (
        b"RIFF"
        + struct.pack("<I", 36 + len(data))
        + b"WAVEfmt \x10\0\0\0"
        + head
        + b"data"
        + struct.pack("<I", len(data))
        + data
    )


# --- what is good --------------------------------------------------------------------


def test_raw_samples_are_kept_without_loss() -> None:
    piece, kept = stored(SPOKEN.tobytes(), "pcm", rate=RATE)
    assert (piece.samples, piece.sample_rate, piece.extension) == (
        len(SPOKEN),
        RATE,
        ".flac",
    )
    assert len(kept) < len(SPOKEN.tobytes())
    assert np.array_equal(read(kept), SPOKEN)


@pytest.mark.parametrize("name", ["mp3", "flac", "ogg"])
def test_compressed_audio_is_stored_unchanged(
    name: str, files: dict[str, bytes]
) -> None:
    piece, kept = stored(files[name], name)
    assert kept == files[name]
    assert piece.extension == f".{name}"
    rate = 48_000 if name == "ogg" else RATE
    assert piece.sample_rate == rate
    assert abs(piece.samples - len(SPOKEN) * rate / RATE) < 2
    assert len(read(kept, rate)) == piece.samples


@pytest.mark.parametrize("name", ["mp3", "flac", "opus", "wav"])
def test_audio_that_was_streamed_has_no_length_in_its_header(name: str) -> None:
    encoder = audio.StreamEncoder(name, RATE)
    data = b"".join(map(encoder.feed, blocks(SPOKEN))) + encoder.finish()
    piece, _ = stored(data, "ogg" if name == "opus" else name)
    seconds = piece.samples / piece.sample_rate
    padding = 0.06 if name == "mp3" else 1e-4
    assert 0 <= seconds - len(SPOKEN) / RATE < padding


def test_wav_becomes_flac(files: dict[str, bytes]) -> None:
    piece, kept = stored(files["wav"], "wav")
    assert (piece.samples, piece.extension) == (len(SPOKEN), ".flac")
    assert np.array_equal(read(kept), SPOKEN)


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000, 0xFFFFFFDB, 0])
@pytest.mark.parametrize("riff", [0xFFFFFFFF, 0x7FFFFFFF, 0])
def test_placeholder_sizes_in_wav_are_ignored(
    size: int, riff: int, files: dict[str, bytes]
) -> None:
    good = files["wav"]
    data = b"".join(
        (good[:4], struct.pack("<I", riff), good[8:40], struct.pack("<I", size))
    )
    _, kept = stored(data + good[44:], "wav")
    assert np.array_equal(read(kept), SPOKEN)


def test_data_after_the_wav_samples_is_ignored(
    files: dict[str, bytes],
) -> None:
    comment = b"LIST" + struct.pack("<I", 1_000) + b"\xff\x7f" * 500
    _, kept = stored(files["wav"] + comment, "wav")
    assert np.array_equal(read(kept), SPOKEN)


def test_wav_with_chunks_before_its_samples(files: dict[str, bytes]) -> None:
    good = files["wav"]
    extra = b"JUNK" + struct.pack("<I", 28) + bytes(28)
    _, kept = stored(good[:12] + extra + good[12:], "wav")
    assert np.array_equal(read(kept), SPOKEN)


def test_wav_of_any_width_and_of_two_channels() -> None:
    both = np.repeat(SPOKEN, 2).tobytes()
    for data in (
        wav(both, channels=2),
        wav((SPOKEN.astype("<i4") << 16).tobytes(), width=4),
        wav((SPOKEN / np.float32(32_768)).astype("<f4").tobytes(), width=4, form=3),
    ):
        _, kept = stored(data, "wav")
        assert np.array_equal(read(kept), SPOKEN)
    piece, _ = stored(wav(((SPOKEN >> 8) + 128).astype("u1").tobytes(), width=1), "wav")
    assert piece.samples == len(SPOKEN)


def test_wav_of_the_standard_library() -> None:
    target = io.BytesIO()
    with wave.open(target, "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(SPOKEN.tobytes())
    piece, _ = stored(target.getvalue(), "wav")
    assert (piece.samples, piece.sample_rate) == (len(SPOKEN), 16_000)


@pytest.mark.parametrize(
    "tail", [b"TAG" + bytes(125), b"ID3\x03\0\0\0\0\0\x10" + bytes(16)]
)
def test_tags_at_the_end_of_mp3_are_ignored(
    tail: bytes, files: dict[str, bytes]
) -> None:
    piece, _ = stored(files["mp3"] + tail, "mp3")
    assert piece.samples == len(SPOKEN)


def test_joined_mp3s_are_decoded_to_the_end(tmp_path: Path) -> None:
    target = tmp_path / "part.mp3"
    audio.encode(blocks(SPOKEN), rate=RATE, format="mp3", target=target, title="Part")
    piece, kept = stored(3 * target.read_bytes(), "mp3")
    assert 0 <= piece.samples - 3 * len(SPOKEN) < 3 * 2_304
    assert len(read(kept)) == piece.samples


def test_joined_mp3s_of_different_formats_are_decoded(
    files: dict[str, bytes], tmp_path: Path
) -> None:
    target = tmp_path / "part.mp3"
    audio.encode(blocks(SPOKEN), rate=44_100, format="mp3", target=target)
    piece, kept = stored(files["mp3"] + target.read_bytes(), "mp3")
    assert piece.sample_rate == RATE
    assert abs(piece.samples - 1.5 * len(SPOKEN)) < 2_304
    assert len(read(kept)) == piece.samples


def test_the_silence_at_the_end_is_measured() -> None:
    quiet = np.concatenate((SPOKEN, np.zeros(RATE // 2, np.int16)))
    piece, _ = stored(quiet.tobytes(), "pcm", rate=RATE)
    assert 500 <= piece.quiet_end_ms < 700
    loud, _ = stored(SPOKEN[: RATE // 4].tobytes(), "pcm", rate=RATE)
    assert loud.quiet_end_ms < 200


@pytest.mark.parametrize(
    ("text", "speed"),
    [
        ("x" * 170, 1.0),
        ("x" * 700, 4.0),
        ("x" * 100, 0.25),  # a few letters may be spoken fast
        ("So.", 0.25),
        ("😀", 1.0),
    ],
)
def test_speech_of_a_likely_length_passes(text, speed) -> None:
    piece, _ = stored(SPOKEN.tobytes(), "pcm", rate=RATE, text=text, speed=speed)
    assert piece.samples == len(SPOKEN)


# --- what is bad ---------------------------------------------------------------------

PAGE = b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>" * 40
ERROR = b'{"error": {"message": "the model is loading"}}' * 40
NOISE = np.random.default_rng(7).bytes(50_000)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "data", [b"", b"\0", PAGE, ERROR, NOISE, bytes(50_000)], ids=lambda data: len(data)
)
def test_data_that_is_no_audio_is_refused(name: str, data: bytes) -> None:
    with pytest.raises(BadAudio):
        stored(data, name)


@pytest.mark.parametrize("data", [b"", b"\0", PAGE, ERROR, bytes(50_000)])
def test_data_that_is_no_samples_is_refused(data: bytes) -> None:
    with pytest.raises(BadAudio):
        stored(data, "pcm", rate=RATE)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("real", NAMES)
def test_another_encoding_than_promised_is_refused(
    name: str, real: str, files: dict[str, bytes]
) -> None:
    if name == real:
        stored(files[real], name)
        return
    with pytest.raises(BadAudio):
        stored(files[real], name)


@pytest.mark.parametrize("real", ["wav", "flac", "ogg"])
def test_a_file_in_place_of_samples_is_refused(
    real: str, files: dict[str, bytes]
) -> None:
    with pytest.raises(BadAudio, match="in place of samples"):
        stored(files[real], "pcm", rate=RATE)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_audio_that_was_cut_short_is_refused(
    name: str, share: float, files: dict[str, bytes]
) -> None:
    data = files[name]
    with pytest.raises(BadAudio):
        stored(data[: int(share * len(data))], name)


def test_a_wav_size_that_includes_the_header_is_accepted() -> None:
    data = wav(SPOKEN.tobytes())
    size = struct.pack("<I", 2 * len(SPOKEN) + 44)
    _, kept = stored(data[:40] + size + data[44:], "wav")
    assert np.array_equal(read(kept), SPOKEN)


@pytest.mark.parametrize("name", ["flac", "ogg"])
def test_a_missing_byte_is_detected(name: str, files: dict[str, bytes]) -> None:
    with pytest.raises(BadAudio):
        stored(files[name][:-1], name)


def test_half_a_sample_is_detected() -> None:
    with pytest.raises(BadAudio, match="half a sample"):
        stored(SPOKEN.tobytes()[:-1], "pcm", rate=RATE)


@pytest.mark.parametrize("name", ["mp3", "flac", "ogg"])
def test_missing_data_in_the_middle_is_detected(
    name: str, files: dict[str, bytes]
) -> None:
    data = files[name]
    middle = len(data) // 2
    holed = data[:middle] + NOISE[: len(data) // 8] + data[middle + len(data) // 8 :]
    with pytest.raises(BadAudio):
        stored(holed, name)


@pytest.mark.parametrize("rate", [0, 4_000, 400_000])
def test_an_impossible_rate_is_refused(rate: int) -> None:
    with pytest.raises(BadAudio, match="a rate of"):
        stored(SPOKEN.tobytes(), "pcm", rate=rate)


def test_silence_is_no_speech() -> None:
    with pytest.raises(NoSpeech, match="silence"):
        stored(wav(bytes(2 * RATE)), "wav")


@pytest.mark.parametrize(("letters", "speed"), [(200, 1.0), (200, 0.25), (800, 4.0)])
def test_far_too_little_sound_for_the_text_is_refused(letters, speed) -> None:
    with pytest.raises(NoSpeech, match=f"{letters} letters"):
        stored(SPOKEN.tobytes(), "pcm", rate=RATE, text="x" * letters, speed=speed)


@pytest.mark.parametrize(("seconds", "speed"), [(20, 1.0), (28, 0.5)])
def test_far_too_much_sound_for_the_text_is_refused(seconds, speed) -> None:
    sound = voice(seconds * 8_000, 8_000).tobytes()
    with pytest.raises(NoSpeech, match="1 characters"):
        stored(sound, "pcm", rate=8_000, text="a", speed=speed)
    stored(sound, "pcm", rate=8_000, text="a" * 5, speed=speed)


def test_loudness_is_measured_in_steps() -> None:
    steps = [0, 5, 900, 30_000, -32_768]
    sound = np.repeat(np.array(steps, np.int16), 80)
    piece, _ = stored(sound.tobytes() + b"\0\1" * 3, "pcm", rate=8_000)
    assert piece.loudness.tolist() == [0, 5, 900, 30_000, 32_767, 256]


def test_reading_stops_in_an_endless_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synthesis.audio.pieces._MAX_SECONDS", 60)  # seconds
    second = voice(8_000, 8_000).tobytes()
    given = 0

    def endless() -> Iterator[bytes]:
        nonlocal given
        while True:
            given += 1
            yield second

    with pytest.raises(BadAudio, match="does not end"):
        audio.store_piece(endless(), Encoding("pcm", 8_000), io.BytesIO())
    assert given == 61


@pytest.mark.parametrize("name", ["mp3", "ogg", "flac", "pcm"])
def test_reading_stops_early_for_a_short_text(
    name: str, files: dict[str, bytes]
) -> None:
    """A text of one second may last 19 s; reading stops after 38 s."""
    part = SPOKEN.tobytes() if name == "pcm" else files[name]
    given = 0

    def endless() -> Iterator[bytes]:
        nonlocal given
        while True:
            given += len(part)
            yield part

    target = io.BytesIO()
    with pytest.raises(BadAudio, match="does not end") as caught:
        audio.store_piece(endless(), Encoding(name, RATE), target, text="a")  # type: ignore[arg-type]
    assert not isinstance(caught.value, NoSpeech)
    most = 38 * (RATE * 2 if name == "pcm" else 200_000)
    assert most <= given <= most + 2 * len(part)
    assert len(target.getvalue()) <= most


@pytest.mark.parametrize("name", ["pcm", "wav", "mp3"])
def test_audio_that_is_somewhat_too_long_is_no_speech(
    name: str, tmp_path: Path
) -> None:
    sound = voice(25 * 8_000, 8_000)
    if name == "pcm":
        data = sound.tobytes()
    else:
        audio.encode(blocks(sound), rate=8_000, format=name, target=tmp_path / "x")
        data = (tmp_path / "x").read_bytes()
    with pytest.raises(NoSpeech, match="1 characters"):
        stored(data, name, rate=8_000, text="a")


def test_errors_of_the_provider_are_raised() -> None:
    def failing() -> Iterator[bytes]:
        yield SPOKEN.tobytes()
        raise ConnectionResetError

    for name in (*NAMES, "pcm"):
        with pytest.raises((ConnectionResetError, BadAudio)):
            audio.store_piece(failing(), Encoding(name, RATE), io.BytesIO())  # type: ignore[arg-type]
    with pytest.raises(ConnectionResetError):
        audio.store_piece(failing(), Encoding("pcm", RATE), io.BytesIO())


def test_a_damaged_stored_piece_is_bad_audio_too(files: dict[str, bytes]) -> None:
    for data in (b"", PAGE, files["flac"][:20_000], files["wav"][:40]):
        with pytest.raises(BadAudio):
            read(data)
