"""The catalogue in the back office: operators switch and price, adapters describe."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.shortcuts import redirect
from unfold.admin import ModelAdmin
from unfold.decorators import action

from providers import catalogue, ceilings
from providers.models import Provider, Voice
from providers.registry import MANY, PROVIDERS, has_adapter


class _FromAdapters:
    """Rows that only a sync adds, and that are kept for the jobs that name them."""

    def has_add_permission(self, *args: Any) -> bool:
        """Nobody adds rows by hand."""
        return False

    def has_delete_permission(self, *args: Any) -> bool:
        """Nobody deletes them; they can be switched off."""
        return False


class ProviderForm(forms.ModelForm):  # type: ignore[type-arg] # at run time it has none
    """A provider; what is added by hand is a server that speaks as OpenAI's does."""

    class Meta:
        model = Provider
        fields = "__all__"  # noqa: DJ007 - the admin decides which

    def clean_slug(self) -> str:
        """Refuse what no adapter would serve."""
        slug = str(self.cleaned_data["slug"])
        if not slug.startswith(MANY) or slug != slug.lower():
            raise forms.ValidationError(f"In lower case, and it begins with {MANY}")
        return slug


@admin.register(Provider)
class ProviderAdmin(_FromAdapters, ModelAdmin):
    """Prices, limits and who may use a provider: effective at once."""

    form = ProviderForm

    list_display = [
        "name",
        "is_enabled",
        "cost_multiplier",
        "is_open_to_guests",
        "max_concurrent",
        "daily_ceiling",
        "spent_today",
        "is_available",
        "voices_on_offer",
        "updated_at",
    ]
    list_editable = [
        "is_enabled",
        "cost_multiplier",
        "is_open_to_guests",
        "max_concurrent",
        "daily_ceiling",
    ]
    readonly_fields = ["is_available", "updated_at"]
    search_fields = ["slug", "name"]
    actions_list = ["sync_catalogue"]

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        """Let operators add servers of their own."""
        return bool(ModelAdmin.has_add_permission(self, request))

    def get_readonly_fields(
        self, request: HttpRequest, obj: Provider | None = None
    ) -> list[str]:
        """Keep the slug of what is there, and the names that adapters give."""
        fixed = [] if obj is None else ["slug"]
        if obj is not None and obj.slug in PROVIDERS:
            fixed.append("name")
        return [*fixed, *self.readonly_fields]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Provider]:
        """Count the voices on offer along."""
        queryset: QuerySet[Provider] = super().get_queryset(request)
        is_chosen = Q(voices__is_enabled=True, voices__is_offered=True)
        return queryset.annotate(voice_count=Count("voices", filter=is_chosen))

    @admin.display(description="can be called", boolean=True)
    def is_available(self, provider: Provider) -> bool:
        """Tell whether its key or address is set here."""
        return has_adapter(provider.slug) and catalogue.is_available(provider)

    @admin.display(description="spent today")
    def spent_today(self, provider: Provider) -> int:
        """Tell the credits' worth of calls with our key today (UTC)."""
        return ceilings.spent_today(provider.slug)

    @admin.display(description="voices", ordering="voice_count")
    def voices_on_offer(self, provider: Provider) -> int:
        """Tell how many of its voices can be chosen."""
        return int(getattr(provider, "voice_count", 0))

    @action(description="Sync catalogue", permissions=["change"])
    def sync_catalogue(self, request: HttpRequest) -> HttpResponseRedirect:
        """Ask every provider for its voices now."""
        changes = catalogue.sync()
        self.message_user(request, f"Voices: {changes}.", messages.SUCCESS)
        for slug, reason in changes.failed.items():
            self.message_user(
                request, f"{slug} can't list its voices: {reason}", messages.WARNING
            )
        return redirect("admin:providers_provider_changelist")


@admin.register(Voice)
class VoiceAdmin(_FromAdapters, ModelAdmin):
    """Voices, to be found and switched off or on."""

    list_display = ["id", "name", "language", "gender", "is_enabled", "is_offered"]
    list_editable = ["is_enabled"]
    list_filter = ["provider", "is_enabled", "is_offered", "gender", "language"]
    search_fields = ["id", "name", "language"]
    list_per_page = 50
    fields = [
        "id",
        "provider",
        "provider_voice",
        "name",
        "language",
        "gender",
        "description",
        "is_enabled",
        "is_offered",
        "created_at",
    ]
    readonly_fields = [name for name in fields if name != "is_enabled"]
    actions = ["switch_on", "switch_off"]

    @admin.action(description="Switch on", permissions=["change"])
    def switch_on(self, request: HttpRequest, voices: QuerySet[Voice]) -> None:
        """Let customers choose the selected voices."""
        count = voices.update(is_enabled=True)
        self.message_user(request, f"{count} voices can be chosen.", messages.SUCCESS)

    @admin.action(description="Switch off", permissions=["change"])
    def switch_off(self, request: HttpRequest, voices: QuerySet[Voice]) -> None:
        """Hide the selected voices from customers."""
        count = voices.update(is_enabled=False)
        self.message_user(request, f"{count} voices are hidden.", messages.SUCCESS)
