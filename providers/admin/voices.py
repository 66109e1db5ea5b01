"""Admin of voices: enable, disable, add, and make samples."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from providers.admin.catalogue import DESCRIPTION, FromAdapters
from providers.catalogue import samples
from providers.models import (
    Provider,
    Sample,
    Voice,
)

_LONGEST_VOICE = 150  # characters of a server's own id


class VoiceForm(forms.ModelForm):  # type: ignore[type-arg] # at run time it has none
    """The form of a voice, for adding one to a server that operators run."""

    language = forms.RegexField(
        r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*\Z",
        max_length=35,
        help_text="such as en-US; mul if it speaks several",
        error_messages={"invalid": "Use a language tag, such as en-US."},
    )
    gender = forms.ChoiceField(
        choices=[("", "-"), *((g, g) for g in ("female", "male", "neutral"))],
        required=False,
    )

    class Meta:
        model = Voice
        fields = "__all__"  # noqa: DJ007 - the admin decides which

    def clean_provider_voice(self) -> str:
        """Return the server's id of the voice if a voice id can contain it."""
        voice = str(self.cleaned_data["provider_voice"])
        if not voice.isprintable() or len(voice) > _LONGEST_VOICE:
            raise forms.ValidationError(f"Use 1 to {_LONGEST_VOICE} characters.")
        return voice


@admin.register(Voice)
class VoiceAdmin(FromAdapters, ModelAdmin):
    """Voices: search, enable and disable; add those of servers that operators run."""

    form = VoiceForm

    list_display = [
        *("id", "name", "language", "gender", "is_enabled", "is_offered", "has_sample")
    ]
    list_select_related = ["sample"]
    list_editable = ["is_enabled"]
    list_filter = [
        "provider",
        "engine",
        "is_enabled",
        "is_offered",
        "gender",
        "language",
    ]
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
        "engine",
        "is_recommended",
        "is_enabled",
        "is_offered",
        "created_at",
    ]
    readonly_fields = [name for name in fields if name != "is_enabled"]
    actions = ["switch_on", "switch_off", "make_samples", "make_samples_again"]

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        """Allow adding voices that operators' own servers don't list."""
        return bool(ModelAdmin.has_add_permission(self, request))

    def get_fields(self, request: HttpRequest, obj: Voice | None = None) -> list[str]:
        """Return only the fields that describe a voice when one is added."""
        return self.fields if obj else ["provider", "provider_voice", *DESCRIPTION]

    def get_readonly_fields(
        self, request: HttpRequest, obj: Voice | None = None
    ) -> list[str]:
        """Return the fields that the provider decides as fixed."""
        if obj is None:
            return []
        written = DESCRIPTION if obj.is_by_hand else []
        return [name for name in self.readonly_fields if name not in written]

    def formfield_for_foreignkey(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Offer only operators' own servers; all others list their voices themselves."""
        if db_field.name == "provider":
            kwargs["queryset"] = Provider.objects.operator_servers()
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(
        self, request: HttpRequest, obj: Voice, form: Any, change: bool
    ) -> None:
        """Save a voice; a new one gets its id from provider and the server's id."""
        if not change:
            obj.id = f"{obj.provider_id}:{obj.provider_voice}"
            obj.is_by_hand = True
        super().save_model(request, obj, form, change)

    @admin.display(description="sample")
    def has_sample(self, voice: Voice) -> str:
        """Return the state of the voice's sample, or the code of its error."""
        sample: Sample | None = getattr(voice, "sample", None)
        if sample is None:
            return "-"
        return sample.error_code or ("ready" if sample.file else sample.status)

    @admin.action(description="Make missing samples", permissions=["change"])
    def make_samples(self, request: HttpRequest, voices: QuerySet[Voice]) -> None:
        """Queue samples for the chosen voices that have none, made with our keys."""
        self._ask_for_samples(request, voices, again=False)

    @admin.action(description="Make samples again", permissions=["change"])
    def make_samples_again(self, request: HttpRequest, voices: QuerySet[Voice]) -> None:
        """Queue new samples for all chosen voices, made with our keys."""
        self._ask_for_samples(request, voices, again=True)

    def _ask_for_samples(
        self, request: HttpRequest, voices: QuerySet[Voice], *, again: bool
    ) -> None:
        with transaction.atomic(durable=True):
            chosen = list(voices)
            count = samples.queue(chosen, again=again)
            for voice in chosen:
                self.log_change(request, voice, "Queued a sample.")
        self.message_user(request, f"{count} samples will be made.", messages.SUCCESS)

    @admin.action(description="Enable", permissions=["change"])
    def switch_on(self, request: HttpRequest, voices: QuerySet[Voice]) -> None:
        count = self._switch(request, voices, is_enabled=True)
        self.message_user(request, f"{count} voices were enabled.", messages.SUCCESS)

    @admin.action(description="Disable", permissions=["change"])
    def switch_off(self, request: HttpRequest, voices: QuerySet[Voice]) -> None:
        count = self._switch(request, voices, is_enabled=False)
        self.message_user(request, f"{count} voices were disabled.", messages.SUCCESS)

    def _switch(
        self, request: HttpRequest, voices: QuerySet[Voice], *, is_enabled: bool
    ) -> int:
        with transaction.atomic(durable=True):
            chosen = list(voices)
            voices.update(is_enabled=is_enabled)
            for voice in chosen:
                self.log_change(
                    request, voice, "Enabled." if is_enabled else "Disabled."
                )
        return len(chosen)
