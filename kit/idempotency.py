"""Idempotent requests: the same Idempotency-Key sent twice is processed once.

The key's row is written in the transaction of the request itself, so neither exists without
the other. A second request waits on the row's unique index until the first one has
committed or rolled back.
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
from rest_framework.utils.encoders import JSONEncoder

from kit.db.admission import admitted
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
    """An Idempotency-Key with its scope and the hash of the request body."""

    scope: str  # caller, environment, method and path
    key: str
    fingerprint: str  # SHA-256 of the raw body, hexadecimal


@dataclass(frozen=True, slots=True)
class Answer:
    """The response to the client: HTTP status and JSON body."""

    status: int
    body: Any
    replayed: bool = False


def read_key(header: str | None, *, scope: str, body: bytes) -> Key | None:
    """Return the key of a request; None if the header is missing.

    Raises:
        InvalidIdempotencyKey: the key is empty, too long, or not printable ASCII.
    """
    if header is None:
        return None
    if not _PRINTABLE.fullmatch(header):
        raise InvalidIdempotencyKey
    digest = hashlib.sha256(body).hexdigest()
    if len(scope) > 200:  # the path has any length, the column has not
        scope = hashlib.sha256(scope.encode()).hexdigest()
    return Key(scope=scope, key=header, fingerprint=digest)


@admitted
@one_transaction
def once(
    key: Key | None,
    run: Callable[[], Answer],
    *,
    redact: Callable[[Any], Any] = lambda body: body,
) -> Answer:
    """Call `run` in a transaction of its own, or return the stored first answer.

    An exception in `run` rolls back everything, the key too, so only successful answers
    are stored. `redact` returns the body to store: secrets that are shown once become null.

    Raises:
        IdempotencyMismatch: the key was used with another body.
        IdempotencyInProgress: the first request did not end before the lock timeout.
        Overloaded: too many requests wait to change data.
    """
    if key is None:
        return run()
    if replay := begin(key):
        return replay
    answer = run()
    finish(key, Answer(answer.status, redact(answer.body)))
    return answer


@needs_transaction
def begin(key: Key, *, subject: str = "") -> Answer | None:
    """Claim `key`; return the stored answer if the first request has ended.

    Raises:
        IdempotencyMismatch: the key was used with another body.
        IdempotencyInProgress: the first request is still running.
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
            raise  # for example: the database is unavailable
        raise IdempotencyInProgress from error
    first = IdempotencyRecord.objects.filter(scope=key.scope, key=key.key).first()
    if first is None:  # the first request has just failed and rolled back its key
        raise IdempotencyInProgress
    if first.pk == record.pk:
        return None
    if first.fingerprint != key.fingerprint:
        raise IdempotencyMismatch
    if first.status is None:
        raise IdempotencyInProgress
    return Answer(first.status, json.loads(first.body), replayed=True)


def finish(key: Key, answer: Answer) -> None:
    """Store `answer` for a key that this transaction, or an earlier one, has claimed."""
    IdempotencyRecord.objects.filter(scope=key.scope, key=key.key).update(
        status=answer.status, body=json.dumps(answer.body, cls=JSONEncoder)
    )


def forget(subject: str) -> None:
    """Delete the unfinished keys of `subject`: its request failed and may be sent again."""
    IdempotencyRecord.objects.filter(subject=subject, status=None).delete()
