"""What the back office of every app shares."""

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from kit.back_office import ReadOnly
from kit.mail import outbox
from kit.models import Mail


@admin.register(Mail)
class MailAdmin(ReadOnly, ModelAdmin):
    """Mails, sent, waiting or failed; their texts are encrypted, and gone once sent."""

    list_display = ["subject", "to", "status", "attempts", "created_at", "settled_at"]
    list_filter = ["status"]
    search_fields = ["to", "subject"]
    ordering = ["-id"]
    show_full_result_count = False
    fields = [*list_display, "crashes", "ready_at", "send_until"]
    readonly_fields = fields
    actions = ["hasten"]

    @admin.action(description="Try again now", permissions=["operate"])
    def hasten(self, request: HttpRequest, chosen: QuerySet[Mail]) -> None:
        """Send the chosen mails that wait, as after a repair of the mail service."""
        count = 0
        for mail in chosen:
            with transaction.atomic():
                if outbox.hasten(mail.pk):
                    self.log_change(request, mail, "Tried again.")
                    count += 1
        text = f"{count} will be tried now. Those that have ended can't be."
        self.message_user(request, text, messages.SUCCESS)
