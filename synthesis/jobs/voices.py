"""Find or choose the voice of a text, and check that the caller may use it.

A scene without a voice gets the caller's preferred voice, else the default voice for the
detected language of its text.
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
    """Return the voice for each name, after checking that `caller` may use it.

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
    """Return a voice for each of `texts`, the scenes of a job that name no voice.

    That is the caller's preferred voice, if it can be used. Otherwise it is the default
    voice for the language of the text: of the caller's default provider, else of the
    built-in one, else an English voice.

    Raises:
        OwnKeyRefused: it would be spoken with the workspace's own key, which the provider
            has refused. With another voice it would cost credits.
        Invalid: no voice is available.
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
        raise Invalid({"voice": ["Choose a voice for the job or for each scene."]})
    return speakers


def _of_languages(
    caller: Caller, languages: set[str], own_keys: Mapping[str, ProviderKey]
) -> dict[str, Voice]:
    """Return the default voice that `caller` may use, for each language that has one."""
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
        OwnKeyRefused: the provider has refused the caller's own key. No other voice is
            chosen instead, since it would cost credits.
    """
    try:
        check_allowed(caller, provider, own_keys.get(provider.slug))
    except OwnKeyRefused:
        raise
    except AppError:
        return False
    return True


def own_keys_of(caller: Caller) -> dict[str, ProviderKey]:
    """Return the workspace's own keys by provider; guests have none."""
    return {} if caller.is_guest else using.keys_by_provider(caller.workspace)


def check_allowed(
    caller: Caller, provider: Provider, own_key: ProviderKey | None
) -> None:
    """Raise unless `caller` may use `provider` now.

    With an own key they may, in the sandbox too.

    Raises:
        GuestProvider: the caller is a guest, and the provider is not open to guests.
        OwnKeyRefused: the provider has refused the own key; ours is not used instead.
        OwnKeySuspended: the provider's address has changed since it was entered.
        SandboxProvider: the provider is not available in the sandbox.
        ProviderUnavailable: the provider is not configured.
        ProviderCeiling: the provider's daily spending limit is reached.
    """
    if caller.is_guest and not provider.is_open_to_guests:
        raise GuestProvider(provider=provider.slug)
    if own_key is not None:
        using.require_usable(own_key)
        return
    is_sandbox = caller.environment == Environment.SANDBOX
    if is_sandbox and not is_available_in_sandbox(provider):
        raise SandboxProvider(provider=provider.slug)
    if not access.is_available(provider):
        raise ProviderUnavailable
    if ceilings.is_reached(provider, is_sandbox=is_sandbox):
        raise ProviderCeiling(
            provider=provider.slug, retry_after=quotas.seconds_left_today()
        )


def is_available_in_sandbox(provider: Provider) -> bool:
    """Return whether sandbox credits pay for the provider's voices.

    They do for built-in voices, and where operators have set a sandbox limit.
    """
    is_local = get_adapter(provider.slug).is_local
    return is_local or provider.sandbox_daily_ceiling is not None
