"""Voices in the back office."""

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

_LONGEST_VOICE = 150  # characters, of a server's own id


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
class VoiceAdmin(FromAdapters, ModelAdmin):
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
        return self.fields if obj else ["provider", "provider_voice", *DESCRIPTION]

    def get_readonly_fields(
        self, request: HttpRequest, obj: Voice | None = None
    ) -> list[str]:
        """Keep what the provider says of its voices."""
        if obj is None:
            return []
        written = DESCRIPTION if obj.is_by_hand else []
        return [name for name in self.readonly_fields if name not in written]

    def formfield_for_foreignkey(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Offer the operators' own servers; all others list their voices themselves."""
        if db_field.name == "provider":
            kwargs["queryset"] = Provider.objects.operator_servers()
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
            count = samples.queue(chosen, again=again)
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
