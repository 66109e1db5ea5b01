"""Scheduled work on statements: compute those of past months once, and store them.

A run may be killed and repeated: wallets are processed in the order of their IDs, in
batches, and each batch is one transaction with its progress.
"""

import datetime
from datetime import timedelta

from django.utils import timezone

from billing.models import ClosedMonth, MonthEndRun, Wallet
from billing.reports import statements
from kit.db.transactions import one_transaction

_SETTLED_AFTER = timedelta(hours=1)
"""A posting has the time of its SQL statement but is visible only after its commit, at most
a minute later."""
_BATCH = 50  # wallets


def close_all(*, batch: int = _BATCH) -> int:
    """Store the statements of all past months; return how many were new."""
    month = statements.month_of(timezone.now() - _SETTLED_AFTER)
    count = 0
    for _ in range(statements.MOST_MONTHS):
        month = statements.month_of(statements.midnight(month) - timedelta(days=1))
        end = statements.midnight(statements.month_after(month))
        if not Wallet.objects.filter(created_at__lt=end).exists():
            break
        MonthEndRun.objects.get_or_create(month=month)
        while (found := _close_some(month, batch)) is not None:
            count += found
    return count


def close(wallet: Wallet, month: datetime.date) -> bool:
    """Store the statement of a past month; return whether it was new.

    A month without activity is not stored.
    """
    found = statements.add_up(wallet, month)
    if not (found.lines or found.paid or found.scenes):
        return False
    _, is_new = ClosedMonth.objects.get_or_create(
        wallet=wallet,
        month=month,
        defaults={
            "opening_balance": found.opening_balance,
            "closing_balance": found.closing_balance,
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
    """Close a month for the next wallets; return how many were new, None if all done."""
    # Locked: two runs at the same time wait for each other.
    run = MonthEndRun.objects.select_for_update().get(month=month)
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
