"""API tokens in the admin: list and revoke them."""

from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from accounts import tokens
from accounts.models import (
    ApiToken,
)
from kit.back_office import ReadOnly


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnly, ModelAdmin):
    list_display = [
        "name",
        "beginning_and_end",
        "workspace",
        "created_by",
        "environment",
        "last_used_at",
        "expires_at",
        "revoked_at",
    ]
    list_filter = ["environment", ("revoked_at", admin.EmptyFieldListFilter)]
    list_select_related = ["workspace", "created_by"]
    search_fields = ["name", "=last4", "=prefix", "created_by__email", "=workspace__id"]
    ordering = ["-id"]
    show_full_result_count = False
    fields = [
        "name",
        "beginning_and_end",
        "workspace",
        "created_by",
        "environment",
        "monthly_credit_limit",
        "created_at",
        "last_used_at",
        "expires_at",
        "revoked_at",
    ]
    readonly_fields = fields
    actions = ["revoke"]

    @admin.display(description="Token")
    def beginning_and_end(self, token: ApiToken) -> str:
        """Return the first and last characters, by which a token is recognized."""
        return f"{token.prefix}…{token.last4}"

    @admin.action(description="Revoke", permissions=["operate"])
    def revoke(self, request: HttpRequest, chosen: QuerySet[ApiToken]) -> None:
        """Revoke the chosen tokens at once, permanently."""
        for token in chosen:
            with transaction.atomic():
                tokens.revoke(token)
                self.log_change(request, token, "Revoked.")
        self.message_user(request, f"Revoked. {len(chosen)} in all.")
