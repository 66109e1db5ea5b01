"""The inbox: what payment gateways have reported, as they sent it."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from billing.models.ledger import ENVIRONMENTS
from kit.ids import new_id
from kit.models import Claimable


class InboxEvent(Claimable):
    """A verified callback of a gateway, which a worker posts to the ledger.

    See `billing.payments.inbox`. A `failed` one stays until an operator retries it.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    gateway = models.CharField(max_length=20)
    environment = models.CharField(
        max_length=10,
        choices=ENVIRONMENTS,
        blank=True,
        help_text="empty: unknown, so it is kept but not posted",
    )
    event_id = models.CharField(max_length=255)
    type = models.CharField(max_length=100)
    body = models.TextField(help_text="as it was sent, without secrets")
    waits_for = models.CharField(
        max_length=200,
        blank=True,
        help_text="the payment or the subscription that has to be reported first",
    )
    result = models.TextField(blank=True, help_text="what was posted")
    error = models.TextField(blank=True, help_text="why the last try failed")
    received_at = models.DateTimeField(db_default=Now())
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["gateway", "environment", "event_id"], name="inbox_event_once"
            ),
            models.CheckConstraint(
                condition=~Q(event_id=""), name="inbox_event_is_named"
            ),
        ]
        indexes = [
            models.Index(
                fields=["ready_at"], condition=Q(status="queued"), name="inbox_waiting"
            ),
            models.Index(
                fields=["lease_until"],
                condition=Q(status="processing"),
                name="inbox_under_way",
            ),
            models.Index(
                fields=["waits_for"],
                condition=~Q(waits_for=""),
                name="inbox_waits_for",
            ),
            models.Index(fields=["-received_at"], name="inbox_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.gateway} {self.type}"
