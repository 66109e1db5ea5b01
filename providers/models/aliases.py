"""Aliases: the names that other clients use for models and voices."""

from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Lower

from providers.models.catalogue import Provider, Voice

_ALIAS = RegexValidator(
    r"^[a-z0-9][a-z0-9._-]*\Z", "Lower case: letters, digits, dots, hyphens."
)


class ModelAlias(models.Model):
    """An alias for a provider and its model, such as `tts-1`."""

    name = models.CharField(primary_key=True, max_length=80, validators=[_ALIAS])
    provider = models.ForeignKey(Provider, models.CASCADE, related_name="+")
    model = models.CharField(
        max_length=80,
        blank=True,
        help_text="the provider's name for it; empty: its default",
    )

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "model aliases"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(name=Lower("name")), name="model_alias_in_lower_case"
            )
        ]

    def __str__(self) -> str:
        return self.name


class VoiceAlias(models.Model):
    """An alias for a voice, such as `alloy`.

    Several providers may use the same alias, each for one of its voices. It is looked up
    in the provider that the request names, or in the default one.
    """

    name = models.CharField(max_length=80, validators=[_ALIAS])
    voice = models.ForeignKey(Voice, models.CASCADE, related_name="aliases")

    class Meta:
        ordering = ["name", "voice"]
        verbose_name_plural = "voice aliases"
        constraints = [
            models.UniqueConstraint(
                "name",
                # A voice's id begins with its provider.
                models.Func(
                    models.F("voice"),
                    models.Value(":"),
                    models.Value(1),
                    function="split_part",
                    output_field=models.CharField(),
                ),
                name="voice_alias_once_in_a_provider",
                violation_error_message="Another voice of the provider has this alias.",
            ),
            models.CheckConstraint(
                condition=models.Q(name=Lower("name")), name="voice_alias_in_lower_case"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} → {self.voice_id}"
