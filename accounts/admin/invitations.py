"""Invitations in the admin."""

from django.contrib import admin
from unfold.admin import ModelAdmin

from accounts.models import Invitation
from kit.back_office import ReadOnly


@admin.register(Invitation)
class InvitationAdmin(ReadOnly, ModelAdmin):
    list_display = ["email", "workspace", "role", "invited_by", "expires_at"]
    list_filter = ["role"]
    list_select_related = ["workspace", "invited_by"]
    search_fields = ["email", "invited_by__email", "=workspace__id"]
    ordering = ["-id"]
    show_full_result_count = False
    fields = [*list_display, "created_at"]
    readonly_fields = fields
