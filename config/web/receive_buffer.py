"""A buffer for the bytes of a request, which detects when the request is complete.

This module only finds the end of the head and of the body. Gunicorn's parser reads the same
bytes afterwards and decides what they mean.
"""

import re
import tempfile

from kit.errors import BodyTooLarge, HeadersTooLarge, TooManyChunks

MAX_HEAD = 64 * 1024  # bytes of request line and headers
MAX_CHUNKS = 20_000
"""Chunks of a chunked body: parsing each takes time, even if it is short."""
IN_MEMORY = 16 * 1024  # bytes; a longer request is stored in an unnamed temporary file

_HEAD_END = b"\r\n\r\n"
_FRAMING = re.compile(
    rb"\r\n(content-length|transfer-encoding|expect):[ \t]*([^\r\n]*)", re.IGNORECASE
)
_LENGTH = re.compile(rb"[0-9]{1,18}")
_CHUNK_SIZE = re.compile(rb"[0-9a-fA-F]{1,15}")
_MAX_CHUNK_LINE = 4096  # bytes of a chunk's first line with its extensions


class ReceiveBuffer:
    """One request, and whether a thread can start to process it.

    If its Content-Length is above `limit` bytes or its framing is invalid, the request is
    ready without being complete: the application or gunicorn's parser refuses it.
    """

    def __init__(
        self, limit: int, streamed: frozenset[bytes], directory: str | None = None
    ) -> None:
        self.is_ready = False
        self.is_complete = False
        """Whether the whole body has arrived."""
        self.is_streamed = False
        """Whether the path is in `streamed`: the body is read while it arrives."""
        self.wants_continue = False  # `Expect: 100-continue`
        self.size = 0  # bytes that have arrived, including head and framing
        self.body_start: int | None = None
        """`size` at the end of the head; None until the head is complete."""
        self._limit = limit
        self._length = 0  # Content-Length
        self._streamed = streamed
        self._head = bytearray()
        self._content = tempfile.SpooledTemporaryFile(  # noqa: SIM115
            IN_MEMORY, dir=directory
        )
        self._chunks: _Chunks | None = None

    def feed(self, data: bytes) -> None:
        """Add the bytes that have just arrived.

        Raises:
            HeadersTooLarge: the head is longer than MAX_HEAD bytes.
            BodyTooLarge: the chunks are longer than the limit.
            TooManyChunks: there are more than MAX_CHUNKS chunks.
        """
        searched = max(0, self.size - len(_HEAD_END) + 1)
        self.size += len(data)
        self._content.write(data)
        if self.body_start is None:
            self._head += data
            end = self._head.find(_HEAD_END, searched)
            if end > MAX_HEAD or (end < 0 and self.size > MAX_HEAD):
                raise HeadersTooLarge(limit=MAX_HEAD)
            if end < 0:
                return
            self.body_start = end + len(_HEAD_END)
            data = bytes(self._head[self.body_start :])
            self._parse_head(bytes(self._head[:end]))
            self._head.clear()
        if not self.is_ready:
            self._follow_body(data)

    def rewind(self) -> None:
        """Set the read position to the start of the request."""
        self._content.seek(0)

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes of what has arrived; call `rewind` first."""
        return self._content.read(size)

    def close(self) -> None:
        """Delete the stored bytes."""
        self._content.close()

    def _parse_head(self, head: bytes) -> None:
        _, _, rest = head.partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0]
        found = _FRAMING.findall(head)
        names = [name.lower() for name, _ in found]
        fields = dict(zip(names, (value for _, value in found), strict=True))
        length = fields.get(b"content-length", b"0").strip()
        codings = fields.get(b"transfer-encoding", b"").lower()
        coding = codings.rpartition(b",")[2].strip()
        self.wants_continue = fields.get(b"expect", b"").lower() == b"100-continue"
        is_ambiguous = len(names) != len(fields) or (
            coding and b"content-length" in fields
        )
        if path in self._streamed:
            self.is_ready = self.is_streamed = True
        elif is_ambiguous or not _LENGTH.fullmatch(length):
            self.is_ready = True  # gunicorn refuses it
        elif coding == b"chunked":
            self._chunks = _Chunks()
        elif coding:
            self.is_ready = True  # gunicorn refuses it
        else:
            self._length = int(length)
            self.is_ready = self._length > self._limit

    def _follow_body(self, data: bytes) -> None:
        assert self.body_start is not None
        arrived = self.size - self.body_start
        if self._chunks is None:
            self.is_ready = self.is_complete = arrived >= self._length
        else:
            self._chunks.feed(data)
            self.is_complete = self._chunks.is_complete
            self.is_ready = self.is_complete or self._chunks.is_invalid
            # The framing may be larger than the content, but not without limit.
            is_too_long = self._chunks.size > self._limit or arrived > 2 * self._limit
            if is_too_long and not self.is_ready:
                raise BodyTooLarge(limit=self._limit)


class _Chunks:
    """Finds the end of a chunked body (RFC 9112 §7.1)."""

    def __init__(self) -> None:
        self.size = 0  # bytes of all chunks so far, as their first lines state
        self.is_complete = False
        self.is_invalid = False
        self._count = 0
        self._left = 0  # bytes of the current chunk and its line end
        self._in_trailer = False
        self._unread = bytearray()

    def feed(self, data: bytes) -> None:
        """Add the next bytes.

        Raises:
            TooManyChunks: there are more than MAX_CHUNKS chunks.
        """
        self._unread += data
        while not (self.is_complete or self.is_invalid):
            skipped = min(self._left, len(self._unread))
            del self._unread[:skipped]
            self._left -= skipped
            if self._left:
                return
            end = self._unread.find(b"\r\n")
            if end < 0:
                self.is_invalid = len(self._unread) > _MAX_CHUNK_LINE
                return
            line = bytes(self._unread[:end])
            del self._unread[: end + 2]
            self._parse_line(line)

    def _parse_line(self, line: bytes) -> None:
        self._count += 1
        if self._count > MAX_CHUNKS:
            raise TooManyChunks(limit=MAX_CHUNKS)
        if self._in_trailer:
            self.is_complete = not line
            return
        digits = line.partition(b";")[0].strip()
        if not _CHUNK_SIZE.fullmatch(digits):
            self.is_invalid = True
            return
        size = int(digits, 16)
        self.size += size
        self._in_trailer = size == 0
        self._left = size + 2 if size else 0
