"""The admin page of mails."""

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
    """Mails: queued, sent or failed. A text is encrypted, and removed once sent."""

    list_display = ["subject", "to", "status", "attempts", "created_at", "settled_at"]
    list_filter = ["status"]
    search_fields = ["to", "subject"]
    ordering = ["-id"]
    show_full_result_count = False
    fields = [*list_display, "crashes", "ready_at", "send_until"]
    readonly_fields = fields
    actions = ["retry_now"]

    @admin.action(description="Try again now", permissions=["operate"])
    def retry_now(self, request: HttpRequest, chosen: QuerySet[Mail]) -> None:
        """Send the chosen queued mails now, for example after an outage is over."""
        count = 0
        for mail in chosen:
            with transaction.atomic():
                if outbox.send_now(mail.pk):
                    self.log_change(request, mail, "Tried again.")
                    count += 1
        text = f"{count} will be sent now. Sent, failed and canceled mails are not."
        self.message_user(request, text, messages.SUCCESS)
