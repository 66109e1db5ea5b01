"""Admin of credit requests that need a second operator's approval."""

from django.contrib import admin

from billing.admin.corrections import (
    ApprovalActions,
)
from billing.admin.wallets import WalletRowAdmin
from billing.models import (
    CreditRequest,
)


@admin.register(CreditRequest)
class CreditRequestAdmin(ApprovalActions, WalletRowAdmin):
    """Requests of operators, with actions to approve and refuse them."""

    list_display = [
        "action",
        "credits",
        "workspace",
        "status",
        "asked_by_email",
        "decided_by_email",
        "created_at",
    ]
    list_filter = ["status", "action", "wallet__environment"]
    exactly = ("ticket", "asked_by_email")
    fields = [*list_display, "bucket", "allow_debt", "reason", "ticket", "decided_at"]
    readonly_fields = fields
    actions_detail = ["approve", "refuse"]
