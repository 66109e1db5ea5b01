"""The audit log in the admin, read-only."""

from django.contrib import admin
from unfold.admin import ModelAdmin

from accounts.models import (
    AuditEntry,
)
from kit.back_office import ReadOnly


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly, ModelAdmin):
    list_display = ["created_at", "actor_email", "action", "model", "object_name", "ip"]
    list_filter = ["model"]
    search_fields = ["actor_email", "=object_id", "=request_id"]
    ordering = ["-id"]
    show_full_result_count = False
    fields = [
        "created_at",
        "actor_email",
        "actor_id",
        "ip",
        "request_id",
        "action",
        "model",
        "object_id",
        "object_name",
        "before",
        "after",
        "reason",
    ]
    readonly_fields = fields
