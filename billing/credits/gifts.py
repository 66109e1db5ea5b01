"""Free credits for new customers, once each."""

from django.conf import settings

from accounts.models import User
from billing import ledger
from billing.models import Lot, Wallet
from kit.db.transactions import needs_transaction


@needs_transaction
def grant_sign_up_credits(wallet: Wallet, user: User) -> None:
    """Grant the sign-up credits to a new user; safe to repeat."""
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
