"""Check that a response is audio, by its content type and its first bytes.

Whether it can be decoded and is long enough is checked when it is stored.
"""

import base64
import struct
from collections.abc import Generator, Iterable

from providers.contract.base import Failure, ProviderError
from providers.contract.http import Response

_NO_AUDIO = ("text/", "application/json", "application/xml", "application/problem")
_MAGIC = {
    "wav": (b"RIFF", b"RF64"),
    "flac": (b"fLaC",),
    "ogg": (b"OggS",),
    "mp3": (b"ID3", b"\xff"),
}
# Raw samples don't start like this.
_FILES = (b"RIFF", b"RF64", b"fLaC", b"OggS", b"ID3")
_SNIFFED = 64  # bytes
_TEXT = bytes(range(0x20, 0x7F)) + b"\t\r\n"


def audio_body(answer: Response, kind: str) -> Generator[bytes]:
    """Yield a response's body, checked to be audio of `kind` (pcm, wav, mp3, flac, ogg).

    Raises:
        ProviderError: BAD_AUDIO, it is something else or empty.
    """
    if answer.content_type.startswith(_NO_AUDIO):
        raise ProviderError(Failure.BAD_AUDIO, answer.content_type[:60])
    yield from audio_parts(answer.parts(), kind)


def audio_parts(parts: Iterable[bytes], kind: str) -> Generator[bytes]:
    """Yield `parts` after checking that they start like audio of `kind`.

    Raises:
        ProviderError: BAD_AUDIO, they don't, or there are none.
    """
    head: bytes | None = b""
    for part in parts:
        if head is None:
            yield part
            continue
        head += part
        if len(head) >= _SNIFFED:
            require_audio(head, kind)
            yield head
            head = None
    if head is not None:
        require_audio(head, kind)
        yield head


def require_audio(head: bytes, kind: str) -> None:
    """Raise ProviderError unless audio of `kind` can start with `head`."""
    if not head:
        raise ProviderError(Failure.BAD_AUDIO, "empty")
    is_text = not head[:_SNIFFED].translate(None, _TEXT)
    if kind == "pcm":
        is_valid = not is_text and not head.startswith(_FILES)
    else:
        is_valid = head.startswith(_MAGIC[kind])
    if not is_valid:
        raise ProviderError(Failure.BAD_AUDIO, f"not {kind}")


def decode_base64(content: object) -> bytes:
    """Return the bytes of a base64 text; empty for None.

    Raises:
        ProviderError: BAD_AUDIO, it is not base64.
    """
    if content is None:
        return b""
    try:
        if isinstance(content, str):
            return base64.b64decode(content, validate=True)
    except ValueError:
        pass
    raise ProviderError(Failure.BAD_AUDIO, "not base64")


def read_wav(wav: bytes) -> tuple[int, bytes]:
    """Return the sample rate (Hz) and the samples of a complete 16-bit mono WAV file.

    Sizes in the header are used only if they are plausible: servers that stream write
    placeholders, and some put tags after the samples.

    Raises:
        ProviderError: BAD_AUDIO, it is not such a file, or incomplete.
    """
    rate = 0
    offset = 12
    while wav[:4] in _MAGIC["wav"] and offset + 8 <= len(wav):
        name, size = struct.unpack_from("<4sI", wav, offset)
        offset += 8
        if name == b"fmt " and offset + 16 <= len(wav):
            form, channels, rate, _, _, bits = struct.unpack_from(
                "<HHIIHH", wav, offset
            )
            if form not in (1, 0xFFFE) or channels != 1 or bits != 16:
                break
        elif name == b"data":
            if size >= 0x7FFF_0000 or size == 0:
                size = len(wav) - offset
            if not rate or size > len(wav) - offset or size < 2:
                break
            return rate, wav[offset : offset + (size & ~1)]
        offset += size + size % 2
    raise ProviderError(Failure.BAD_AUDIO, "not a complete 16-bit mono WAV file")
