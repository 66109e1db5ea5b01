"""The same request twice is done once: Idempotency-Key.

The key's row is written in the transaction of the request itself, so there is no moment at
which one exists without the other. A second request waits on the row's unique index until
the first has committed or rolled back.
"""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import OperationalError, transaction
from django.db.models.functions import Now

from kit.db.transactions import needs_transaction, one_transaction
from kit.errors import (
    IdempotencyInProgress,
    IdempotencyMismatch,
    InvalidIdempotencyKey,
)
from kit.models import IdempotencyRecord

KEPT_FOR = timedelta(hours=24)
_LOCK_NOT_AVAILABLE = "55P03"  # SQLSTATE: lock_timeout has passed
_PRINTABLE = re.compile(r"[\x20-\x7e]{1,255}")


@dataclass(frozen=True, slots=True)
class Key:
    """An Idempotency-Key with what it is valid for."""

    scope: str  # who, environment, method and path
    key: str
    fingerprint: str  # SHA-256 of the raw body, hexadecimal


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client gets: the status and the JSON body."""

    status: int
    body: Any
    replayed: bool = False


def read_key(header: str | None, *, scope: str, body: bytes) -> Key | None:
    """Return the key that a request carries, None if it carries none.

    Raises:
        InvalidIdempotencyKey: it is empty, too long, or not printable ASCII.
    """
    if header is None:
        return None
    if not _PRINTABLE.fullmatch(header):
        raise InvalidIdempotencyKey
    digest = hashlib.sha256(body).hexdigest()
    if len(scope) > 200:  # a path of any length must not become a column of any length
        scope = hashlib.sha256(scope.encode()).hexdigest()
    return Key(scope=scope, key=header, fingerprint=digest)


@one_transaction
def once(
    key: Key | None,
    run: Callable[[], Answer],
    *,
    kept: Callable[[Any], Any] = lambda body: body,
) -> Answer:
    """Call `run` in a transaction of its own, or replay what it answered the first time.

    Whatever `run` raises rolls everything back, the key included, so only successes are
    kept. `kept` turns the body into what is stored: secrets shown once become null.

    Raises:
        IdempotencyMismatch: the key came before with another body.
        IdempotencyInProgress: the first request has not ended in time.
    """
    if key is None:
        return run()
    if replay := begin(key):
        return replay
    answer = run()
    finish(key, Answer(answer.status, kept(answer.body)))
    return answer


@needs_transaction
def begin(key: Key, *, subject: str = "") -> Answer | None:
    """Claim `key`; return the first answer if there is one.

    Raises:
        IdempotencyMismatch: the key came before with another body.
        IdempotencyInProgress: the first request still runs.
    """
    IdempotencyRecord.objects.filter(
        scope=key.scope, key=key.key, created_at__lt=Now() - KEPT_FOR
    ).delete()
    record = IdempotencyRecord(
        scope=key.scope, key=key.key, fingerprint=key.fingerprint, subject=subject
    )
    try:
        with transaction.atomic():
            IdempotencyRecord.objects.bulk_create([record], ignore_conflicts=True)
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
            raise  # the database went away, say
        raise IdempotencyInProgress from error
    first = IdempotencyRecord.objects.filter(scope=key.scope, key=key.key).first()
    if first is None:  # the first request has failed just now, and forgotten its key
        raise IdempotencyInProgress
    if first.pk == record.pk:
        return None
    if first.fingerprint != key.fingerprint:
        raise IdempotencyMismatch
    if first.status is None:
        raise IdempotencyInProgress
    return Answer(first.status, json.loads(first.body), replayed=True)


def finish(key: Key, answer: Answer) -> None:
    """Keep `answer` under a key that this transaction, or an earlier one, has claimed."""
    IdempotencyRecord.objects.filter(scope=key.scope, key=key.key).update(
        status=answer.status, body=json.dumps(answer.body)
    )


def forget(subject: str) -> None:
    """Drop the unfinished claims on `subject`: its request failed and may be sent again."""
    IdempotencyRecord.objects.filter(subject=subject, status=None).delete()
