"""Find a wallet, and read its balance."""

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models.functions import Now

from accounts.models import Workspace
from billing.models import Wallet

_TOUCHED_EVERY = timedelta(hours=1)
# Reads the lots that hold credits, not the history: the ledger keeps the wallet's `granted`
# and `consumed` up to date.
_HOLDINGS = """
WITH holding AS (
    SELECT available, expires_at, effective_at <= now
           AND (expires_at IS NULL OR expires_at > now) AS drawable
    FROM billing_lot, statement_timestamp() AS now
    WHERE wallet_id = %(wallet)s AND available > 0
), next AS (
    SELECT expires_at, sum(available) AS credits FROM holding
    WHERE drawable AND expires_at IS NOT NULL
    GROUP BY expires_at ORDER BY expires_at LIMIT 1
)
SELECT wallet.available, wallet.reserved, wallet.debt, wallet.granted, wallet.consumed,
       (SELECT coalesce(sum(available), 0)::bigint FROM holding WHERE drawable),
       next.expires_at, next.credits::bigint
FROM billing_wallet AS wallet LEFT JOIN next ON true
WHERE wallet.id = %(wallet)s
"""


def wallet_of(workspace: Workspace, environment: str) -> Wallet:
    """Return the workspace's wallet in `environment`; create it if there is none."""
    wallet, _ = Wallet.objects.get_or_create(
        workspace=workspace, environment=str(environment)
    )
    return wallet


def record_activity(workspace_id: uuid.UUID, environment: str) -> None:
    """Record that a workspace is active, at most once an hour.

    So requests don't wait for the row of a shared wallet, such as that of all guests.
    """
    Wallet.objects.filter(
        workspace=workspace_id,
        environment=environment,
        last_activity_at__lt=Now() - _TOUCHED_EVERY,
    ).update(last_activity_at=Now())


def spendable(wallet: Wallet) -> int:
    """Return the credits that can be reserved now: drawable less debt, at least 0."""
    return max(0, net_balance(wallet))


def net_balance(wallet: Wallet) -> int:
    """Return the balance, drawable credits less debt; below 0 if the debt is larger."""
    _, _, debt, _, _, drawable, *_ = _holdings(wallet)
    return drawable - debt


def summary(wallet: Wallet) -> dict[str, Any]:
    """Return the body of `GET /api/v1/credits`.

    `balance` is what can be spent now, less the debt. Credits of a lot that has expired or
    not begun count neither there nor in `total_granted`, so always
    `total_granted` - `total_consumed` = `balance` + `reserved`.
    """
    available, reserved, debt, granted, consumed, drawable, at, ending = _holdings(
        wallet
    )
    return {
        "customer_id": str(wallet.workspace_id),
        "balance": drawable - debt,
        "total_granted": granted - (available - drawable),
        "total_consumed": consumed,
        "reserved": reserved,
        "debt": debt,
        "next_expiry": {"credits": ending, "at": at} if at else None,
    }


def _holdings(
    wallet: Wallet,
) -> tuple[int, int, int, int, int, int, datetime | None, int]:
    with connection.cursor() as cursor:
        cursor.execute(_HOLDINGS, {"wallet": wallet.pk})
        row: tuple[int, int, int, int, int, int, datetime | None, int]
        row = cursor.fetchone()
    return row
