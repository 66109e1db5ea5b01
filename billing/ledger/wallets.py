"""Wallets: finding one, and what is in it."""

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models.functions import Now

from accounts.models import Workspace
from billing.models import Wallet

_TOUCHED_EVERY = timedelta(hours=1)
# Reads the lots that hold something, never the history: `granted` and `consumed` of the
# wallet are kept by the ledger.
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
    """Return the workspace's wallet in `environment`, made if it has none yet."""
    wallet, _ = Wallet.objects.get_or_create(
        workspace=workspace, environment=str(environment)
    )
    return wallet


def touch(workspace_id: uuid.UUID, environment: str) -> None:
    """Note that a workspace is active, at most once an hour.

    So the row of a wallet that many share, such as that of all visitors, is not fought for.
    """
    Wallet.objects.filter(
        workspace=workspace_id,
        environment=environment,
        last_activity_at__lt=Now() - _TOUCHED_EVERY,
    ).update(last_activity_at=Now())


def spendable(wallet: Wallet) -> int:
    """Return the credits that a reservation could take now: drawable less debt."""
    return max(0, net(wallet))


def net(wallet: Wallet) -> int:
    """Return drawable less debt: below 0 if more is owed than there is."""
    _, _, debt, _, _, drawable, *_ = _holdings(wallet)
    return drawable - debt


def summary(wallet: Wallet) -> dict[str, Any]:
    """Return what `GET /api/v1/credits` tells.

    `balance` is what can be spent less the debt, so credits of a lot that has lapsed, or
    is yet to begin, are counted neither there nor in `total_granted`:
    `total_granted` - `total_consumed` = `balance` + `reserved`, always.
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
