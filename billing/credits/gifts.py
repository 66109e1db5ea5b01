"""Credits that new customers are given, once each."""

from django.conf import settings

from accounts.models import User
from billing import ledger
from billing.models import Lot, Wallet
from kit.db.transactions import needs_transaction


@needs_transaction
def welcome(wallet: Wallet, user: User) -> None:
    """Give a new user the sign-up grant; safe to repeat."""
    if settings.SIGN_UP_CREDITS:
        source = f"signup:{user.pk}"
        ledger.grant(
            wallet,
            settings.SIGN_UP_CREDITS,
            key=source,
            kind=Lot.Kind.PROMO,
            source=source,
            reason="Sign-up",
        )
