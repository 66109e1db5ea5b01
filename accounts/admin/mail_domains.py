"""Mail domains in the back office: which of them get sign-up credits."""

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from accounts.models import (
    MailDomain,
)


@admin.register(MailDomain)
class MailDomainAdmin(ModelAdmin):
    """Hosts of mail addresses about which operators know better than our lists."""

    list_display = ["domain", "kind", "note", "created_at"]
    list_filter = ["kind"]
    search_fields = ["domain", "note"]

    def get_readonly_fields(
        self, request: HttpRequest, obj: Model | None = None
    ) -> list[str]:
        """Keep the domain: another one is another row."""
        return ["domain"] if obj else []
