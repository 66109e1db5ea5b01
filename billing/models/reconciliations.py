"""Reconciliations: what a gateway says was paid, compared with what we granted."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from billing.models.ledger import ENVIRONMENTS
from kit.ids import new_id
from kit.models import Claimable


class Reconciliation(Claimable):
    """One comparison with one gateway: see `billing.payments.reconciliation`."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    gateway = models.CharField(max_length=20)
    environment = models.CharField(max_length=10, choices=ENVIRONMENTS)
    since = models.DateTimeField()
    until = models.DateTimeField()
    payments = models.PositiveIntegerField(default=0, help_text="that were compared")
    recovered = models.PositiveIntegerField(
        default=0, help_text="events that had not arrived, and are posted now"
    )
    differences = models.JSONField(default=list)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now())
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["ready_at"],
                condition=Q(status="queued"),
                name="reconciliation_waiting",
            ),
            models.Index(
                fields=["lease_until"],
                condition=Q(status="processing"),
                name="reconciliation_under_way",
            ),
        ]

    def __str__(self) -> str:
        outcome = f"{len(self.differences)} differences" if self.differences else ""
        return f"{self.gateway}, {self.created_at:%Y-%m-%d} · {outcome or self.status}"
