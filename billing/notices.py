"""Telling customers' servers what happened to their credits."""

from billing.events import CREDITS_GRANTED
from billing.models import Wallet
from billing.wallets import spendable
from webhooks.emit import emit


def tell_granted(wallet: Wallet, credits: int, *, bucket: str, reason: str) -> None:
    """Tell that credits were added. Needs the transaction in which they were."""

    def build() -> dict[str, object]:
        now = Wallet.objects.get(pk=wallet.pk)
        return {
            "environment": now.environment,
            "available": spendable(now),
            "reserved": now.reserved,
            "granted": credits,
            "bucket": bucket,
            "reason": reason,
        }

    emit(wallet.workspace_id, CREDITS_GRANTED, build)
