"""Proofs of the ledger, and notices to customers, in the back office."""

from django.contrib import admin
from unfold.admin import ModelAdmin

from billing.admin.wallets import OfWallet
from billing.models import (
    LapseNotice,
    LedgerProof,
)
from kit.back_office import ReadOnly


@admin.register(LedgerProof)
class LedgerProofAdmin(ReadOnly, ModelAdmin):
    """Every night's proof of the ledger; what is violated says so."""

    list_display = ["created_at", "is_proved", "violations", "broken", "duration_ms"]
    ordering = ["-created_at"]
    show_full_result_count = False
    fields = [*list_display, "counts"]
    readonly_fields = fields

    @admin.display(description="proved", boolean=True)
    def is_proved(self, proof: LedgerProof) -> bool:
        """Return whether every invariant held."""
        return proof.violations == 0

    @admin.display(description="violated")
    def broken(self, proof: LedgerProof) -> str:
        """Return the names of those that did not hold."""
        return ", ".join(name for name, count in proof.counts.items() if count) or "–"


@admin.register(LapseNotice)
class LapseNoticeAdmin(OfWallet):
    """Who was warned of credits that lapse."""

    list_display = ["workspace", "stage", "credits", "lapses_at", "created_at"]
    list_filter = ["stage", "wallet__environment"]
    fields = list_display
    readonly_fields = fields
