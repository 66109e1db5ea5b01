"""Send requests, compare responses, and detect changes of tables."""

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
    """Send a request with JSON or a form; the asker's cookies are not changed."""
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
    """Return the body of a response, streamed or not."""
    if response.streaming:
        return b"".join(response.streaming_content)  # type: ignore[attr-defined]
    return bytes(response.content)  # type: ignore[attr-defined]


def comparable(response: HttpResponseBase, **instead: str) -> tuple[Any, ...]:
    """Return status, headers, body and cookies; values in `instead` replace their names."""

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
    """Return the error code of an API response."""
    return str(json.loads(body_of(response)).get("code", ""))


@contextmanager
def rolled_back() -> Iterator[None]:
    """Roll back all changes made within the block."""
    point = transaction.savepoint()
    try:
        yield
    finally:
        transaction.savepoint_rollback(point)


@dataclass(frozen=True)
class Snapshot:
    """Hashes of the watched tables, and how often this transaction wrote to each."""

    hashes: dict[str, str]
    writes: dict[str, int]


_committed: dict[str, str] = {}
"""Hashes of tables at the start of each test."""


def forget_hashes() -> None:
    """Clear the cached hashes, since the tables have new contents."""
    _committed.clear()


def snapshot() -> Snapshot:
    """Return a snapshot of all watched tables.

    Tables that this transaction hasn't written to are the same as in the last test.
    """
    writes = _writes()
    as_ever = [name for name in _watched() if not writes[name]]
    _committed.update(_hashes([name for name in as_ever if name not in _committed]))
    written = _hashes([name for name in _watched() if writes[name]])
    return Snapshot(_committed | written, writes)


def changed_since(before: Snapshot) -> set[str]:
    """Return the names of the tables whose rows differ from `before`.

    Only tables that were written to since are compared. A write that was rolled back counts
    as a write.
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


def unknown_id() -> str:
    """Return an id that no row has."""
    return str(uuid.UUID(str(new_id())))
