"""Notify customers by webhook and mail: credits granted, low, or about to lapse."""

from datetime import datetime

from django.template.loader import render_to_string

from accounts.caller import Environment
from accounts.people.workspaces import owner_addresses
from billing.events import CREDITS_EXPIRING, CREDITS_GRANTED, CREDITS_LOW
from billing.ledger.wallets import net_balance, spendable
from billing.models import Wallet
from kit.db.transactions import needs_transaction
from kit.mail import outbox
from webhooks.emit import emit


@needs_transaction
def notify_granted(wallet_id: int, credits: int, *, bucket: str, reason: str) -> None:
    """Send `credits.granted`, and `credits.low` if credits are low now."""
    wallet = Wallet.objects.get(pk=wallet_id)
    added = {"granted": credits, "bucket": bucket, "reason": reason}
    emit(wallet.workspace_id, CREDITS_GRANTED, lambda: _balances(wallet) | added)
    _update_is_low(wallet)


@needs_transaction
def notify_expiring(
    wallet: Wallet, credits: int, lapses_at: datetime, *, by_mail: bool
) -> None:
    """Send `credits.expiring`: credits will lapse unless they are used.

    With `by_mail` the owners also get a mail, but not for the sandbox.
    """
    ending = {"expiring": credits, "expires_at": lapses_at}
    emit(wallet.workspace_id, CREDITS_EXPIRING, lambda: _balances(wallet) | ending)
    if not by_mail or wallet.environment != Environment.PRODUCTION:
        return
    text = render_to_string(
        "billing/lapsing.txt",
        {"wallet": wallet, "credits": credits, "lapses_at": lapses_at},
    )
    for address in owner_addresses(wallet.workspace_id):
        outbox.post(address, "Your Ozvena credits will lapse", text)


@needs_transaction
def update_is_low(wallet_id: int, *, notifies: bool = True) -> None:
    """Update `is_low` of a wallet, and send `credits.low` if it has just become low.

    The wallet is still locked for the posting that may have changed it. A wallet that stays
    below its threshold sends no further event. Without `notifies` no event is sent.
    """
    _update_is_low(Wallet.objects.get(pk=wallet_id), notifies=notifies)


def _update_is_low(wallet: Wallet, *, notifies: bool = True) -> None:
    is_low = is_below(net_balance(wallet), wallet.low_at)
    if is_low == wallet.is_low:
        return
    Wallet.objects.filter(pk=wallet.pk).update(is_low=is_low)
    if is_low and notifies:
        emit(wallet.workspace_id, CREDITS_LOW, lambda: _balances(wallet))


@needs_transaction
def set_threshold(wallet_id: int, credits: int) -> None:
    """Set the threshold of `credits.low`: fewer than `credits` can be spent; 0: never.

    No event is sent at once: the user who sets it sees the balance.
    """
    Wallet.objects.filter(pk=wallet_id).update(low_at=credits)
    update_is_low(wallet_id, notifies=False)


def is_below(spendable: int, threshold: int) -> bool:
    """Return whether `spendable` is below `threshold`; never for the threshold 0."""
    return bool(threshold) and spendable < threshold


def _balances(wallet: Wallet) -> dict[str, object]:
    return {
        "environment": wallet.environment,
        "available": spendable(wallet),
        "reserved": wallet.reserved,
    }
