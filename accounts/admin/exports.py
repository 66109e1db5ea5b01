"""Archives of personal data in the admin."""

from django.contrib import admin
from unfold.admin import ModelAdmin

from accounts.models import (
    Export,
)
from kit.back_office import ReadOnly


@admin.register(Export)
class ExportAdmin(ReadOnly, ModelAdmin):
    """Archives of users' data. Only their users can download them, in the pages."""

    list_display = ["user", "workspace", "status", "attempts", "created_at"]
    list_filter = ["status"]
    list_select_related = ["user", "workspace"]
    search_fields = ["user__email", "=user__id"]
    ordering = ["-id"]
    show_full_result_count = False
    fields = [
        "user",
        "workspace",
        "environment",
        "status",
        "attempts",
        "crashes",
        "created_at",
        "finished_at",
    ]
    readonly_fields = fields
