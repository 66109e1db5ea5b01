"""A small application for tests, and workers with short or long timeouts."""

import hashlib
import json
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from config.web.worker import Worker

BIG = 8 * 1024 * 1024  # bytes of an answer that no socket takes at once
LIMIT = 2 * 1024 * 1024
_released = defaultdict[str, threading.Event](threading.Event)


class Impatient(Worker):
    """Has short timeouts."""

    head_seconds = body_seconds = send_seconds = stream_idle_seconds = 0.2
    min_rate = 10_000_000
    large_threads = 1
    limit = LIMIT
    streamed = frozenset([b"/stream"])


class Patient(Impatient):
    """Has long timeouts, and stores little."""

    head_seconds = body_seconds = send_seconds = stream_idle_seconds = 60.0
    max_stored = 1024 * 1024


def application(environ: dict[str, Any], start_response: Any) -> Any:
    body = environ["wsgi.input"]
    answer: Any
    match environ["PATH_INFO"]:
        case "/big":
            answer = [b"x" * BIG]
        case "/parts":
            answer = (b"x" * 65_536 for _ in range(BIG // 65_536))
        case "/file":
            file = tempfile.TemporaryFile()  # noqa: SIM115 - the server closes it
            file.write(b"x" * BIG)
            file.seek(0)
            answer = environ["wsgi.file_wrapper"](file)
        case "/stream":
            answer = _echo(body)
        case "/wait":
            answer = [
                b"released" if _released[environ["QUERY_STRING"]].wait(60) else b"late"
            ]
        case "/release":
            _released[environ["QUERY_STRING"]].set()
            answer = [b"released"]
        case "/breaks":
            answer = _breaks()
        case "/unread":
            answer = [b"unread"]
        case _:
            length = int(environ.get("CONTENT_LENGTH") or 0)
            is_chunked = "HTTP_TRANSFER_ENCODING" in environ
            content = (
                b"" if length > LIMIT else body.read(None if is_chunked else length)
            )
            if len(content) < length:
                start_response("413 Content Too Large", [("Content-Length", "0")])
                return []
            request = {
                "method": environ["REQUEST_METHOD"],
                "size": len(content),
                "digest": hashlib.sha256(content).hexdigest(),
            }
            answer = [json.dumps(request).encode()]
    headers = []
    if isinstance(answer, list):
        headers.append(("Content-Length", str(sum(map(len, answer)))))
    start_response("200 OK", headers)
    return answer


def _echo(body: Any) -> Iterator[bytes]:
    yield b"begin "
    try:
        while part := body.read(5):
            yield part
    except TimeoutError:
        yield b" silence"


def _breaks() -> Iterator[bytes]:
    yield b"half of it"
    raise ValueError("on purpose")
