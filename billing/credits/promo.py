"""Redeem promo codes, once per user and per workspace.

To prevent guessing, every attempt counts against a daily limit of the user and of the
network of the request, in a transaction of its own.
"""

from dataclasses import dataclass

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.caller import Caller, Environment
from accounts.people import welcome
from billing import ledger
from billing.errors import (
    InvalidPromoCode,
    PromoCodeExpired,
    PromoCodeInSandbox,
    PromoCodeRedeemed,
    PromoCodeUsedUp,
)
from billing.ledger.wallets import wallet_of
from billing.models import Lot, PromoCode, PromoRedemption
from kit import quotas
from kit.db.transactions import needs_transaction
from kit.errors import RateLimited
from kit.requests import client_network

ATTEMPTS_PER_PERSON = 20
"""Attempts per user in a UTC day; valid codes count too."""
ATTEMPTS_PER_NETWORK = 100


@dataclass(frozen=True, slots=True)
class Redeemed:
    """The credits that were granted for a code."""

    code: str
    credits: int


def count_attempt(caller: Caller) -> None:
    """Count an attempt to redeem a code; call it before `redeem`, outside a transaction.

    Raises:
        RateLimited: there were too many attempts today.
    """
    today = quotas.today()
    with transaction.atomic(durable=True):
        is_allowed = quotas.take(
            "promo codes of a person",
            str(caller.person.pk),
            limit=ATTEMPTS_PER_PERSON,
            period=today,
        ) and quotas.take(
            "promo codes of a network",
            client_network(caller.address),
            limit=ATTEMPTS_PER_NETWORK,
            period=today,
        )
    if not is_allowed:
        raise RateLimited(retry_after=quotas.seconds_left_today())


@needs_transaction
def redeem(caller: Caller, code: str) -> Redeemed:
    """Grant the credits of a promo code to the caller's production wallet.

    The row of the code is locked, so only one of several requests gets the last use.

    Raises:
        PromoCodeInSandbox: the request is for the sandbox.
        InvalidPromoCode: there is no such code, or it is disabled.
        PromoCodeRedeemed: the user or the workspace has already redeemed it.
        PromoCodeExpired: its time is over.
        PromoCodeUsedUp: it has reached its maximum number of uses.
    """
    user, workspace = caller.person, caller.workspace
    if caller.environment != Environment.PRODUCTION:
        raise PromoCodeInSandbox
    promo = (
        PromoCode.objects.select_for_update()
        .filter(code=normalize_code(code), is_enabled=True)
        .first()
    )
    if promo is None:
        raise InvalidPromoCode
    people = welcome.mailbox_digests(user.email)
    if promo.redemptions.filter(
        Q(user_id=user.pk) | Q(person__in=people) | Q(workspace=workspace)
    ).exists():
        raise PromoCodeRedeemed
    if promo.expires_at is not None and promo.expires_at <= timezone.now():
        raise PromoCodeExpired
    if promo.used >= promo.max_uses:
        raise PromoCodeUsedUp
    promo.used += 1
    promo.save(update_fields=["used"])
    PromoRedemption.objects.create(
        code=promo, workspace=workspace, user_id=user.pk, person=people[0]
    )
    source = f"promo:{promo.pk}:{workspace.pk}"
    ledger.grant(
        wallet_of(workspace, caller.environment),
        promo.credits,
        key=source,
        kind=Lot.Kind.PROMO,
        source=source,
        reason=f"Promo code {promo.code}",
    )
    return Redeemed(promo.code, promo.credits)


def normalize_code(code: str) -> str:
    """Normalize a promo code: capitals, without white space."""
    return "".join(code.split()).upper()
