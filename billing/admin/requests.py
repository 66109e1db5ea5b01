"""Requests for a second operator's approval in the back office."""

from django.contrib import admin

from billing.admin.corrections import (
    Decides,
)
from billing.admin.wallets import OfWallet
from billing.models import (
    CreditRequest,
)


@admin.register(CreditRequest)
class CreditRequestAdmin(Decides, OfWallet):
    """What operators asked for and a second one decides."""

    list_display = [
        "act",
        "credits",
        "workspace",
        "status",
        "asked_by_email",
        "decided_by_email",
        "created_at",
    ]
    list_filter = ["status", "act", "wallet__environment"]
    exactly = ("ticket", "asked_by_email")
    fields = [*list_display, "bucket", "allow_debt", "reason", "ticket", "decided_at"]
    readonly_fields = fields
    actions_detail = ["approve", "refuse"]
