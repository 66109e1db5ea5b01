"""The catalogue in the back office: operators switch and price, adapters describe."""

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
from accounts.audit.back_office import ReasonForm
from accounts.models import User
from kit.back_office import ReadOnly
from providers.catalogue import samples
from providers.catalogue import voices as catalogue_voices
from providers.contract.base import ProviderError
from providers.contract.registry import (
    MANY,
    PROVIDERS,
    get_provider,
    has_adapter,
    is_of_operators,
)
from providers.keys import using
from providers.limits import ceilings
from providers.models import (
    ModelAlias,
    Provider,
    ProviderKey,
    Sample,
    Voice,
    VoiceAlias,
)
from providers.pages.forms import region_choices

_DESCRIPTION = ["name", "language", "gender", "description"]
_LONGEST_VOICE = 150  # characters, of a server's own id


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
        if not slug.startswith(MANY) or slug != slug.lower():
            raise forms.ValidationError(f"In lower case, and it begins with {MANY}")
        return slug

    def clean_default_voice(self) -> Voice | None:
        """Refuse a voice of another provider."""
        voice: Voice | None = self.cleaned_data["default_voice"]
        if voice is not None and voice.provider_id != self.instance.pk:
            raise forms.ValidationError("It is of another provider.")
        return voice


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
        if obj is not None and obj.slug in PROVIDERS:
            fixed.append("name")
        return [*fixed, *self.readonly_fields]

    def get_exclude(
        self, request: HttpRequest, obj: Provider | None = None
    ) -> list[str]:
        """Ask for what is of compatible servers alone only there."""
        is_compatible = obj is None or is_of_operators(obj.slug)
        return [] if is_compatible else ["model", "has_captions"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Provider]:
        """Count the voices on offer along."""
        queryset: QuerySet[Provider] = super().get_queryset(request)
        is_chosen = Q(voices__is_enabled=True, voices__is_offered=True)
        return queryset.annotate(voice_count=Count("voices", filter=is_chosen))

    @admin.display(description="can be called", boolean=True)
    def is_available(self, provider: Provider) -> bool:
        """Tell whether its key or address is set here."""
        return has_adapter(provider.slug) and catalogue_voices.is_available(provider)

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
            if not (
                has_adapter(provider.slug) and catalogue_voices.is_available(provider)
            ):
                self.message_user(
                    request, f"{provider}: no key, or no address.", messages.WARNING
                )
                continue
            try:
                status = get_provider(provider.slug).check(
                    catalogue_voices.access_for(provider)
                )
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
            return TemplateResponse(request, "admin/act.html", context)
        changes = catalogue_voices.sync()
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


class VoiceForm(forms.ModelForm):  # type: ignore[type-arg] # at run time it has none
    """A voice that operators add to a server of their own."""

    language = forms.RegexField(
        r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*\Z",
        max_length=35,
        help_text="such as en-US; mul if it speaks several",
        error_messages={"invalid": "Such as en-US."},
    )
    gender = forms.ChoiceField(
        choices=[("", "-"), *((g, g) for g in ("female", "male", "neutral"))],
        required=False,
    )

    class Meta:
        model = Voice
        fields = "__all__"  # noqa: DJ007 - the admin decides which

    def clean_provider_voice(self) -> str:
        """Refuse what can't be in an id."""
        voice = str(self.cleaned_data["provider_voice"])
        if not voice.isprintable() or len(voice) > _LONGEST_VOICE:
            raise forms.ValidationError(f"At most {_LONGEST_VOICE} characters.")
        return voice


