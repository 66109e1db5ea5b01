"""Move purchases between workspaces, as an app store has moved them between customers."""

import uuid
from collections.abc import Sequence

from accounts.audit import log
from accounts.caller import Environment
from accounts.models import Workspace
from billing import ledger
from billing.errors import NotReportedYet
from billing.ledger.wallets import wallet_of
from billing.models import Lot, Store, Subscription
from billing.payments.gateways.contract import Transferred, Unprocessable
from billing.plans import subscriptions
from kit.db.transactions import needs_transaction

IN_APP = [store.value for store in Store if store.is_in_app]


@needs_transaction
def transfer(fact: Transferred, environment: Environment) -> str:
    """Move plans and what is left of purchases; return what was moved, in words.

    Workspaces are locked first, in the order of their IDs. Credits that were spent stay
    spent, so nothing is doubled; a repeated transfer finds nothing left to move.

    Raises:
        NotReportedYet: the receiver is unknown. It waits, and an operator sees it.
    """
    if fact.target is None:
        raise NotReportedYet(subject=fact.receiver[:200])
    found = _lock({*fact.sources, fact.target})
    if fact.target not in found:
        raise Unprocessable(f"There is no workspace {fact.target}.")
    target = found.pop(fact.target)
    moved = plans = 0
    for source in found.values():
        its_plans = _move_plans(source, target, environment)
        credits = _move_credits(source, target, environment, fact, its_plans)
        moved, plans = moved + credits, plans + len(its_plans)
        if credits or its_plans:
            for row, other in ((source, target), (target, source)):
                log.record(
                    "Transfer of purchases",
                    row,
                    after={"credits": credits, "plans": len(its_plans)},
                    reason=f"{'To' if row is source else 'From'} {other.pk}, reported"
                    f" as {fact.transfer_id}",
                )
    return f"moved: {moved:,} credits, plans: {plans}"


def _lock(ids: set[uuid.UUID]) -> dict[uuid.UUID, Workspace]:
    rows = Workspace.objects.select_for_update(no_key=True).filter(pk__in=ids)
    return {row.pk: row for row in rows.order_by("pk")}


def _move_plans(
    source: Workspace, target: Workspace, environment: Environment
) -> list[Subscription]:
    """Move the subscriptions of app stores; return them. One in force is moved last."""
    rows = Subscription.objects.for_workspace(source).filter(
        environment=environment.value, store__in=IN_APP
    )
    found = sorted(rows.order_by("created_at"), key=lambda row: row.is_in_force)
    return [subscriptions.move(row.pk, target) for row in found]


def _move_credits(
    source: Workspace,
    target: Workspace,
    environment: Environment,
    fact: Transferred,
    plans: Sequence[Subscription],
) -> int:
    """Move what is available of packs and months of app stores; return how many credits."""
    prefixes = (
        *(f"purchase:{store}:" for store in IN_APP),
        *(f"trial:{store}:" for store in IN_APP),
        *(f"allowance:{plan.pk}:" for plan in plans),
    )
    lots = Lot.objects.filter(
        wallet=wallet_of(source, environment), available__gt=0
    ).select_related("restores")
    sources = {(lot.restores or lot).source for lot in lots.order_by("pk")}
    return sum(
        ledger.move(
            name,
            wallet_of(target, environment),
            key=f"transfer:{fact.transfer_id}",
            reason="Moved between accounts of the app",
        )
        for name in sorted(sources)
        if name.startswith(prefixes)
    )
