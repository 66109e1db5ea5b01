"""Warnings that were sent to customers about credits that will lapse."""

from datetime import datetime
from typing import TypeAlias

from django.db import models
from django.db.models.functions import Now

from billing.models.ledger import Wallet


class LapseNoticeQuerySet(models.QuerySet["LapseNotice"]):
    """Warnings about credits that will lapse."""

    def of_idleness(self, wallet: int, lapses_at: datetime) -> "LapseNoticeQuerySet":
        """Return the warnings that a wallet's unused credits lapse at `lapses_at`."""
        return self.filter(wallet=wallet, lapses_at=lapses_at).exclude(
            stage=LapseNotice.Stage.ENDS
        )


class LapseStage(models.TextChoices):
    """When a warning is sent."""

    ENDS = "ends", "a week before they expire"
    IDLE_335 = "idle_335", "335 days without activity"
    IDLE_358 = "idle_358", "358 days without activity"


class LapseNotice(models.Model):
    """One warning that credits of a wallet lapse at `lapses_at`, unless they are used.

    If the warning was late, idle credits lapse later: `ledger.NOTICE` after it. The row is
    written in one transaction with its event and mail, so each is sent once.
    """

    Stage: TypeAlias = LapseStage

    id = models.BigAutoField(primary_key=True)
    wallet = models.ForeignKey(
        Wallet, models.PROTECT, related_name="lapse_notices", db_index=False
    )
    stage = models.CharField(max_length=10, choices=Stage.choices)
    lapses_at = models.DateTimeField()
    credits = models.BigIntegerField(
        help_text="credits that would lapse, when the notice was sent"
    )
    created_at = models.DateTimeField(db_default=Now())

    objects = LapseNoticeQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["wallet", "stage", "lapses_at"], name="lapse_notice_once"
            ),
            models.CheckConstraint(
                condition=models.Q(stage__in=LapseStage.values),
                name="lapse_notice_stage_known",
            ),
            models.CheckConstraint(
                condition=models.Q(credits__gt=0), name="lapse_notice_of_something"
            ),
        ]
        indexes = [models.Index(fields=["lapses_at"], name="lapse_notice_age")]

    def __str__(self) -> str:
        return f"{self.wallet_id} · {self.stage} · {self.lapses_at:%Y-%m-%d}"
