"""What the back office of every app shares."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth import get_permission_codename
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from kit import outbox
from kit.models import Mail


class ReadOnly:
    """An admin class that shows rows and has no forms for them; put it first in the bases.

    What its actions do takes the right to change rows: `permissions=["act"]`.
    """

    opts: Any  # of the admin class

    def has_act_permission(self, request: HttpRequest, *args: Any) -> bool:
        """Return whether this operator may do more than look."""
        name = get_permission_codename("change", self.opts)
        has_perm = getattr(request.user, "has_perm", None)
        return bool(has_perm and has_perm(f"{self.opts.app_label}.{name}"))

    def has_add_permission(self, *args: Any) -> bool:
        """Nobody adds rows by hand."""
        return False

    def has_change_permission(self, *args: Any) -> bool:
        """Nobody edits them."""
        return False

    def has_delete_permission(self, *args: Any) -> bool:
        """Nobody deletes them."""
        return False


@admin.register(Mail)
class MailAdmin(ReadOnly, ModelAdmin):
    """Mails that were sent, wait, or failed; their texts are sealed, and gone once sent."""

    list_display = ["subject", "to", "status", "attempts", "created_at", "settled_at"]
    list_filter = ["status"]
    search_fields = ["to", "subject"]
    ordering = ["-id"]
    show_full_result_count = False
    fields = [*list_display, "crashes", "ready_at", "send_until"]
    readonly_fields = fields
    actions = ["hasten"]

    @admin.action(description="Try again now", permissions=["act"])
    def hasten(self, request: HttpRequest, chosen: QuerySet[Mail]) -> None:
        """Send the chosen mails that wait, as after a repair of the mail service."""
        count = 0
        for mail in chosen:
            with transaction.atomic():
                if outbox.hasten(mail.pk):
                    self.log_change(request, mail, "Tried again.")
                    count += 1
        told = f"{count} will be tried now. Those that have ended can't be."
        self.message_user(request, told, messages.SUCCESS)
