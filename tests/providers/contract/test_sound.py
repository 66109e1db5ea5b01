import pytest

from providers.contract.base import Failure, ProviderError
from providers.contract.sound import audio_parts, read_wav
from tests.providers.vendors.tones import samples, wav

PCM = samples("Hello", 8_000)


def heard(parts, kind):
    return b"".join(audio_parts(parts, kind))


@pytest.mark.parametrize("size", [1, 7, 64, 100_000])
def test_audio_passes_in_parts_of_any_size(size):
    parts = [PCM[place : place + size] for place in range(0, len(PCM), size)]
    assert heard(parts, "pcm") == PCM


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "pcm"),
        (b'{"error": "no"}', "pcm"),
        (b"<html>" * 50, "pcm"),
        (wav("x", 8_000), "pcm"),
        (b"ID3\x04" + PCM, "pcm"),
        (PCM, "wav"),
        (b"OggS" + PCM, "wav"),
        (PCM, "ogg"),
        (b"<html>", "mp3"),
    ],
)
def test_other_content_is_rejected(data, kind):
    with pytest.raises(ProviderError) as caught:
        heard([data], kind)
    assert caught.value.kind == Failure.BAD_AUDIO


@pytest.mark.parametrize("size", [None, 0, 0xFFFFFFFF, 0x7FFFFFFF])
def test_placeholder_sizes_are_ignored(size):
    assert read_wav(wav("Hello", 8_000, size=size)) == (8_000, PCM)


def test_tags_after_the_samples_are_not_audio():
    file = wav("Hello", 8_000, tail=b"LIST\x04\x00\x00\x00abcd")
    assert read_wav(file) == (8_000, PCM)


@pytest.mark.parametrize(
    "file",
    [
        b"",
        b"RIFF",
        wav("Hello", 8_000)[:-100],  # cut off
        wav("Hello", 8_000)[:40],
        wav("", 8_000),
        wav("Hello", 8_000).replace(b"\x01\x00\x01\x00", b"\x01\x00\x02\x00", 1),
        wav("Hello", 8_000).replace(b"fmt ", b"junk"),
        b"OggS" + wav("Hello", 8_000)[4:],
    ],
)
def test_other_files_are_rejected(file):
    with pytest.raises(ProviderError) as caught:
        read_wav(file)
    assert caught.value.kind == Failure.BAD_AUDIO
