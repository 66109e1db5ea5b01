"""Quotas that hold exactly, whatever runs in parallel."""

import datetime

from django.db import connection

from kit.models import QuotaCounter


def take(name: str, subject: str, *, limit: int, period: datetime.date) -> bool:
    """Count one use if fewer than `limit` were counted; return whether it was.

    One conditional statement, part of the caller's transaction: a refused call, or one
    that is rolled back, leaves no trace.
    """
    assert connection.in_atomic_block
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO kit_quotacounter AS counter (name, subject, period, used)
            SELECT %s, %s, %s, 1 WHERE %s > 0
            ON CONFLICT (name, subject, period)
            DO UPDATE SET used = counter.used + 1 WHERE counter.used < %s
            """,
            [name, subject, period, limit, limit],
        )
        return bool(cursor.rowcount == 1)


def used(name: str, subject: str, *, period: datetime.date) -> int:
    """Return how many uses were counted."""
    counter = QuotaCounter.objects.filter(name=name, subject=subject, period=period)
    return counter.values_list("used", flat=True).first() or 0
