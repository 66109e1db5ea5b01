"""Telling customers' servers what happened to their credits."""

from billing.events import CREDITS_GRANTED, CREDITS_LOW
from billing.models import Wallet
from billing.wallets import net, spendable
from webhooks.emit import emit


def tell_granted(wallet: Wallet, credits: int, *, bucket: str, reason: str) -> None:
    """Tell that credits were added. Needs the transaction in which they were."""

    def build() -> dict[str, object]:
        now = Wallet.objects.get(pk=wallet.pk)
        added = {"granted": credits, "bucket": bucket, "reason": reason}
        return _standing(now) | added

    emit(wallet.workspace_id, CREDITS_GRANTED, build)


def tell_if_low(wallet_id: int, *, before: int) -> None:
    """Tell if what can be spent, `before` a posting, fell below the wallet's threshold.

    Needs the transaction of that posting. A wallet that stays below is silent: only one
    that was at the threshold or above can fall below it.
    """
    wallet = Wallet.objects.get(pk=wallet_id)
    if wallet.low_at and before >= wallet.low_at > net(wallet):
        emit(wallet.workspace_id, CREDITS_LOW, lambda: _standing(wallet))


def _standing(wallet: Wallet) -> dict[str, object]:
    return {
        "environment": wallet.environment,
        "available": spendable(wallet),
        "reserved": wallet.reserved,
    }
