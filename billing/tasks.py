"""What the calendar starts. Each task is one call, and may run any number of times."""

from celery import shared_task

from billing.credits import lapsing, token_limits
from billing.ledger import proofs
from billing.plans import subscriptions
from billing.reports import closed_months


@shared_task(name="billing.tasks.expire_ended")
def expire_ended() -> None:
    """Let credits lapse whose time is over."""
    lapsing.expire_ended()


@shared_task(name="billing.tasks.lapse_idle")
def lapse_idle() -> None:
    """Warn of credits that will lapse, and let those lapse that nobody used for a year."""
    lapsing.warn()
    lapsing.lapse_idle()


@shared_task(name="billing.tasks.prove_ledger")
def prove_ledger() -> None:
    """Prove the ledger."""
    proofs.prove()


@shared_task(name="billing.tasks.keep_subscriptions")
def keep_subscriptions() -> None:
    """Grant the months that begin, renew and end subscriptions."""
    subscriptions.keep_all()


@shared_task(name="billing.tasks.close_months")
def close_months() -> None:
    """Keep the statements of months that are over."""
    closed_months.close_all()


@shared_task(name="billing.tasks.prune_spending")
def prune_spending() -> None:
    """Remove what limited tokens spent in months of long ago."""
    token_limits.prune()
