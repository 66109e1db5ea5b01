"""Quotas per day or other period, counted exactly under concurrency."""

import datetime

from django.db import connection
from django.db.models import F
from django.db.models.functions import Greatest
from django.utils import timezone

from kit.db.transactions import needs_transaction
from kit.models import QuotaCounter


@needs_transaction
def take(
    name: str, subject: str, *, limit: int, period: datetime.date, amount: int = 1
) -> bool:
    """Count `amount` uses unless that exceeds `limit`; return whether they were counted.

    It is one conditional statement: a refused or rolled-back call counts nothing.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO kit_quotacounter AS counter (name, subject, period, used)
            SELECT %(name)s, %(subject)s, %(period)s, %(amount)s
            WHERE %(amount)s <= %(limit)s
            ON CONFLICT (name, subject, period)
            DO UPDATE SET used = counter.used + %(amount)s
            WHERE counter.used + %(amount)s <= %(limit)s
            """,
            {
                "name": name,
                "subject": subject,
                "period": period,
                "amount": amount,
                "limit": limit,
            },
        )
        return bool(cursor.rowcount == 1)


def give_back(name: str, subject: str, *, period: datetime.date, amount: int) -> None:
    """Subtract `amount` uses that were counted but did not happen."""
    counter = QuotaCounter.objects.filter(name=name, subject=subject, period=period)
    counter.update(used=Greatest(F("used") - amount, 0))


def used(name: str, subject: str, *, period: datetime.date) -> int:
    """Return how many uses were counted in the period."""
    counter = QuotaCounter.objects.filter(name=name, subject=subject, period=period)
    return counter.values_list("used", flat=True).first() or 0


def today() -> datetime.date:
    """Return the current day in UTC, the period of daily quotas."""
    return timezone.now().astimezone(datetime.UTC).date()


def next_day() -> datetime.datetime:
    """Return when the next day begins in UTC."""
    midnight = datetime.time(tzinfo=datetime.UTC)
    return datetime.datetime.combine(today() + datetime.timedelta(days=1), midnight)


def seconds_left_today() -> int:
    """Return the seconds until the next day begins in UTC, at least 1."""
    return max(1, int((next_day() - timezone.now()).total_seconds()) + 1)
