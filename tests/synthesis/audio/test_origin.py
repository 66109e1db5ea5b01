"""Each file says, for machines, that its speech is synthetic."""

import io
from pathlib import Path

import av
import pytest

from synthesis import audio
from synthesis.audio.formats import FORMATS
from tests.synthesis.sounds import blocks, decode, voice

TRAINED = audio.Origin(("unicorn:heart", "unicorn:de"), is_trained=True)
RULES = audio.Origin(("unicorn:de",), is_trained=False)
URI = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
TAGS = {
    "DigitalSourceType": URI,
    "SpeechProvider": "unicorn",
    "SpeechVoice": "unicorn:heart, unicorn:de",
}
LINE = "; ".join(f"{name}={value}" for name, value in TAGS.items())
SOUND = voice(30_000)
UNTAGGED = {"aac", "pcm"}  # they carry no tags


def test_rules_and_training_have_uris_of_their_own() -> None:
    assert TRAINED.source_type == URI
    assert RULES.source_type == URI.replace("trainedA", "a")


def tags_of(data: bytes, kind: str) -> dict[str, str]:
    container = "mov" if kind == "m4b" else FORMATS[kind].container
    with av.open(io.BytesIO(data), format=container) as file:
        found = dict(file.metadata) | dict(file.streams.audio[0].metadata)
    return {name.lower(): value for name, value in found.items()}


def written(kind: str, path: Path, origin: audio.Origin | None) -> bytes:
    audio.encode(
        blocks(SOUND), rate=22_050, format=kind, target=path, title="T", origin=origin
    )
    return path.read_bytes()


def streamed(kind: str, origin: audio.Origin | None) -> bytes:
    encoder = audio.StreamEncoder(kind, 22_050, origin)
    return b"".join(map(encoder.feed, blocks(SOUND))) + encoder.finish()


def check(data: bytes, kind: str) -> None:
    tags = tags_of(data, kind)
    if kind in ("mp3", "flac", "opus"):
        for name, value in TAGS.items():
            assert tags[name.lower()] == value
    else:
        assert tags["comment"] == LINE
    if kind in ("mp3", "wav", "m4b"):
        xmp = data[data.index(b"<?xpacket begin") : data.index(b'<?xpacket end="r"?>')]
        assert f"DigitalSourceType>{URI}<".encode() in xmp


@pytest.mark.parametrize("kind", sorted(set(FORMATS) - UNTAGGED))
def test_files_name_their_origin(kind: str, tmp_path: Path) -> None:
    data = written(kind, tmp_path / "with", TRAINED)
    check(data, kind)
    if kind != "wav":
        assert tags_of(data, kind)["title"] == "T"
    # The sound is the same as without.
    written(kind, tmp_path / "without", None)
    (tmp_path / "with").rename(tmp_path / f"with{FORMATS[kind].extension}")
    (tmp_path / "without").rename(tmp_path / f"without{FORMATS[kind].extension}")
    one = decode(tmp_path / f"with{FORMATS[kind].extension}")
    other = decode(tmp_path / f"without{FORMATS[kind].extension}")
    assert (one[0] == other[0]).all()


@pytest.mark.parametrize("kind", sorted(set(FORMATS) - UNTAGGED - {"m4b"}))
def test_streams_name_their_origin(kind: str) -> None:
    check(streamed(kind, TRAINED), kind)


@pytest.mark.parametrize("kind", sorted(UNTAGGED))
def test_formats_without_tags_stay_as_they_are(kind: str, tmp_path: Path) -> None:
    with_origin = written(kind, tmp_path / "with", TRAINED)
    assert with_origin == written(kind, tmp_path / "without", None)
    assert streamed(kind, TRAINED) == streamed(kind, None)
