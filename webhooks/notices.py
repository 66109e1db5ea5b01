"""Mails about webhooks."""

import logging
import uuid
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import send_mail
from django.template.loader import render_to_string
from django.urls import reverse

from accounts.models import Membership, User
from webhooks.models import Endpoint

logger = logging.getLogger(__name__)


def notify_disabled(endpoint_id: uuid.UUID) -> None:
    """Tell the owners of an endpoint that it was switched off, and what to do."""
    endpoint = Endpoint.objects.select_related("workspace").get(pk=endpoint_id)
    owners = User.objects.filter(
        memberships__workspace=endpoint.workspace,
        memberships__role=Membership.Role.OWNER,
        is_active=True,
    )
    addresses = list(owners.values_list("email", flat=True))
    text = render_to_string(
        "webhooks/disabled.txt",
        {
            "endpoint": endpoint,
            "page": settings.BASE_URL + reverse("webhook-page", args=[endpoint.pk]),
        },
    )
    for address in addresses:
        try:
            send_mail(
                "Ozvena no longer calls your webhook",
                text,
                settings.DEFAULT_FROM_EMAIL,
                [address],
            )
        except (SMTPException, OSError):
            # The pages say it too; a mail server that is down stops no deliveries.
            logger.exception("no mail about endpoint %s", endpoint_id)
