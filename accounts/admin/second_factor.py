"""Second factors of operators in the back office, without their secrets."""

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

    @admin.action(description="Remove a lost one", permissions=["operate"])
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
