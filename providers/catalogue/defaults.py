"""The default voice of a language, for requests that name no voice."""

from collections.abc import Collection

from django.db.models import Case, CharField, F, Func, Value, When
from django.db.models.functions import Length, Lower

from providers.catalogue.languages import primary, spellings
from providers.models import Voice

_DEFAULT_REGIONS = (
    *("ar-EG", "bn-BD", "de-DE", "en-US", "es-ES", "fr-FR", "it-IT", "nl-NL", "pt-BR"),
    *("sw-TZ", "ta-IN", "ur-PK", "zh-CN", "cmn-CN"),
)
"""The default region of languages with voices of several regions.

Source: CLDR's likely subtags.
"""

_ANY_LANGUAGE = "mul"  # BCP 47: several languages


def default_voices(provider: str, languages: Collection[str]) -> dict[str, Voice]:
    """Return the default voice of `provider` for each language.

    That is the provider's default voice if it speaks the language, else the one that it
    recommends, else one of the default region, else one that speaks any language. A
    language without a voice is left out.
    Takes one query.
    """
    codes = {code: language for language in languages for code in spellings(language)}
    alone = Func(
        *("language", Value("-"), Value(1)),
        function="split_part",
        output_field=CharField(),
    )
    ranked = (
        Voice.objects.on_offer()
        .filter(provider=provider)
        .annotate(
            code=Lower(alone),
            rank=Case(
                When(pk=F("provider__default_voice"), then=0),
                When(is_recommended=True, then=1),
                When(language__in=_DEFAULT_REGIONS, then=2),
                default=3,
            ),
        )
        .filter(code__in=[*codes, _ANY_LANGUAGE])
        .order_by("code", "rank", Length("language"), Length("pk"), "pk")
        .distinct("code")
    )
    found = {primary(voice.language): voice for voice in ranked}
    of_any = found.pop(_ANY_LANGUAGE, None)
    if of_any is not None and of_any.pk == of_any.provider.default_voice_id:
        return dict.fromkeys(languages, of_any)
    chosen = {
        language: next((found[c] for c in spellings(language) if c in found), of_any)
        for language in languages
    }
    return {language: voice for language, voice in chosen.items() if voice is not None}
