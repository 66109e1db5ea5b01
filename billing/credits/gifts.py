"""Free credits for new customers, once each."""

from django.conf import settings

from accounts.models import User
from billing import ledger
from billing.models import Lot, Wallet
from kit.db.transactions import needs_transaction

MOBILE_CREDITS = 45_000
"""Credits for a new customer of the mobile app; they never lapse."""


@needs_transaction
def grant_sign_up_credits(wallet: Wallet, user: User) -> None:
    """Grant the sign-up credits to a new user; safe to repeat."""
    if settings.SIGN_UP_CREDITS:
        source = f"signup:{user.pk}"
        _grant(wallet, settings.SIGN_UP_CREDITS, source, "Sign-up")


@needs_transaction
def grant_mobile_credits(wallet: Wallet, customer_id: str) -> None:
    """Grant `MOBILE_CREDITS` to a new mobile customer, once per ID; safe to repeat."""
    source = f"free_grant:{customer_id}"
    _grant(wallet, MOBILE_CREDITS, source, "Welcome", lapses=False)


def _grant(
    wallet: Wallet, credits: int, source: str, reason: str, *, lapses: bool = True
) -> None:
    ledger.grant(
        wallet,
        credits,
        key=source,
        kind=Lot.Kind.PROMO,
        source=source,
        reason=reason,
        lapses=lapses,
    )
