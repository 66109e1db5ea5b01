"""A user's default provider and default voice, for requests that name none.

Both are preferences of the user, `default_provider` and `voice`. They apply in all of the
user's workspaces, and to the tokens that the user created.
"""

from accounts.models import User
from accounts.people import preferences
from providers.catalogue import voices
from providers.errors import UnknownProvider, UnknownVoice
from providers.models import Voice

BUILT_IN = "unicorn"


def default_provider(user: User | None) -> str:
    """Return the provider of voices that are named without one."""
    return preferences.text_of(user, "default_provider") or BUILT_IN


def preferred_voice(user: User | None) -> Voice | None:
    """Return a user's default voice; None if there is none or it can't be chosen now."""
    name = preferences.text_of(user, "voice")
    if not name:
        return None
    provider = default_provider(user)
    try:
        return voices.resolve_all([name], default_provider=provider)[name]
    except (UnknownVoice, UnknownProvider):
        return None


def set_preferred_voice(user: User, voice: str) -> Voice:
    """Set the user's default voice by its id, and return it.

    Raises:
        UnknownVoice: no available voice has this id.
        PreferencesTooLarge: the user's preferences are full.
    """
    offered = Voice.objects.on_offer()
    found = offered.filter(pk=voice).first() if voice.isprintable() else None
    if found is None:
        raise UnknownVoice(voice=voice)
    preferences.merge(user, {"voice": found.pk})
    return found


def clear_preferred_voice(user: User) -> None:
    """Remove the user's default voice; the language of a text decides again."""
    preferences.merge(user, {"voice": None})
