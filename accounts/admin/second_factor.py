"""Second factors of operators in the back office."""

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from accounts.login import second_factor
from accounts.models import SecondFactor
from kit.back_office import ReadOnly


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
