"""Providers in the back office: operators switch and price them, adapters describe."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from unfold.admin import ModelAdmin
from unfold.decorators import action

from accounts.audit import log
from accounts.audit.mixin import ReasonForm
from providers.catalogue import access, sync
from providers.catalogue.regions import region_choices
from providers.contract.base import ProviderError
from providers.contract.registry import (
    ADAPTERS,
    COMPATIBLE_PREFIX,
    get_adapter,
    has_adapter,
    is_operator_server,
)
from providers.limits import ceilings
from providers.models import (
    Provider,
    Voice,
)

DESCRIPTION = ["name", "language", "gender", "description"]


class FromAdapters:
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

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Offer the regions that the provider has."""
        super().__init__(*args, **kwargs)
        slug = self.instance.pk
        if "region" in self.fields:
            regions = region_choices(slug) if slug and has_adapter(slug) else []
            choices = [("", "the usual one"), *regions]
            self.fields["region"] = forms.ChoiceField(choices=choices, required=False)

    def clean_slug(self) -> str:
        """Refuse what no adapter would serve."""
        slug = str(self.cleaned_data["slug"])
        if not slug.startswith(COMPATIBLE_PREFIX) or slug != slug.lower():
            raise forms.ValidationError(
                f"In lower case, and it begins with {COMPATIBLE_PREFIX}"
            )
        return slug

    def clean_default_voice(self) -> Voice | None:
        """Refuse a voice of another provider."""
        voice: Voice | None = self.cleaned_data["default_voice"]
        if voice is not None and voice.provider_id != self.instance.pk:
            raise forms.ValidationError("It is of another provider.")
        return voice


@admin.register(Provider)
class ProviderAdmin(FromAdapters, ModelAdmin):
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
    autocomplete_fields = ["default_voice"]
    actions = ["check_now"]
    actions_list = ["sync_catalogue"]

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        """Let operators add servers of their own."""
        return bool(ModelAdmin.has_add_permission(self, request))

    def get_readonly_fields(
        self, request: HttpRequest, obj: Provider | None = None
    ) -> list[str]:
        """Keep the slug of what is there, and the names that adapters give."""
        fixed = [] if obj is None else ["slug"]
        if obj is not None and obj.slug in ADAPTERS:
            fixed.append("name")
        return [*fixed, *self.readonly_fields]

    def get_exclude(
        self, request: HttpRequest, obj: Provider | None = None
    ) -> list[str]:
        """Ask for what is of compatible servers alone only there."""
        is_compatible = obj is None or is_operator_server(obj.slug)
        return [] if is_compatible else ["model", "has_captions"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Provider]:
        """Count the voices on offer along."""
        queryset: QuerySet[Provider] = super().get_queryset(request)
        is_chosen = Q(voices__is_enabled=True, voices__is_offered=True)
        return queryset.annotate(voice_count=Count("voices", filter=is_chosen))

    @admin.display(description="can be called", boolean=True)
    def is_available(self, provider: Provider) -> bool:
        """Tell whether its key or address is set here."""
        return has_adapter(provider.slug) and access.is_available(provider)

    @admin.display(description="spent today")
    def spent_today(self, provider: Provider) -> int:
        """Tell the credits' worth of calls with our key today (UTC)."""
        return ceilings.spent_today(provider.slug)

    @admin.display(description="voices", ordering="voice_count")
    def voices_on_offer(self, provider: Provider) -> int:
        """Tell how many of its voices can be chosen."""
        return int(getattr(provider, "voice_count", 0))

    @admin.action(description="Check key and address now", permissions=["change"])
    def check_now(self, request: HttpRequest, providers: QuerySet[Provider]) -> None:
        """Ask the chosen providers whether they take our keys."""
        for provider in providers:
            if not (has_adapter(provider.slug) and access.is_available(provider)):
                self.message_user(
                    request, f"{provider}: no key, or no address.", messages.WARNING
                )
                continue
            try:
                status = get_adapter(provider.slug).check(access.access_for(provider))
            except ProviderError as error:
                self.message_user(request, f"{provider}: {error}.", messages.ERROR)
            else:
                self.message_user(request, f"{provider}: {status}.", messages.SUCCESS)
            with transaction.atomic():
                self.log_change(request, provider, "Checked.")

    @action(description="Sync catalogue", permissions=["change"])
    def sync_catalogue(self, request: HttpRequest) -> HttpResponse:
        """Ask why, and then every provider for its voices."""
        form = ReasonForm(request.POST or None)
        if not form.is_valid():
            context = {
                **self.admin_site.each_context(request),
                "title": "Sync catalogue",
                "opts": self.opts,
                "about": "Every provider is asked for its voices now.",
                "form": form,
            }
            return TemplateResponse(request, "admin/action.html", context)
        changes = sync.sync()
        log.record(
            "synced the catalogue",
            request=request,
            after={"voices": str(changes), "failed": dict(changes.failed)},
            reason=form.cleaned_data["reason"],
        )
        self.message_user(request, f"Voices: {changes}.", messages.SUCCESS)
        for slug, reason in changes.failed.items():
            self.message_user(
                request, f"{slug} can't list its voices: {reason}", messages.WARNING
            )
        return redirect("admin:providers_provider_changelist")
