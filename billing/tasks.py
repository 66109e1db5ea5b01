"""Scheduled Celery tasks of billing. Each is one call and is safe to run more than once."""

from datetime import timedelta

from celery import shared_task
from celery.schedules import crontab
from django.db import transaction

from billing.credits import lapsing, token_limits
from billing.ledger import proofs
from billing.payments import inbox, orders, reconciliation, refunds, top_ups
from billing.plans import subscriptions
from billing.reports import closed_months
from kit.work.calendar import scheduled


@scheduled("end credits whose time is over", timedelta(minutes=10))
@shared_task
def expire_ended() -> None:
    """Expire the credits whose time is over."""
    lapsing.expire_ended()


@scheduled(
    "warn of credits that lapse, and end those unused for a year", timedelta(hours=1)
)
@shared_task
def lapse_idle() -> None:
    """Warn of credits that will lapse, and expire those unused for a year."""
    lapsing.warn()
    lapsing.lapse_idle()


@scheduled("prove the ledger", crontab(hour="3", minute="20"))
@shared_task
def prove_ledger() -> None:
    """Check every invariant of the ledger and store the result."""
    proofs.prove()


@scheduled("keep subscriptions", timedelta(minutes=1))
@shared_task
def keep_subscriptions() -> None:
    """Grant monthly allowances, and renew and end subscriptions that are due."""
    subscriptions.process_due()


@scheduled("close the statements of months that are over", crontab(minute="40"))
@shared_task
def close_months() -> None:
    """Store the statements of past months."""
    closed_months.close_all()


@scheduled("remove old counts of tokens", timedelta(days=1))
@shared_task
def prune_spending() -> None:
    """Delete the spending of limited tokens in old months."""
    token_limits.prune()


@scheduled("remove what gateways told of buyers long ago", timedelta(days=1))
@shared_task
def prune_inbox() -> None:
    """Remove the bodies of events that were posted long ago."""
    inbox.prune()


@shared_task(name=inbox.work.task)
def post_inbox() -> None:
    """Post what gateways have reported."""
    inbox.work()


@scheduled("ask gateways about orders that are not paid", timedelta(minutes=1))
@shared_task
def look_up_orders() -> None:
    """Ask the gateways about pending orders that they have not reported."""
    orders.look_up_pending()


@scheduled("top up wallets that run low", timedelta(minutes=1))
@shared_task
def top_up() -> None:
    """Buy packs by saved cards, for those who have set that up."""
    top_ups.run()


@shared_task(name=refunds.work.task)
def make_refunds() -> None:
    """Pay back what operators have asked for."""
    refunds.work()


@scheduled("reconcile with the gateways", crontab(hour="2", minute="40"))
@shared_task
def begin_reconciliations() -> None:
    """Queue a comparison with each gateway."""
    with transaction.atomic():
        reconciliation.begin_all()


@shared_task(name=reconciliation.work.task)
def reconcile() -> None:
    """Compare what gateways say was paid with what was granted."""
    reconciliation.work()
