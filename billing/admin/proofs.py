"""Admin of ledger checks, and of warnings to customers."""

from django.contrib import admin
from unfold.admin import ModelAdmin

from billing.admin.wallets import WalletRowAdmin
from billing.models import (
    LapseNotice,
    LedgerProof,
)
from kit.back_office import ReadOnly


@admin.register(LedgerProof)
class LedgerProofAdmin(ReadOnly, ModelAdmin):
    """Results of the nightly check of the ledger."""

    list_display = ["created_at", "is_proved", "violations", "broken", "duration_ms"]
    ordering = ["-created_at"]
    show_full_result_count = False
    fields = [*list_display, "counts"]
    readonly_fields = fields

    @admin.display(description="proved", boolean=True)
    def is_proved(self, proof: LedgerProof) -> bool:
        return proof.violations == 0

    @admin.display(description="violated")
    def broken(self, proof: LedgerProof) -> str:
        """Return the names of the violated invariants."""
        return ", ".join(name for name, count in proof.counts.items() if count) or "–"


@admin.register(LapseNotice)
class LapseNoticeAdmin(WalletRowAdmin):
    """Warnings about credits that will lapse."""

    list_display = ["workspace", "stage", "credits", "lapses_at", "created_at"]
    list_filter = ["stage", "wallet__environment"]
    fields = list_display
    readonly_fields = fields
