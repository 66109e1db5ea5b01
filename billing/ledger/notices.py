"""Telling customers and their servers what happened to their credits, or will."""

from datetime import datetime

from django.template.loader import render_to_string

from accounts.caller import Environment
from accounts.people.workspaces import owner_addresses
from billing.events import CREDITS_EXPIRING, CREDITS_GRANTED, CREDITS_LOW
from billing.ledger.wallets import net, spendable
from billing.models import Wallet
from kit.db.transactions import needs_transaction
from kit.mail import outbox
from webhooks.emit import emit


@needs_transaction
def tell_granted(wallet_id: int, credits: int, *, bucket: str, reason: str) -> None:
    """Tell that credits were added."""
    wallet = Wallet.objects.get(pk=wallet_id)
    added = {"granted": credits, "bucket": bucket, "reason": reason}
    emit(wallet.workspace_id, CREDITS_GRANTED, lambda: _standing(wallet) | added)
    _watch(wallet)


@needs_transaction
def tell_expiring(
    wallet: Wallet, credits: int, lapses_at: datetime, *, by_mail: bool
) -> None:
    """Tell that credits will lapse unless they are used; owners by mail, if asked to.

    Nobody is mailed about the sandbox.
    """
    ending = {"expiring": credits, "expires_at": lapses_at}
    emit(wallet.workspace_id, CREDITS_EXPIRING, lambda: _standing(wallet) | ending)
    if not by_mail or wallet.environment != Environment.PRODUCTION:
        return
    text = render_to_string(
        "billing/lapsing.txt",
        {"wallet": wallet, "credits": credits, "lapses_at": lapses_at},
    )
    for address in owner_addresses(wallet.workspace_id):
        outbox.post(address, "Your Ozvena credits will lapse", text)


@needs_transaction
def watch(wallet_id: int, *, quietly: bool = False) -> None:
    """See whether what can be spent is low now, and tell if it was not before.

    The wallet is still locked for the posting that may have changed it. Whoever stays
    below the threshold is told nothing more; `quietly`, it is only noted.
    """
    _watch(Wallet.objects.get(pk=wallet_id), quietly=quietly)


def _watch(wallet: Wallet, *, quietly: bool = False) -> None:
    is_low = is_below(net(wallet), wallet.low_at)
    if is_low == wallet.is_low:
        return
    Wallet.objects.filter(pk=wallet.pk).update(is_low=is_low)
    if is_low and not quietly:
        emit(wallet.workspace_id, CREDITS_LOW, lambda: _standing(wallet))


@needs_transaction
def set_threshold(wallet_id: int, credits: int) -> None:
    """Tell from now on when less than `credits` can be spent; 0: never.

    Whoever sets it knows what there is, so nothing is told at once.
    """
    Wallet.objects.filter(pk=wallet_id).update(low_at=credits)
    watch(wallet_id, quietly=True)


def is_below(spendable: int, threshold: int) -> bool:
    """Return whether so many credits are low; for the threshold 0 none are."""
    return bool(threshold) and spendable < threshold


def _standing(wallet: Wallet) -> dict[str, object]:
    return {
        "environment": wallet.environment,
        "available": spendable(wallet),
        "reserved": wallet.reserved,
    }
