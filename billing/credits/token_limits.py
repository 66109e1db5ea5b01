"""The monthly credit limits of API tokens, exact under parallel requests.

A reservation counts in the month (UTC) in which it was made, against the token of the
request and the limited tokens that made it. Released credits no longer count. It is counted
in the reservation's own transaction, under the wallet's lock, so two requests can't use the
same remaining credits. Sandbox and production are counted separately, like their wallets.
"""

import datetime
import math
import uuid

from django.db import connection
from django.db.models import F
from django.utils import timezone

from accounts.models import ApiToken
from billing import ledger
from billing.errors import TokenLimitReached
from billing.models import Reservation, TokenReservation, TokenSpending
from kit.db.transactions import needs_transaction

# A limit also holds for the tokens that a token makes, so a token without a limit has no
# limited maker.
_WITH_MAKERS = """
WITH RECURSIVE chain AS (
    SELECT id, maker_id, monthly_credit_limit FROM accounts_apitoken
    WHERE id = %(token)s AND monthly_credit_limit IS NOT NULL
    UNION ALL
    SELECT maker.id, maker.maker_id, maker.monthly_credit_limit
    FROM chain JOIN accounts_apitoken AS maker ON maker.id = chain.maker_id
    WHERE maker.monthly_credit_limit IS NOT NULL
)
SELECT chain.id, chain.monthly_credit_limit, coalesce(spending.credits, 0)
FROM chain LEFT JOIN billing_tokenspending AS spending
    ON spending.token_id = chain.id AND spending.month = %(month)s
    AND spending.environment = %(environment)s
"""
_COUNT = """
WITH spending AS (
    INSERT INTO billing_tokenspending AS spent (token_id, environment, month, credits)
    SELECT token, %(environment)s, %(month)s, %(credits)s
    FROM unnest(%(tokens)s::uuid[]) AS token
    ON CONFLICT (token_id, environment, month)
    DO UPDATE SET credits = spent.credits + excluded.credits
    RETURNING id
)
INSERT INTO billing_tokenreservation (reservation_id, spending_id)
SELECT %(reservation)s, id FROM spending
"""


@needs_transaction
def count(token: ApiToken | None, reservation: Reservation, environment: str) -> None:
    """Count a new reservation against the limit of `token`.

    The wallet is still locked for the reservation.

    Raises:
        TokenLimitReached: it exceeds the limit; the transaction must be rolled back.
    """
    if token is None or token.monthly_credit_limit is None:
        return
    if TokenReservation.objects.filter(reservation=reservation.pk).exists():
        return  # this reservation was counted before
    chain = _with_makers(token, environment)
    for _, limit, spent in chain:
        if spent + reservation.amount > limit:
            raise TokenLimitReached(
                limit=limit,
                needed=reservation.amount,
                available=max(0, limit - spent),
            )
    with connection.cursor() as cursor:
        cursor.execute(
            _COUNT,
            {
                "tokens": [token_id for token_id, _, _ in chain],
                "environment": str(environment),
                "month": this_month(),
                "credits": reservation.amount,
                "reservation": reservation.pk,
            },
        )


@needs_transaction
def release(reservation_key: str) -> int:
    """Release a reservation, also from its token's spending; return how many credits.

    Safe to repeat, as `ledger.release` is.
    """
    released = ledger.release(reservation_key)
    # A parallel call waits for the wallet in `ledger.release`, and then finds no rows.
    counted = TokenReservation.objects.filter(reservation__key=reservation_key)
    spendings = list(counted.values_list("spending", flat=True))
    if spendings:
        counted.delete()
        TokenSpending.objects.filter(pk__in=spendings).update(
            credits=F("credits") - released
        )
    return released


def remaining(token: ApiToken | None, environment: str) -> float:
    """Return the credits that a token may still spend this month; `inf` without a limit."""
    return min(
        (limit - spent for _, limit, spent in _with_makers(token, environment)),
        default=math.inf,
    )


def _with_makers(
    token: ApiToken | None, environment: str
) -> list[tuple[uuid.UUID, int, int]]:
    """Return id, limit and credits spent this month of a token and its makers."""
    if token is None or token.monthly_credit_limit is None:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            _WITH_MAKERS,
            {
                "token": token.pk,
                "environment": str(environment),
                "month": this_month(),
            },
        )
        chain: list[tuple[uuid.UUID, int, int]] = cursor.fetchall()
    return chain


def this_month() -> datetime.date:
    """Return the first day of the current month, UTC."""
    return timezone.now().astimezone(datetime.UTC).date().replace(day=1)


def prune() -> None:
    """Delete the spending of months before the last one; it is no longer needed."""
    last_month = (this_month() - datetime.timedelta(days=1)).replace(day=1)
    TokenSpending.objects.filter(month__lt=last_month).delete()
