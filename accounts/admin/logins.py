"""Logins, second factors, invitations and sign-up grants in the back office.

They are looked at, and ended; what opens something is shown nowhere.
"""

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from accounts import sessions
from accounts.login import second_factor
from accounts.models import Invitation, LoginSession, SecondFactor, WelcomedPerson
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


@admin.register(Invitation)
class InvitationAdmin(ReadOnly, ModelAdmin):
    """Who was invited where, by whom."""

    list_display = ["email", "workspace", "role", "invited_by", "expires_at"]
    list_filter = ["role"]
    list_select_related = ["workspace", "invited_by"]
    search_fields = ["email", "invited_by__email", "=workspace__id"]
    ordering = ["-id"]
    show_full_result_count = False
    fields = [*list_display, "created_at"]
    readonly_fields = fields


@admin.register(SecondFactor)
class SecondFactorAdmin(ReadOnly, ModelAdmin):
    """Operators' authenticator apps, without their seeds."""

    list_display = ["user", "confirmed_at", "failures", "rests_until", "created_at"]
    list_select_related = ["user"]
    search_fields = ["user__email"]
    ordering = ["-created_at"]
    fields = list_display
    readonly_fields = fields
    actions = ["remove"]

    @admin.action(description="Remove a lost one", permissions=["act"])
    def remove(self, request: HttpRequest, chosen: QuerySet[SecondFactor]) -> None:
        """Let operators who have lost theirs set up another one; not oneself."""
        is_superuser = getattr(request.user, "is_superuser", False)
        for factor in chosen.select_related("user"):
            owner = factor.user
            if owner == request.user:
                told = (
                    "Your own is replaced in the settings, or removed by somebody else."
                )
                self.message_user(request, told, messages.WARNING)
            elif owner.is_superuser and not is_superuser:
                told = f"{owner} is a superuser: superusers alone can do this."
                self.message_user(request, told, messages.WARNING)
            else:
                with transaction.atomic():
                    self.log_deletions(request, SecondFactor.objects.filter(pk=owner))
                    second_factor.remove(owner)
                    second_factor.tell_of_removal(owner)
                self.message_user(request, f"{owner} can set up another one.")


@admin.register(WelcomedPerson)
class WelcomedPersonAdmin(ReadOnly, ModelAdmin):
    """Who was given the sign-up grant, without a name."""

    list_display = ["digest", "created_at"]
    search_fields = ["=digest"]
    ordering = ["-created_at"]
    show_full_result_count = False
    fields = list_display
    readonly_fields = fields
