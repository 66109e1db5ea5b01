"""Operators' second factors in the admin, without their secrets."""

from datetime import datetime

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from accounts.login import second_factor
from accounts.models import User
from accounts.models.second_factor import Authenticator
from kit.back_office import ReadOnly


@admin.register(Authenticator)
class AuthenticatorAdmin(ReadOnly, ModelAdmin):
    """Operators' authenticator apps, without their seeds."""

    list_display = ["user", "confirmed", "last_used_at", "wrong_codes", "locked_until"]
    list_filter = ["confirmed"]
    list_select_related = ["user"]
    search_fields = ["user__email"]
    ordering = ["-id"]
    fields = [*list_display, "created_at"]
    readonly_fields = fields
    actions = ["remove"]

    @admin.display(description="Wrong codes", ordering="throttling_failure_count")
    def wrong_codes(self, app: Authenticator) -> int:
        """Return the number of consecutive wrong codes."""
        return app.throttling_failure_count

    @admin.display(description="Locked until")
    def locked_until(self, app: Authenticator) -> datetime | None:
        """Return until when codes are refused after wrong ones; None if they are not."""
        _, why = app.verify_is_allowed()
        return why["locked_until"] if why else None

    @admin.action(description="Remove the second factor", permissions=["operate"])
    def remove(self, request: HttpRequest, chosen: QuerySet[Authenticator]) -> None:
        """Remove the second factors of operators who lost them; not one's own."""
        is_superuser = getattr(request.user, "is_superuser", False)
        for owner in User.objects.filter(pk__in=chosen.values("user")):
            if owner == request.user:
                why = (
                    "Replace your own in the settings. Another operator can remove it."
                )
                self.message_user(request, why, messages.WARNING)
            elif owner.is_superuser and not is_superuser:
                why = f"{owner} is a superuser. Only superusers can do this."
                self.message_user(request, why, messages.WARNING)
            else:
                with transaction.atomic():
                    theirs = Authenticator.objects.filter(user=owner)
                    self.log_deletions(request, theirs)
                    second_factor.remove(owner)
                    second_factor.notify_removal(owner)
                hint = "A superuser makes the link for a new one, under Users."
                self.message_user(request, f"{owner} has none any more. {hint}")
