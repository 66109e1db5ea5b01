"""Collect what could leak a secret: responses, logs, mails, tables, cache and broker."""

import base64
import logging
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core import mail
from django.core.cache import cache
from django.db import connection
from django.http import HttpResponseBase
from django.test import Client

from config.celery import app


class Seen:
    """Collected texts, by the name of the place where each was found."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self._times: Counter[str] = Counter()

    def note(self, place: str, text: str) -> None:
        """Add a text found at a place; repeated places are numbered."""
        self._times[place] += 1
        number = self._times[place]
        self.texts[place if number == 1 else f"{place} #{number}"] = text

    def places_of(self, secret: str) -> set[str]:
        """Return the places that contain `secret` in any of its usual encodings."""
        forms = {form: re.compile(_whole(form)) for form in _forms(secret)}
        return {
            place
            for place, text in self.texts.items()
            for form, whole in forms.items()
            if form in text and whole.search(text)  # the former is 100 times as fast
        }


def _whole(form: str) -> str:
    """Return a pattern for `form`; short ones don't match inside a longer word."""
    edge = r"[\w.:-]" if len(form) < 16 else r"\b\B"  # the latter never matches
    return rf"(?<!{edge}){re.escape(form)}(?!{edge})"


def _forms(secret: str) -> set[str]:
    forms = {secret}
    if len(secret) >= 16:
        for data in {secret.encode(), _decoded(secret)} - {b""}:
            forms |= {data.hex(), base64.b64encode(data).decode().rstrip("=")}
            forms.add(base64.urlsafe_b64encode(data).decode().rstrip("="))
    return forms


def _decoded(secret: str) -> bytes:
    """Return the bytes of a secret in base64; empty if it is not base64."""
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        return b""


class Watched(Client):
    """A test client that collects all responses."""

    def __init__(self, seen: Seen, **headers: str) -> None:
        super().__init__(raise_request_exception=False, headers=headers)
        self.seen = seen

    def request(self, **request: Any) -> Any:
        response = super().request(**request)
        place = f"{request['REQUEST_METHOD']} {request['PATH_INFO']}"
        self.seen.note(_without_ids(place), text_of(response))
        return response


def text_of(response: HttpResponseBase) -> str:
    """Return a response as text: headers, cookies and body."""
    if response.streaming:
        parts = list(response.streaming_content)  # type: ignore[attr-defined]
        response.streaming_content = parts  # type: ignore[attr-defined]
        body = b"".join(parts)
    else:
        body = response.content  # type: ignore[attr-defined]
    head = "\n".join(f"{name}: {value}" for name, value in response.items())
    return f"{head}\n{response.cookies}\n{body.decode('latin-1')}"


def _without_ids(place: str) -> str:
    place = re.sub(r"/login/link/[^/]+", "/login/link/…", place)
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "…", place)


@contextmanager
def logs_noted(seen: Seen) -> Iterator[None]:
    """Collect all log records with their tracebacks, as LOG_LEVEL=DEBUG writes them."""
    lines: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(f"{self.format(record)} {record.args!r}")

    handler = Handler()
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.DEBUG)  # as LOG_LEVEL does; settings keep some above it
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        seen.note("log", "\n".join(lines))


def note_mails(seen: Seen) -> None:
    for sent in mail.outbox:
        seen.note(f"mail {sent.subject}", str(sent.message()))


def note_tables(seen: Seen) -> None:
    """Collect each table as text, as in a dump."""
    tables = connection.introspection.django_table_names(only_existing=True)
    for table in tables:
        with (
            connection.cursor() as cursor,
            cursor.copy(f'COPY "{table}" TO STDOUT') as rows,
        ):
            seen.note(f"table {table}", b"".join(bytes(row) for row in rows).decode())


def note_redis(seen: Seen) -> None:
    """Collect the contents of the cache and the broker."""
    from django_redis import get_redis_connection

    seen.note("cache", _dump(get_redis_connection("default")))
    with app.connection_for_read() as broker:
        channel: Any = broker.default_channel
        seen.note("broker", _dump(channel.client))
    assert cache.get("no such thing") is None  # the cache was reachable


def _dump(client: Any) -> str:
    readers: dict[bytes, Any] = {
        b"string": client.get,
        b"list": lambda key: client.lrange(key, 0, -1),
        b"set": client.smembers,
        b"hash": client.hgetall,
        b"zset": lambda key: client.zrange(key, 0, -1),
    }
    return "\n".join(
        f"{key!r} {readers[client.type(key)](key)!r}" for key in client.scan_iter()
    )


def note_settings_are_hidden(seen: Seen) -> None:
    """Collect the settings as Django's debug page shows them."""
    from django.views.debug import get_default_exception_reporter_filter

    shown = get_default_exception_reporter_filter().get_safe_settings()
    seen.note("debug page", repr(shown))
    assert settings.SECRET_KEY
