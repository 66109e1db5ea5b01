"""Stored statements of past months, so that pages don't compute them again."""

from django.db import models
from django.db.models.functions import Now

from billing.models.ledger import Wallet


class ClosedMonth(models.Model):
    """Statement of a wallet for a past month (UTC). A month without activity has no row.

    Computed from the ledger, purchases and usage, which no longer change.
    """

    id = models.BigAutoField(primary_key=True)
    wallet = models.ForeignKey(
        Wallet, models.PROTECT, related_name="closed_months", db_index=False
    )
    month = models.DateField(help_text="its first day")
    opening_balance = models.BigIntegerField()
    closing_balance = models.BigIntegerField()
    lines = models.JSONField(help_text="day, text and credits of each")
    paid = models.JSONField(help_text="day, name, minor units and currency of each")
    scenes = models.PositiveBigIntegerField()
    characters = models.PositiveBigIntegerField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["wallet", "month"], name="closed_month_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.wallet_id} · {self.month:%Y-%m}"


class MonthEndRun(models.Model):
    """Progress of the scheduled task that stores a month's statements of all wallets."""

    id = models.BigAutoField(primary_key=True)
    month = models.DateField(unique=True, help_text="its first day")
    last_wallet = models.BigIntegerField(
        default=0, help_text="wallets up to this ID are done"
    )
    is_done = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}"
