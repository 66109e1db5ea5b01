"""Logins in the back office: shown and ended. The session key is shown nowhere."""

from datetime import datetime

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from accounts import sessions
from accounts.login import second_factor
from accounts.models import LoginSession, User
from accounts.models.second_factor import Authenticator
from kit.back_office import ReadOnly


@admin.register(LoginSession)
class LoginSessionAdmin(ReadOnly, ModelAdmin):
    """Who is logged in, and was."""

    list_display = ["user", "ip", "method", "started_at", "last_seen_at", "ended_at"]
    list_filter = ["method", ("ended_at", admin.EmptyFieldListFilter)]
    list_select_related = ["user"]
    search_fields = ["user__email", "=user__id", "=ip"]
    ordering = ["-id"]
    show_full_result_count = False
    fields = [*list_display[:2], "user_agent", *list_display[2:]]
    readonly_fields = fields
    actions = ["end"]

    @admin.action(description="Log out", permissions=["act"])
    def end(self, request: HttpRequest, chosen: QuerySet[LoginSession]) -> None:
        """Log the chosen browsers out, at once."""
        for row in chosen:
            with transaction.atomic():
                sessions.end(row)
                self.log_change(request, row, "Logged out.")
        self.message_user(request, f"Logged out. {len(chosen)} in all.")


@admin.register(Authenticator)
class AuthenticatorAdmin(ReadOnly, ModelAdmin):
    """Operators' authenticator apps, without their seeds."""

    list_display = ["user", "confirmed", "last_used_at", "wrong_codes", "waits_until"]
    list_filter = ["confirmed"]
    list_select_related = ["user"]
    search_fields = ["user__email"]
    ordering = ["-id"]
    fields = [*list_display, "created_at"]
    readonly_fields = fields
    actions = ["remove"]

    @admin.display(description="Wrong codes", ordering="throttling_failure_count")
    def wrong_codes(self, app: Authenticator) -> int:
        """Return how many wrong codes came in a row."""
        return app.throttling_failure_count

    @admin.display(description="Waits until")
    def waits_until(self, app: Authenticator) -> datetime | None:
        """Return until when no code is looked at, after wrong ones."""
        _, why = app.verify_is_allowed()
        return why["locked_until"] if why else None

    @admin.action(description="Remove a lost one", permissions=["act"])
    def remove(self, request: HttpRequest, chosen: QuerySet[Authenticator]) -> None:
        """Let operators who have lost theirs set up another one; not oneself."""
        is_superuser = getattr(request.user, "is_superuser", False)
        for owner in User.objects.filter(pk__in=chosen.values("user")):
            if owner == request.user:
                why = (
                    "Your own is replaced in the settings, or removed by someone else."
                )
                self.message_user(request, why, messages.WARNING)
            elif owner.is_superuser and not is_superuser:
                why = f"{owner} is a superuser: superusers alone can do this."
                self.message_user(request, why, messages.WARNING)
            else:
                with transaction.atomic():
                    theirs = Authenticator.objects.filter(user=owner)
                    self.log_deletions(request, theirs)
                    second_factor.remove(owner)
                    second_factor.tell_of_removal(owner)
                self.message_user(request, f"{owner} can set up another one.")
