"""Whether what a vendor sends is audio: by its type and its first bytes.

Whether it can be decoded and lasts long enough is for those who store it.
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
_FILES = (b"RIFF", b"RF64", b"fLaC", b"OggS", b"ID3")  # no samples begin like this
_SNIFFED = 64  # bytes
_TEXT = bytes(range(0x20, 0x7F)) + b"\t\r\n"


def audio_body(answer: Response, kind: str) -> Generator[bytes]:
    """Yield an answer's body, which is audio of `kind` (pcm, wav, mp3, flac, ogg).

    Raises:
        ProviderError: it is something else, or nothing.
    """
    if answer.content_type.startswith(_NO_AUDIO):
        raise ProviderError(Failure.BAD_AUDIO, answer.content_type[:60])
    yield from audio_parts(answer.parts(), kind)


def audio_parts(parts: Iterable[bytes], kind: str) -> Generator[bytes]:
    """Yield `parts` once they begin like audio of `kind`.

    Raises:
        ProviderError: they don't, or there are none.
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
    """Raise ProviderError unless audio of `kind` can begin with `head`."""
    if not head:
        raise ProviderError(Failure.BAD_AUDIO, "nothing")
    is_text = not head[:_SNIFFED].translate(None, _TEXT)
    if kind == "pcm":
        is_good = not is_text and not head.startswith(_FILES)
    else:
        is_good = head.startswith(_MAGIC[kind])
    if not is_good:
        raise ProviderError(Failure.BAD_AUDIO, f"no {kind}")


def decode_base64(content: object) -> bytes:
    """Return the bytes of a base64 text in JSON; none where there is nothing.

    Raises:
        ProviderError: it is something else.
    """
    if content is None:
        return b""
    try:
        if isinstance(content, str):
            return base64.b64decode(content, validate=True)
    except ValueError:
        pass
    raise ProviderError(Failure.BAD_AUDIO, "no base64")


def read_wav(wav: bytes) -> tuple[int, bytes]:
    """Return rate (Hz) and samples of a whole WAV file of 16-bit mono.

    The sizes in the header are believed only where they can be true: servers that stream
    write placeholders, and some put tags after the samples.

    Raises:
        ProviderError: it is no such file.
    """
    rate = 0
    place = 12
    while wav[:4] in _MAGIC["wav"] and place + 8 <= len(wav):
        name, size = struct.unpack_from("<4sI", wav, place)
        place += 8
        if name == b"fmt " and place + 16 <= len(wav):
            form, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", wav, place)
            if form not in (1, 0xFFFE) or channels != 1 or bits != 16:
                break
        elif name == b"data":
            if size >= 0x7FFF_0000 or size == 0:
                size = len(wav) - place
            if not rate or size > len(wav) - place or size < 2:
                break
            return rate, wav[place : place + (size & ~1)]
        place += size + size % 2
    raise ProviderError(Failure.BAD_AUDIO, "no WAV of 16-bit mono, or not all of it")