@admin.register(Voice)
class VoiceAdmin(_FromAdapters, ModelAdmin):
    """Voices, to be found and switched off or on; added for servers of one's own."""

    form = VoiceForm

    list_display = [
        *("id", "name", "language", "gender", "is_enabled", "is_offered", "has_sample")
    ]
    list_select_related = ["sample"]
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
    actions = ["switch_on", "switch_off", "make_samples", "make_samples_again"]

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        """Let operators add voices that their own servers don't list."""
        return bool(ModelAdmin.has_add_permission(self, request))

    def get_fields(self, request: HttpRequest, obj: Voice | None = None) -> list[str]:
        """Ask for no more than the voice when one is added."""
        return self.fields if obj else ["provider", "provider_voice", *_DESCRIPTION]

    def get_readonly_fields(
        self, request: HttpRequest, obj: Voice | None = None
    ) -> list[str]:
        """Keep what the provider says of its voices."""
        if obj is None:
            return []
        written = _DESCRIPTION if obj.is_by_hand else []
        return [name for name in self.readonly_fields if name not in written]

    def formfield_for_foreignkey(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Offer the operators' own servers; all others list their voices themselves."""
        if db_field.name == "provider":
            kwargs["queryset"] = Provider.objects.of_operators()
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(
        self, request: HttpRequest, obj: Voice, form: Any, change: bool
    ) -> None:
        """Give a new voice its id."""
        if not change:
            obj.id = f"{obj.provider_id}:{obj.provider_voice}"
            obj.is_by_hand = True
        super().save_model(request, obj, form, change)

    @admin.display(description="sample")
    def has_sample(self, voice: Voice) -> str:
        """Tell whether a sample is there, or why not."""
        sample: Sample | None = getattr(voice, "sample", None)
        if sample is None:
            return "-"
        return sample.error_code or ("there" if sample.file else sample.status)

    @admin.action(description="Make missing samples", permissions=["change"])
    def make_samples(self, request: HttpRequest, voices: QuerySet[Voice]) -> None:
        """Have a sample of each chosen voice made with our own keys, if it has none."""
        self._ask_for_samples(request, voices, again=False)

    @admin.action(description="Make samples anew", permissions=["change"])
    def make_samples_again(self, request: HttpRequest, voices: QuerySet[Voice]) -> None:
        """Have samples of the chosen voices made with our own keys, in place of the old."""
        self._ask_for_samples(request, voices, again=True)

    def _ask_for_samples(
        self, request: HttpRequest, voices: QuerySet[Voice], *, again: bool
    ) -> None:
        with transaction.atomic(durable=True):
            chosen = list(voices)
            count = samples.ask(chosen, again=again)
            for voice in chosen:
                self.log_change(request, voice, "Asked for a sample.")
        self.message_user(request, f"{count} samples will be made.", messages.SUCCESS)

    @admin.action(description="Switch on", permissions=["change"])
    def switch_on(self, request: HttpRequest, voices: QuerySet[Voice]) -> None:
        """Let customers choose the selected voices."""
        count = self._switch(request, voices, is_enabled=True)
        self.message_user(request, f"{count} voices can be chosen.", messages.SUCCESS)

    @admin.action(description="Switch off", permissions=["change"])
    def switch_off(self, request: HttpRequest, voices: QuerySet[Voice]) -> None:
        """Hide the selected voices from customers."""
        count = self._switch(request, voices, is_enabled=False)
        self.message_user(request, f"{count} voices are hidden.", messages.SUCCESS)

    def _switch(
        self, request: HttpRequest, voices: QuerySet[Voice], *, is_enabled: bool
    ) -> int:
        with transaction.atomic(durable=True):
            chosen = list(voices)
            voices.update(is_enabled=is_enabled)
            for voice in chosen:
                self.log_change(
                    request, voice, "Switched on." if is_enabled else "Switched off."
                )
        return len(chosen)


@admin.register(ModelAlias)
class ModelAliasAdmin(ModelAdmin):
    """Names of models in other people's clients."""

    list_display = ["name", "provider", "model"]
    list_filter = ["provider"]
    search_fields = ["name", "model"]

    def get_readonly_fields(
        self, request: HttpRequest, obj: ModelAlias | None = None
    ) -> list[str]:
        """Keep the name: another one is another alias."""
        return [] if obj is None else ["name"]


@admin.register(VoiceAlias)
class VoiceAliasAdmin(ModelAdmin):
    """Names of voices in other people's clients."""

    list_display = ["name", "voice"]
    list_filter = ["voice__provider"]
    list_select_related = ["voice"]
    search_fields = ["name", "voice__id"]
    autocomplete_fields = ["voice"]


@admin.register(ProviderKey)
class ProviderKeyAdmin(ReadOnly, ModelAdmin):
    """Workspaces' own keys, by their last four characters; the rest is shown to nobody."""

    list_display = [
        "provider",
        "masked",
        "workspace",
        "region",
        "status",
        "failure",
        "checked_at",
        "created_by",
    ]
    list_filter = ["provider", "status", "failure"]
    list_select_related = ["provider", "workspace", "created_by"]
    search_fields = ["workspace__name", "=workspace__id", "workspace__members__email"]
    show_full_result_count = False
    ordering = ["-id"]
    fields = [
        "provider",
        "masked",
        "workspace",
        "region",
        "status",
        "checked_at",
        "failure",
        "failed_at",
        "created_by",
        "created_at",
    ]
    readonly_fields = fields
    actions = ["erase"]

    @admin.display(description="key", ordering="last4")
    def masked(self, row: ProviderKey) -> str:
        """Return what tells a key apart."""
        return f"…{row.last4}"

    def has_erase_permission(self, request: HttpRequest, *args: Any) -> bool:
        """Return whether this operator may erase keys."""
        user = request.user
        return isinstance(user, User) and user.has_perm("providers.delete_providerkey")

    @admin.action(description="Erase", permissions=["erase"])
    def erase(self, request: HttpRequest, chosen: QuerySet[ProviderKey]) -> None:
        """Erase keys for good. Scenes that wait for them fail, and cost nothing."""
        for row in chosen:
            with transaction.atomic(durable=True):
                self.log_deletions(request, ProviderKey.objects.filter(pk=row.pk))
                using.erase(row)
            self.message_user(request, f"The key {row} is erased.", messages.SUCCESS)
