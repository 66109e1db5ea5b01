"""Which voice speaks a text, and whether the caller may use it.

A scene that names none is spoken by the voice that the caller prefers, or by the default
voice for the language that its text is most likely in.
"""

from collections.abc import Collection, Mapping, Sequence

from accounts.caller import Caller, Environment
from kit import quotas
from kit.errors import AppError, Invalid
from providers.catalogue import access, voices
from providers.catalogue.defaults import default_voices
from providers.catalogue.preferred import BUILT_IN, default_provider, preferred_voice
from providers.contract.registry import get_adapter
from providers.errors import OwnKeyRefused
from providers.keys import using
from providers.limits import ceilings
from providers.models import Provider, ProviderKey, Voice
from synthesis.errors import (
    GuestProvider,
    ProviderCeiling,
    ProviderUnavailable,
    SandboxProvider,
)
from synthesis.text.language.detection import ENGLISH, languages_of


def find(
    caller: Caller, names: Collection[str], own_keys: Mapping[str, ProviderKey]
) -> dict[str, Voice]:
    """Return the voice of each name, all of which `caller` may use.

    Raises:
        UnknownVoice, UnknownProvider: a voice is not in the catalogue.
        GuestProvider, SandboxProvider, OwnKeyRefused, ProviderUnavailable,
            ProviderCeiling: see `check_allowed`.
    """
    found = voices.resolve_all(names, default_provider=default_provider(caller.user))
    for voice in found.values():
        check_allowed(caller, voice.provider, own_keys.get(voice.provider_id))
    return found


def choose(
    caller: Caller, texts: Sequence[str], own_keys: Mapping[str, ProviderKey]
) -> list[Voice]:
    """Return who speaks each of the scenes of one job for which no voice is named.

    That is the preferred voice of the caller. Where there is none that can be used, it is
    the default voice for the language of the text: of the caller's default provider, else
    of the built-in one, else an English one.

    Raises:
        OwnKeyRefused: it was to be spoken with the workspace's own key, and so for nothing.
        Invalid: there is no voice to choose.
    """
    if not texts:
        return []
    preferred = preferred_voice(caller.user)
    if preferred and _may_use(caller, preferred.provider, own_keys):
        return [preferred] * len(texts)
    languages = languages_of(texts)
    found = _of_languages(caller, {*languages, ENGLISH}, own_keys)
    chosen = [found.get(language) or found.get(ENGLISH) for language in languages]
    speakers = [voice for voice in chosen if voice is not None]
    if len(speakers) < len(chosen):
        raise Invalid({"voice": ["Name a voice for the job or for each scene."]})
    return speakers


def _of_languages(
    caller: Caller, languages: set[str], own_keys: Mapping[str, ProviderKey]
) -> dict[str, Voice]:
    """Return the default voice for each language that has one."""
    found: dict[str, Voice] = {}
    for slug in dict.fromkeys((default_provider(caller.user), BUILT_IN)):
        missing = languages - found.keys()
        offered = default_voices(slug, missing) if missing else {}
        provider = next((voice.provider for voice in offered.values()), None)
        if provider is not None and _may_use(caller, provider, own_keys):
            found |= offered
    return found


def _may_use(
    caller: Caller, provider: Provider, own_keys: Mapping[str, ProviderKey]
) -> bool:
    """Return whether `caller` may use `provider` now.

    Raises:
        OwnKeyRefused: with their own key they might. No other voice stands in for it, as
            that would cost credits.
    """
    try:
        check_allowed(caller, provider, own_keys.get(provider.slug))
    except OwnKeyRefused:
        raise
    except AppError:
        return False
    return True


def own_keys_of(caller: Caller) -> dict[str, ProviderKey]:
    """Return the keys that `caller` brings along, by their providers; guests have none."""
    return {} if caller.is_guest else using.keys_by_provider(caller.workspace)


def check_allowed(
    caller: Caller, provider: Provider, own_key: ProviderKey | None
) -> None:
    """Raise when `caller` may not use `provider` where it stands.

    Whoever has a key of their own may, in the sandbox too; one that was refused is not
    passed over.
    """
    if caller.is_guest and not provider.is_open_to_guests:
        raise GuestProvider(provider=provider.slug)
    if own_key is not None:
        using.require_usable(own_key)
        return
    is_sandbox = caller.environment == Environment.SANDBOX
    if is_sandbox and not is_in_sandbox(provider):
        raise SandboxProvider(provider=provider.slug)
    if not access.is_available(provider):
        raise ProviderUnavailable
    if ceilings.is_reached(provider, is_sandbox=is_sandbox):
        raise ProviderCeiling(
            provider=provider.slug, retry_after=quotas.seconds_left_today()
        )


def is_in_sandbox(provider: Provider) -> bool:
    """Return whether sandbox credits buy its voices: built in, or let by operators."""
    is_local = get_adapter(provider.slug).is_local
    return is_local or provider.sandbox_daily_ceiling is not None
