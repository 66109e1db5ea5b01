"""Logins in the admin: list and end them. Session keys are never shown."""

from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from accounts import sessions
from accounts.models import LoginSession
from kit.back_office import ReadOnly


@admin.register(LoginSession)
class LoginSessionAdmin(ReadOnly, ModelAdmin):
    list_display = ["user", "ip", "method", "started_at", "last_seen_at", "ended_at"]
    list_filter = ["method", ("ended_at", admin.EmptyFieldListFilter)]
    list_select_related = ["user"]
    search_fields = ["user__email", "=user__id", "=ip"]
    ordering = ["-id"]
    show_full_result_count = False
    fields = [*list_display[:2], "user_agent", *list_display[2:]]
    readonly_fields = fields
    actions = ["end"]

    @admin.action(description="Log out", permissions=["operate"])
    def end(self, request: HttpRequest, chosen: QuerySet[LoginSession]) -> None:
        """End the chosen logins at once."""
        for row in chosen:
            with transaction.atomic():
                sessions.end(row)
                self.log_change(request, row, "Logged out.")
        self.message_user(request, f"Logged out. {len(chosen)} in all.")
