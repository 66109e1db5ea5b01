"""Mails about webhooks."""

from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse

from accounts.models import Membership, User
from kit import outbox
from webhooks.models import Endpoint


def notify_disabled(endpoint: Endpoint) -> None:
    """Tell the owners of an endpoint that it was switched off, and what to do.

    Needs the transaction in which that happens.
    """
    owners = User.objects.filter(
        memberships__workspace=endpoint.workspace_id,
        memberships__role=Membership.Role.OWNER,
        is_active=True,
    )
    text = render_to_string(
        "webhooks/disabled.txt",
        {
            "endpoint": endpoint,
            "page": settings.BASE_URL + reverse("webhook-page", args=[endpoint.pk]),
        },
    )
    for address in owners.values_list("email", flat=True):
        outbox.post(address, "Ozvena no longer calls your webhook", text)
