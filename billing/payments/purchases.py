"""Record purchases of packs, for every store and gateway; find the lots of an order."""

from itertools import chain

from billing import ledger
from billing.models import Lot, Order, Pack, Purchase, Store, Wallet
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


def sources_of(order: Order) -> list[str]:
    """Return the sources of the lots that an order was granted as, or moved to since."""
    sources = [order.source] if order.pack is not None else _months_of(order)
    moved = (ledger.moved_lots(source, order.environment) for source in sources)
    return [*sources, *chain.from_iterable(moved)]


def _months_of(order: Order) -> list[str]:
    assert order.plan is not None
    month = f"allowance:{order.subscription_id}:{order.period}:"
    lots = Lot.objects.filter(environment=order.environment, source__startswith=month)
    of_plan = lots.filter(source__endswith=f":{order.plan.key}")
    return list(of_plan.order_by("pk").values_list("source", flat=True))
