"""Resolve the names of voices and models in requests to rows of the catalogue."""

from collections.abc import Collection

from django.db.models import Q
from django.db.models.functions import Lower

from providers.errors import UnknownProvider, UnknownVoice
from providers.models import ModelAlias, Provider, Voice, VoiceAlias

_ANY_LANGUAGE = "mul"  # BCP 47: several languages


def resolve_model(name: str) -> tuple[Provider, str]:
    """Return the provider and model that `name` means; case doesn't matter.

    A name is an alias (`tts-1`), a provider, or `provider/model`. The model is the vendor's
    own name; empty means the provider's default. The adapter checks that it exists.

    Raises:
        UnknownProvider: the name means no available provider.
    """
    slug, _, model = name.partition("/")
    if name.isprintable():
        aliases = ModelAlias.objects.filter(name=name.lower())
        for found, meant in aliases.values_list("provider", "model"):
            slug, model = found, meant
        on_offer = Provider.objects.on_offer()
        if provider := on_offer.filter(slug=slug.lower()).first():
            return provider, model
    raise UnknownProvider(provider=name)


def resolve_all(
    voices: Collection[str], *, default_provider: str = "unicorn"
) -> dict[str, Voice]:
    """Return the available voice for each name, with its provider selected.

    A name is `provider:id`; or, for a voice of the default provider, its id or its display
    name. Instead of an id it may have an alias of that provider, or nothing for the
    provider's default voice. Case doesn't matter. Takes one query if all names are exact
    ids, and five at most.

    Raises:
        UnknownProvider: a name's provider is not available.
        UnknownVoice: the provider has no such available voice.
    """
    wanted = {
        name: name if ":" in name else f"{default_provider}:{name}"
        for name in voices
        if name.isprintable()  # no voice has a line break in its name
    }
    offered = Voice.objects.on_offer()
    exact = offered.in_bulk(wanted.values())
    found = {name: exact[key] for name, key in wanted.items() if key in exact}
    missing = {name: wanted.get(name) for name in voices if name not in found}
    if missing:
        found |= _resolve_loosely(missing, default_provider)
    return found


def language_of(voice: str) -> str:
    """Return the language of a voice (BCP 47); empty if it speaks several or is gone."""
    languages = Voice.objects.filter(pk=voice).values_list("language", flat=True)
    language = languages.first() or ""
    return "" if language == _ANY_LANGUAGE else language


def _resolve_loosely(
    missing: dict[str, str | None], default_provider: str
) -> dict[str, Voice]:
    """Return the voices for names that are not exact ids: by id, name or alias."""
    keys = {key.lower() for key in missing.values() if key}
    names = {name.lower() for name, key in missing.items() if key and ":" not in name}
    by_id: dict[str, Voice] = {}
    by_name: dict[str, Voice] = {}
    for voice in (
        Voice.objects.on_offer()
        .alias(id_lower=Lower("id"), name_lower=Lower("name"))
        .filter(
            Q(id_lower__in=keys)
            | Q(name_lower__in=names, provider=default_provider.lower())
        )
    ):
        by_id.setdefault(voice.pk.lower(), voice)
        if voice.provider_id == default_provider.lower():
            by_name.setdefault(voice.name.lower(), voice)
    found: dict[str, Voice] = {}
    for name, key in missing.items():
        match = by_id.get((key or "").lower()) or by_name.get(name.lower())
        if match is not None:
            found[name] = match
    rest = {name: key for name, key in missing.items() if name not in found}
    if rest:
        found |= _resolve_aliases(rest)
    for name in missing.keys() - found.keys():
        raise _not_found(name, default_provider)
    return found


def _resolve_aliases(missing: dict[str, str | None]) -> dict[str, Voice]:
    """Return the voices for aliases, and for empty ids the provider's default."""
    asked = {name: key.lower().split(":", 1) for name, key in missing.items() if key}
    by_alias: dict[tuple[str, str], str] = {}
    aliases = VoiceAlias.objects.filter(name__in={alias for _, alias in asked.values()})
    for name, voice_id in aliases.values_list("name", "voice"):
        by_alias[voice_id.partition(":")[0], name] = voice_id
    defaults = Provider.objects.exclude(default_voice=None)
    for slug, voice_id in defaults.values_list("slug", "default_voice"):
        by_alias[slug, ""] = voice_id
    wanted = {
        name: by_alias[slug, alias]
        for name, (slug, alias) in asked.items()
        if (slug, alias) in by_alias
    }
    voices = Voice.objects.on_offer().in_bulk(wanted.values())
    return {name: voices[key] for name, key in wanted.items() if key in voices}


def _not_found(name: str, default_provider: str) -> UnknownProvider | UnknownVoice:
    prefix, colon, _ = name.partition(":")
    slug = prefix if colon else default_provider
    is_known = slug.isprintable() and (
        Provider.objects.on_offer().filter(slug=slug.lower()).exists()
    )
    return UnknownVoice(voice=name) if is_known else UnknownProvider(provider=slug)
