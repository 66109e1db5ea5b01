"""What customers were told of credits that will end."""

from datetime import datetime
from typing import TypeAlias

from django.db import models
from django.db.models.functions import Now

from billing.models.ledger import Wallet


class LapseNoticeQuerySet(models.QuerySet["LapseNotice"]):
    """Warnings."""

    def of_idleness(self, wallet: int, lapses_at: datetime) -> "LapseNoticeQuerySet":
        """Return those of credits of a wallet that nobody uses until then."""
        return self.filter(wallet=wallet, lapses_at=lapses_at).exclude(
            stage=LapseNotice.Stage.ENDS
        )


class LapseStage(models.TextChoices):
    """How long before the end a warning is given."""

    ENDS = "ends", "a week before their time is over"
    IDLE_335 = "idle_335", "335 days without activity"
    IDLE_358 = "idle_358", "358 days without activity"


class LapseNotice(models.Model):
    """One warning that credits of a wallet end at `lapses_at`, unless they are used.

    Idle credits end later if the warning itself was late: `ledger.NOTICE` after it.
    Written with the event and the mail that it is about, so each goes out once.
    """

    Stage: TypeAlias = LapseStage

    id = models.BigAutoField(primary_key=True)
    wallet = models.ForeignKey(
        Wallet, models.PROTECT, related_name="lapse_notices", db_index=False
    )
    stage = models.CharField(max_length=10, choices=Stage.choices)
    lapses_at = models.DateTimeField()
    credits = models.BigIntegerField(help_text="that would lapse, as of then")
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
