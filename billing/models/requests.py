"""Requests of operators to change credits that need the approval of a second operator."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from billing.models.ledger import Lot, Wallet
from billing.models.postings import LONGEST_REASON, LONGEST_TICKET
from kit.ids import new_id


class CreditRequest(models.Model):
    """A grant or an adjustment that waits for a second operator, or was decided by one.

    Operators are stored without foreign keys: the row is kept when they are deleted.
    """

    class Action(models.TextChoices):
        GRANT = "grant"
        ADJUST = "adjust"

    class Status(models.TextChoices):
        PENDING = "pending"
        APPROVED = "approved"
        REFUSED = "refused"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    wallet = models.ForeignKey(Wallet, models.PROTECT, related_name="requests")
    action = models.CharField(max_length=10, choices=Action.choices)
    credits = models.BigIntegerField(help_text="below 0: take credits away")
    bucket = models.CharField(
        max_length=10,
        choices=Lot.Kind.choices,
        blank=True,
        help_text="only for a grant",
    )
    allow_debt = models.BooleanField(default=False)
    reason = models.CharField(max_length=LONGEST_REASON)
    ticket = models.CharField(max_length=LONGEST_TICKET)
    status = models.CharField(
        max_length=10, choices=Status.choices, default=Status.PENDING
    )
    asked_by = models.UUIDField(help_text="user ID of the operator")
    asked_by_email = models.CharField(max_length=254)
    decided_by = models.UUIDField(
        null=True, blank=True, help_text="user ID of another operator"
    )
    decided_by_email = models.CharField(max_length=254, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(action="grant", credits__gt=0, bucket__in=["pack", "promo"])
                | (Q(action="adjust", bucket="") & ~Q(credits=0)),
                name="credit_request_of_an_action",
            ),
            models.CheckConstraint(
                condition=~Q(reason="") & ~Q(ticket=""),
                name="credit_request_explained",
            ),
            # The operator who asks may not decide.
            models.CheckConstraint(
                condition=Q(
                    status="pending", decided_by__isnull=True, decided_at__isnull=True
                )
                | (
                    Q(
                        status__in=["approved", "refused"],
                        decided_by__isnull=False,
                        decided_at__isnull=False,
                    )
                    & ~Q(decided_by=F("asked_by"))
                ),
                name="credit_request_decided_by_another",
            ),
        ]

    def __str__(self) -> str:
        what = "Grant" if self.action == self.Action.GRANT else "Adjust by"
        return f"{what} {self.credits}"

    @property
    def key(self) -> str:
        """Idempotency key of the posting in the ledger."""
        return f"{self.action}:{self.pk}"
