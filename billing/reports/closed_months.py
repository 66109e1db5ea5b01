"""The calendar of statements: months that are over are added up once, and kept.

A run may end anywhere and begin anew: wallets are done in the order of their numbers, some
at a time, in one transaction with how far it has come.
"""

import datetime
from datetime import timedelta

from django.utils import timezone

from billing.models import ClosedMonth, Closing, Wallet
from billing.reports import statements
from kit.db.transactions import one_transaction

_SETTLED_AFTER = timedelta(hours=1)
"""A posting carries the time of its statement and is seen when it commits, which takes a
minute at most."""
_BATCH = 50  # wallets


def close_all(*, batch: int = _BATCH) -> int:
    """Keep the statements of all months that are over; return how many were new."""
    month = statements.month_of(timezone.now() - _SETTLED_AFTER)
    count = 0
    for _ in range(statements.MOST_MONTHS):
        month = statements.month_of(statements.midnight(month) - timedelta(days=1))
        end = statements.midnight(statements.month_after(month))
        if not Wallet.objects.filter(created_at__lt=end).exists():
            break
        Closing.objects.get_or_create(month=month)
        while (found := _close_some(month, batch)) is not None:
            count += found
    return count


def close(wallet: Wallet, month: datetime.date) -> bool:
    """Keep the statement of a month that is over; return whether it was new.

    Nothing is kept of a month in which nothing happened.
    """
    found = statements.add_up(wallet, month)
    if not (found.lines or found.paid or found.scenes):
        return False
    _, is_new = ClosedMonth.objects.get_or_create(
        wallet=wallet,
        month=month,
        defaults={
            "opening": found.opening,
            "closing": found.closing,
            "lines": [
                [line.day.isoformat(), line.text, line.credits] for line in found.lines
            ],
            "paid": [
                [one.day.isoformat(), one.name, int(one.amount * 100), one.currency]
                for one in found.paid
            ],
            "scenes": found.scenes,
            "characters": found.characters,
        },
    )
    return is_new


@one_transaction
def _close_some(month: datetime.date, batch: int) -> int | None:
    """Close a month of the next wallets; return how many were new, None when all are."""
    # Two runs at once take turns.
    run = Closing.objects.select_for_update().get(month=month)
    if run.is_done:
        return None
    end = statements.midnight(statements.month_after(month))
    wallets = list(
        Wallet.objects.filter(pk__gt=run.last_wallet, created_at__lt=end)
        .select_related("workspace")
        .order_by("pk")[:batch]
    )
    count = sum(close(wallet, month) for wallet in wallets)
    if wallets:
        run.last_wallet = wallets[-1].pk
    run.is_done = len(wallets) < batch
    run.save(update_fields=["last_wallet", "is_done"])
    return count
