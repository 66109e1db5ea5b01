"""Admin of providers: operators enable, price and limit them."""

from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.decorators import action

from accounts.audit import log
from accounts.audit.mixin import ReasonForm
from accounts.http.freshness import has_fresh_second_factor
from accounts.http.next_page import with_next
from providers.catalogue import access, sync
from providers.catalogue.preferred import BUILT_IN
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
from providers.unicorn.hibari import fetching
from providers.unicorn.hibari.fetching import FetchFailed

DESCRIPTION = ["name", "language", "gender", "description"]


class FromAdapters:
    """Admin of rows that a sync adds. They are never deleted, since jobs refer to them."""

    def has_add_permission(self, *args: Any) -> bool:
        return False

    def has_delete_permission(self, *args: Any) -> bool:
        return False


class ProviderForm(forms.ModelForm):  # type: ignore[type-arg] # at run time it has none
    """The form of a provider. New ones are servers with OpenAI's speech interface."""

    class Meta:
        model = Provider
        fields = "__all__"  # noqa: DJ007 - the admin decides which

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        slug = self.instance.pk
        if "region" in self.fields:
            regions = region_choices(slug) if slug and has_adapter(slug) else []
            choices = [("", "default"), *regions]
            self.fields["region"] = forms.ChoiceField(choices=choices, required=False)

    def clean_slug(self) -> str:
        """Return the slug if the `compatible` adapter serves it; else raise an error."""
        slug = str(self.cleaned_data["slug"])
        if not slug.startswith(COMPATIBLE_PREFIX) or slug != slug.lower():
            raise forms.ValidationError(
                f"Use lower case, starting with {COMPATIBLE_PREFIX}."
            )
        return slug

    def clean_default_voice(self) -> Voice | None:
        voice: Voice | None = self.cleaned_data["default_voice"]
        if voice is not None and voice.provider_id != self.instance.pk:
            raise forms.ValidationError("Choose a voice of this provider.")
        return voice


def _why_address_is_fixed(request: HttpRequest, provider: Provider | None) -> str:
    """Return why this operator can't edit the address now; empty if they can.

    All calls go to it, with our key.
    """
    if provider is not None and access.base_url_from_environment(provider):
        return "The address is set in the environment."
    if not getattr(request.user, "is_superuser", False):
        return "Only superusers can edit the address."
    if not has_fresh_second_factor(request):
        page = with_next("second-factor", request.get_full_path())
        return format_html(
            '<a href="{}">Enter a code of your second factor</a> to edit the address.',
            page,
        )
    return ""


@admin.register(Provider)
class ProviderAdmin(FromAdapters, ModelAdmin):
    """Prices, limits and availability of providers; changes take effect at once."""

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
    actions_list = ["sync_catalogue", "fetch_voices"]

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        """Allow adding servers that operators run themselves, unlike `FromAdapters`."""
        return bool(ModelAdmin.has_add_permission(self, request))

    def get_readonly_fields(
        self, request: HttpRequest, obj: Provider | None = None
    ) -> list[str]:
        """Return the fields that can't be edited: some never, the address by few."""
        fixed = [] if obj is None else ["slug"]
        if obj is not None and obj.slug in ADAPTERS:
            fixed.append("name")
        if _why_address_is_fixed(request, obj):
            fixed.append("base_url")
        return [*fixed, *self.readonly_fields]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **options: Any
    ) -> HttpResponse:
        """Show the form, with the reason if the address can't be edited."""
        obj: Provider | None = options.get("obj")
        if why := _why_address_is_fixed(request, obj):
            self.message_user(request, why, messages.INFO)
        return cast(
            HttpResponse, super().render_change_form(request, context, *args, **options)
        )

    def save_model(
        self, request: HttpRequest, obj: Provider, form: Any, change: bool
    ) -> None:
        """Save a provider; say so if an address was sent that could not be edited."""
        super().save_model(request, obj, form, change)
        sent = request.POST.get("base_url", obj.base_url)
        if "base_url" not in form.fields and sent != obj.base_url:
            why = _why_address_is_fixed(request, obj)
            self.message_user(request, f"Address not saved. {why}", messages.WARNING)

    def get_exclude(
        self, request: HttpRequest, obj: Provider | None = None
    ) -> list[str]:
        """Hide the fields for compatible servers in all other providers."""
        is_compatible = obj is None or is_operator_server(obj.slug)
        return [] if is_compatible else ["model", "has_captions"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Provider]:
        queryset: QuerySet[Provider] = super().get_queryset(request)
        is_chosen = Q(voices__is_enabled=True, voices__is_offered=True)
        return queryset.annotate(voice_count=Count("voices", filter=is_chosen))

    @admin.display(description="can be called", boolean=True)
    def is_available(self, provider: Provider) -> bool:
        """Return whether the provider's key or address is set here."""
        return has_adapter(provider.slug) and access.is_available(provider)

    @admin.display(description="spent today")
    def spent_today(self, provider: Provider) -> int:
        """Return the credits spent on calls with our key today (UTC)."""
        return ceilings.spent_today(provider.slug)

    @admin.display(description="voices", ordering="voice_count")
    def voices_on_offer(self, provider: Provider) -> int:
        """Return how many of the provider's voices can be chosen."""
        return int(getattr(provider, "voice_count", 0))

    @admin.action(description="Check key and address now", permissions=["change"])
    def check_now(self, request: HttpRequest, providers: QuerySet[Provider]) -> None:
        """Check our keys with the chosen providers and show the results."""
        for provider in providers:
            if not (has_adapter(provider.slug) and access.is_available(provider)):
                self.message_user(
                    request,
                    f"{provider}: no key or no address is set.",
                    messages.WARNING,
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

    @action(description="Fetch natural voices", permissions=["change"])
    def fetch_voices(self, request: HttpRequest) -> HttpResponse:
        """Ask for a reason, then fetch the natural voices that are missing here."""
        wanted = fetching.missing()
        size = sum(model.size for model in wanted) / 1e6
        form = ReasonForm(request.POST or None)
        if wanted and not form.is_valid():
            names = ", ".join(model.voice for model in wanted)
            context = {
                **self.admin_site.each_context(request),
                "title": "Fetch natural voices",
                "opts": self.opts,
                "about": f"English voices are fetched now, {size:.0f} MB: {names}.",
                "form": form,
            }
            return TemplateResponse(request, "admin/action.html", context)
        if not wanted:
            self.message_user(request, "All natural voices are here already.")
            return redirect("admin:providers_provider_changelist")
        fetched = []
        try:
            for model in wanted:
                fetching.fetch(model)
                fetched.append(model.voice)
        except FetchFailed as error:
            self.message_user(request, str(error), messages.ERROR)
        changes = sync.sync([BUILT_IN])
        log.record(
            "fetched voices",
            request=request,
            after={"fetched": fetched, "voices": str(changes)},
            reason=form.cleaned_data["reason"],
        )
        if fetched:
            self.message_user(
                request, f"Fetched {', '.join(fetched)}.", messages.SUCCESS
            )
        return redirect("admin:providers_provider_changelist")

    @action(description="Sync catalogue", permissions=["change"])
    def sync_catalogue(self, request: HttpRequest) -> HttpResponse:
        """Ask for a reason, then sync the catalogue and show the changes."""
        form = ReasonForm(request.POST or None)
        if not form.is_valid():
            context = {
                **self.admin_site.each_context(request),
                "title": "Sync catalogue",
                "opts": self.opts,
                "about": "Every provider's list of voices is read now.",
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
                request, f"{slug} could not list its voices: {reason}", messages.WARNING
            )
        return redirect("admin:providers_provider_changelist")
