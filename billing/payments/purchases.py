"""Record purchases of packs, for every store and gateway."""

from billing import ledger
from billing.models import Lot, Pack, Purchase, Store, Wallet
from kit.db.transactions import needs_transaction


@needs_transaction
def sell(
    wallet: Wallet,
    pack: Pack,
    *,
    store: Store,
    external_id: str,
    amount: int | None = None,
    currency: str = "",
) -> Purchase:
    """Grant the credits of a pack that was paid for; return the purchase.

    Idempotent per payment and environment: `external_id` is the store's ID of the payment.
    `amount` is what was paid, in minor units of `currency`; by default the price of the
    pack.

    Raises:
        LedgerKeyReused: the payment was recorded before, for another wallet or pack.
    """
    source = f"purchase:{store.value}:{external_id}"
    ledger.grant(
        wallet,
        pack.credits,
        key=source,
        kind=Lot.Kind.PACK,
        source=source,
        reason=pack.name,
        is_activity=store != Store.OPERATOR,
    )
    lot = Lot.objects.get(environment=wallet.environment, source=source)
    purchase, _ = Purchase.objects.get_or_create(
        lot=lot,
        defaults={
            "pack": pack,
            "environment": wallet.environment,
            "store": store.value,
            "external_id": external_id,
            "amount": pack.amount if amount is None else amount,
            "currency": currency or pack.currency,
        },
    )
    return purchase
