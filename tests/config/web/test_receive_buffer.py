"""Detecting that a request is complete, or will be refused."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.web.receive_buffer import MAX_CHUNKS, MAX_HEAD, ReceiveBuffer
from kit.errors import BodyTooLarge, HeadersTooLarge, TooManyChunks

LIMIT = 1000
STREAM = frozenset([b"/stream"])
NEXT = b"GET /next HTTP/1.1\r\n\r\n"


def received(*parts: bytes) -> ReceiveBuffer:
    request = ReceiveBuffer(LIMIT, STREAM)
    for part in parts:
        request.feed(part)
    return request


def head(*fields: str, target: str = "/") -> bytes:
    return "\r\n".join([f"POST {target} HTTP/1.1", *fields, "", ""]).encode()


def chunked(*chunks: bytes, trailer: bytes = b"") -> bytes:
    framed = [b"%X;by=test\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks]
    return b"".join([*framed, b"0\r\n", trailer, b"\r\n"])


CHUNKED = head("Transfer-Encoding: chunked")
WHOLE = [
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    head("content-length:5") + b"hello",
    head("Content-Length: 0", "Expect: 100-continue"),
    head("Content-Length: 1000") + b"\r\n" * 500,
    CHUNKED + chunked(),
    CHUNKED + chunked(b"hello", b"\r\n\r\n", b"0" * 300, trailer=b"A: b\r\nC: d\r\n"),
    head("Transfer-Encoding: gzip, Chunked") + chunked(b"a"),
]


@given(st.sampled_from(WHOLE), st.lists(st.integers(0, 1200)))
def test_a_request_is_ready_with_its_last_byte(request_, cuts):
    places = [0, *sorted(cut for cut in cuts if cut < len(request_) - 1)]
    request = ReceiveBuffer(LIMIT, STREAM)
    for start, end in pairwise([*places, len(request_) - 1]):
        request.feed(request_[start:end])
        assert (request.is_ready, request.is_complete) == (False, False)
    request.feed(request_[-1:] + NEXT)
    assert (request.is_ready, request.is_complete) == (True, True)
    assert request.size == len(request_ + NEXT)
    request.rewind()
    assert request.read() == request_ + NEXT
    request.close()


@pytest.mark.parametrize(
    "request_",
    [
        CHUNKED + b"3E9\r\n",  # 1001
        CHUNKED + b"3E8\r\n" + b"a" * 1000 + b"\r\n1\r\n",
        CHUNKED + b"1;%s\r\na\r\n" % (b"x" * 2000),  # all framing
    ],
)
def test_chunks_above_the_limit_are_refused(request_):
    with pytest.raises(BodyTooLarge):
        received(request_)


@pytest.mark.parametrize(
    "request_",
    [
        head("Content-Length: 1001"),
        head("Content-Length: 99999999999999999999"),
        head("Content-Length: -1"),
        head("Content-Length: 1, 1"),
        head("Content-Length: 5", "Content-Length: 5"),
        head("Content-Length: ٥"),
        head("Transfer-Encoding: gzip"),
        CHUNKED + b"0x5\r\n",
        CHUNKED + b"\r\n",
        CHUNKED + b"-1\r\n",
        CHUNKED + b"1" * 5000,
    ],
)
def test_what_others_refuse_is_ready_at_once(request_):
    request = received(request_)
    assert (request.is_ready, request.is_complete) == (True, False)


def test_a_stream_is_ready_with_its_head():
    request = received(head("Transfer-Encoding: chunked", target="/stream?voice=a"))
    assert (request.is_ready, request.is_complete, request.is_streamed) == (
        True,
        False,
        True,
    )
    assert not received(head("Content-Length: 5", target="/streams")).is_ready


def test_a_client_may_expect_100_continue():
    assert received(head("Content-Length: 5", "Expect: 100-Continue")).wants_continue
    assert not received(head("Content-Length: 5")).wants_continue


@pytest.mark.parametrize("size", [99, 1000, MAX_HEAD + 1])
def test_a_head_has_a_maximum_length(size):
    endless = b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * (MAX_HEAD // 6)
    starts = range(0, len(endless), size)
    with pytest.raises(HeadersTooLarge):
        received(*(endless[start : start + size] for start in starts))


def test_chunks_are_counted():
    request = ReceiveBuffer(10_000_000, STREAM)
    request.feed(CHUNKED)
    request.feed(b"1\r\na\r\n" * (MAX_CHUNKS - 1))
    assert not request.is_ready
    with pytest.raises(TooManyChunks):
        request.feed(b"1\r\na\r\n" * 2)
