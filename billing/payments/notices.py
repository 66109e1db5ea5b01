"""Mails about payments, to the owners of the workspace; and the end of a top-up."""

from typing import Any

from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse

from accounts.people.workspaces import owner_addresses
from billing.models import Order, Subscription, TopUp
from kit import quotas
from kit.db.transactions import needs_transaction
from kit.mail import outbox


@needs_transaction
def renewal_failed(subscription: Subscription, pay_url: str) -> None:
    """Tell that a renewal could not be charged, and where to mend it; once a day."""
    name, subject = "mails of a failed renewal", str(subscription.pk)
    if not quotas.take(name, subject, limit=1, period=quotas.today()):
        return
    _mail(
        subscription.workspace_id,
        f"Your plan {subscription.plan.name} could not be renewed",
        "renewal_failed",
        subscription=subscription,
        page=pay_url or _page("portal"),
    )


@needs_transaction
def topped_up(order: Order) -> None:
    """Tell that a pack was bought automatically."""
    _mail(
        order.workspace_id,
        f"{order.product.name} were bought automatically",
        "topped_up",
        order=order,
        page=_page("order-page", order.pk),
        settings_page=_page("credits-page"),
    )


@needs_transaction
def switch_off_top_up(workspace_id: Any, reason: str) -> bool:
    """Switch an automatic top-up off, and tell why; return whether it was on."""
    rows = TopUp.objects.filter(workspace=workspace_id, is_enabled=True)
    if not rows.update(is_enabled=False, error=reason[:200]):
        return False
    _mail(
        workspace_id,
        "Your automatic top-up is off",
        "top_up_off",
        reason=reason,
        page=_page("credits-page"),
    )
    return True


def _mail(workspace_id: Any, subject: str, template: str, **context: Any) -> None:
    text = render_to_string(f"billing/mail/{template}.txt", context)
    for address in owner_addresses(workspace_id):
        outbox.post(address, subject, text)


def _page(name: str, *args: Any) -> str:
    return settings.BASE_URL + reverse(name, args=args)
