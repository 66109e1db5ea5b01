"""Admin of model and voice aliases."""

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from providers.models import (
    ModelAlias,
    VoiceAlias,
)


@admin.register(ModelAlias)
class ModelAliasAdmin(ModelAdmin):
    list_display = ["name", "provider", "model"]
    list_filter = ["provider"]
    search_fields = ["name", "model"]

    def get_readonly_fields(
        self, request: HttpRequest, obj: ModelAlias | None = None
    ) -> list[str]:
        # The name is the primary key: saving another one would add a row.
        return [] if obj is None else ["name"]


@admin.register(VoiceAlias)
class VoiceAliasAdmin(ModelAdmin):
    list_display = ["name", "voice"]
    list_filter = ["voice__provider"]
    list_select_related = ["voice"]
    search_fields = ["name", "voice__id"]
    autocomplete_fields = ["voice"]
