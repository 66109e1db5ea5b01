"""Asking, and seeing what was told and whether anything changed."""

import json
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.http import HttpResponseBase

from kit.ids import new_id
from tests.tenancy.world import Asker

# Not compared: what differs between any two answers. The session's cookie is renewed
# once a minute, too.
_OF_THE_ANSWER = {"X-Request-Id", "RateLimit-Remaining", "RateLimit-Reset", "Expires"}
_CSRF = re.compile(rb'(name="csrfmiddlewaretoken" value=")[^"]*')
# Sessions are noted as seen, which is no change of anything.
_NOT_WATCHED = {"django_session", "django_migrations"}
_SEEN = "{last_used_at,last_seen_at,ip}"


def ask(
    asker: Asker,
    method: str,
    url: str,
    body: dict[str, Any] | None = None,
    *,
    is_form: bool = False,
    **headers: Any,
) -> HttpResponseBase:
    """Send a request, with JSON or a form; the asker's cookies stay as they are."""
    cookies = deepcopy(asker.client.cookies)
    options: dict[str, Any] = {"headers": {**asker.headers, **headers}}
    if is_form:
        options["data"] = body or {}
    elif method not in ("GET", "HEAD"):
        options |= {
            "data": json.dumps(body or {}),
            "content_type": "application/json",
        }
    send = getattr(asker.client, method.lower())
    try:
        response: HttpResponseBase = send(url, **options)
    finally:
        asker.client.cookies = cookies
    return response


def body_of(response: HttpResponseBase) -> bytes:
    """Return the body, streamed or not."""
    if response.streaming:
        return b"".join(response.streaming_content)  # type: ignore[attr-defined]
    return bytes(response.content)  # type: ignore[attr-defined]


def told(response: HttpResponseBase, **instead: str) -> tuple[Any, ...]:
    """Return all that an answer tells; each name of `instead` is another's value."""

    def same(text: str) -> str:
        for ours, others in instead.items():
            text = text.replace(ours, others)
        return text

    headers = {
        name: same(value)
        for name, value in response.items()
        if name not in _OF_THE_ANSWER
    }
    body = _CSRF.sub(rb"\1", body_of(response))
    cookies = sorted(set(response.cookies) - {settings.SESSION_COOKIE_NAME})
    return response.status_code, headers, same(body.decode("latin-1")), cookies


def code_of(response: HttpResponseBase) -> str:
    """Return the code of an answer of the API."""
    return str(json.loads(body_of(response)).get("code", ""))


@contextmanager
def undone() -> Iterator[None]:
    """Take back whatever happens within."""
    point = transaction.savepoint()
    try:
        yield
    finally:
        transaction.savepoint_rollback(point)


@dataclass(frozen=True)
class Snapshot:
    """What the watched tables hold, and how often this transaction has written to them."""

    hashes: dict[str, str]
    writes: dict[str, int]


_committed: dict[str, str] = {}
"""Hashes of tables as every test of a world finds them."""


def forget_world() -> None:
    """Look anew at all tables: there is another world in them."""
    _committed.clear()


def snapshot() -> Snapshot:
    """Look at all watched tables.

    Those that this transaction hasn't written to are as they were in the last test.
    """
    writes = _writes()
    as_ever = [name for name in _watched() if not writes[name]]
    _committed.update(_hashes([name for name in as_ever if name not in _committed]))
    written = _hashes([name for name in _watched() if writes[name]])
    return Snapshot(_committed | written, writes)


def changed_since(before: Snapshot) -> set[str]:
    """Return the names of the tables whose rows are other ones than `before`.

    Only tables that were written to since are looked at; a write that was taken back
    counts as one.
    """
    writes = _writes()
    written = [name for name in _watched() if writes[name] != before.writes[name]]
    now = _hashes(written)
    return {name for name in now if now[name] != before.hashes[name]}


@cache
def _watched() -> list[str]:
    tables = connection.introspection.django_table_names(only_existing=True)
    return sorted(set(tables) - _NOT_WATCHED)


def _hashes(tables: list[str]) -> dict[str, str]:
    asked = " UNION ALL ".join(
        f"SELECT '{table}', md5(string_agg(row, '' ORDER BY row)) FROM ("
        f"SELECT (to_jsonb(t) - '{_SEEN}'::text[])::text AS row FROM \"{table}\" t) r"
        for table in tables
    )
    with connection.cursor() as cursor:
        if not asked:
            return {}
        cursor.execute(asked)
        return dict(cursor.fetchall())


def _writes() -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, n_tup_ins + n_tup_upd + n_tup_del"
            " FROM pg_stat_xact_user_tables WHERE schemaname = current_schema"
        )
        return dict(cursor.fetchall())


def nobodys() -> str:
    """Return an id that nothing has."""
    return str(uuid.UUID(str(new_id())))
