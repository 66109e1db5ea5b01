"""Results of the nightly ledger check."""

from django.db import models
from django.db.models.functions import Now


class LedgerProof(models.Model):
    """The violations of every invariant, counted at one moment of the database."""

    id = models.BigAutoField(primary_key=True)
    created_at = models.DateTimeField(db_default=Now())
    duration_ms = models.PositiveBigIntegerField(help_text="how long it took")
    counts = models.JSONField(help_text="violations by the name of each invariant")
    violations = models.PositiveBigIntegerField(
        help_text="total; 0 if the ledger is correct"
    )

    class Meta:
        indexes = [models.Index(fields=["-created_at"], name="ledger_proof_newest")]

    def __str__(self) -> str:
        outcome = f"{self.violations} violations" if self.violations else "proved"
        return f"{self.created_at:%Y-%m-%d %H:%M} · {outcome}"
