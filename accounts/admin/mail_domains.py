"""Mail domains in the admin: which of them get sign-up grants."""

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from accounts.models import (
    MailDomain,
)


@admin.register(MailDomain)
class MailDomainAdmin(ModelAdmin):
    """Operators' settings of mail domains, which override the built-in lists."""

    list_display = ["domain", "kind", "note", "created_at"]
    list_filter = ["kind"]
    search_fields = ["domain", "note"]

    def get_readonly_fields(
        self, request: HttpRequest, obj: Model | None = None
    ) -> list[str]:
        """Make the domain read-only after creation: it is the primary key."""
        return ["domain"] if obj else []
