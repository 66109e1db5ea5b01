"""Mails to owners about their webhooks."""

from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse

from accounts.people.workspaces import owner_addresses
from kit.db.transactions import needs_transaction
from kit.mail import outbox
from webhooks.models import Endpoint


@needs_transaction
def notify_disabled(endpoint: Endpoint) -> None:
    """Mail the owners of an endpoint that it was disabled, and what to do."""
    text = render_to_string(
        "webhooks/disabled.txt",
        {
            "endpoint": endpoint,
            "page": settings.BASE_URL + reverse("webhook-page", args=[endpoint.pk]),
        },
    )
    for address in owner_addresses(endpoint.workspace_id):
        outbox.post(address, "Ozvena no longer calls your webhook", text)
