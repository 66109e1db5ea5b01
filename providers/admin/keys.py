"""Admin of workspaces' own provider keys: list and delete."""

from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from accounts.models import User
from kit.back_office import ReadOnly
from providers.keys import saving
from providers.models import (
    ProviderKey,
)


@admin.register(ProviderKey)
class ProviderKeyAdmin(ReadOnly, ModelAdmin):
    """Workspaces' own keys; only the last four characters are shown."""

    list_display = [
        "provider",
        "masked",
        "workspace",
        "region",
        "status",
        "failure",
        "checked_at",
        "created_by",
    ]
    list_filter = ["provider", "status", "failure"]
    list_select_related = ["provider", "workspace", "created_by"]
    search_fields = ["workspace__name", "=workspace__id", "workspace__members__email"]
    show_full_result_count = False
    ordering = ["-id"]
    fields = [
        "provider",
        "masked",
        "workspace",
        "region",
        "status",
        "checked_at",
        "failure",
        "failed_at",
        "created_by",
        "created_at",
    ]
    readonly_fields = fields
    actions = ["erase"]

    @admin.display(description="key", ordering="last4")
    def masked(self, row: ProviderKey) -> str:
        return f"…{row.last4}"

    def has_erase_permission(self, request: HttpRequest, *args: Any) -> bool:
        """Return whether this operator may delete keys."""
        user = request.user
        return isinstance(user, User) and user.has_perm("providers.delete_providerkey")

    @admin.action(description="Delete", permissions=["erase"])
    def erase(self, request: HttpRequest, chosen: QuerySet[ProviderKey]) -> None:
        """Delete the chosen keys. Scenes that wait for them fail and cost nothing."""
        for row in chosen:
            with transaction.atomic(durable=True):
                self.log_deletions(request, ProviderKey.objects.filter(pk=row.pk))
                saving.delete(row)
            self.message_user(request, f"The key {row} was deleted.", messages.SUCCESS)
