"""Claims of a key; replays are tested with the routes that accept one."""

import psycopg
import pytest
from django.db import OperationalError

from kit import idempotency
from kit.errors import IdempotencyInProgress
from kit.models import IdempotencyRecord


@pytest.mark.parametrize(
    ("kind", "refusal"),
    [
        (psycopg.errors.LockNotAvailable, IdempotencyInProgress),
        (psycopg.errors.AdminShutdown, OperationalError),
    ],
)
def test_a_key_is_in_progress_while_it_is_locked_alone(db, monkeypatch, kind, refusal):
    def fail(*args, **options):
        error = OperationalError("the statement failed")
        error.__cause__ = kind("the statement failed")
        raise error

    monkeypatch.setattr(IdempotencyRecord.objects, "bulk_create", fail)

    with pytest.raises(refusal):
        idempotency.once(
            idempotency.read_key("one", scope="mine", body=b""),
            lambda: idempotency.Answer(200, {}),
        )
