"""Workspaces and their members in the admin."""

from typing import Any

from django.contrib import admin
from django.template.defaultfilters import filesizeformat

from accounts.admin.blocking import BlockingAdmin
from accounts.admin.users import MembershipInline
from accounts.models import (
    Workspace,
)
from accounts.people.storage import storage_of


@admin.register(Workspace)
class WorkspaceAdmin(BlockingAdmin):
    """Workspaces. Billing sets the tier by the subscription."""

    list_display = [
        "name",
        "id",
        "kind",
        "tier",
        "is_blocked",
        "closed_at",
        "created_at",
    ]
    list_filter = [
        "kind",
        "tier",
        "is_blocked",
        ("closed_at", admin.EmptyFieldListFilter),
    ]
    search_fields = ["name", "=id", "members__email"]
    ordering = ["-id"]
    show_full_result_count = False
    fields = [
        "name",
        "id",
        "kind",
        "tier",
        "is_blocked",
        "stored",
        "closed_at",
        "purged_at",
        "created_at",
    ]
    readonly_fields = fields[1:]
    inlines = [MembershipInline]

    @admin.display(description="files")
    def stored(self, workspace: Workspace) -> str:
        """Return how much the workspace stores, and how much it may."""
        storage = storage_of(workspace)
        return f"{filesizeformat(storage.used)} of {filesizeformat(storage.limit)}"

    def has_add_permission(self, *args: Any) -> bool:
        """Return False: sign-ups and users create workspaces."""
        return False

    def has_delete_permission(self, *args: Any) -> bool:
        """Return False: only the purge deletes workspaces' data."""
        return False
