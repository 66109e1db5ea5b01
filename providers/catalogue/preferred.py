"""What people prefer of the catalogue, wherever a request leaves it open.

Both are preferences of a user, `default_provider` and `voice`. They hold in each of their
workspaces, and for the tokens that they made.
"""

from accounts.models import User
from accounts.people import preferences
from providers.catalogue import voices
from providers.errors import UnknownProvider, UnknownVoice
from providers.models import Voice

BUILT_IN = "unicorn"


def default_provider(user: User | None) -> str:
    """Return the provider in which voices are looked up that name none."""
    return preferences.text_of(user, "default_provider") or BUILT_IN


def preferred_voice(user: User | None) -> Voice | None:
    """Return the voice that a user prefers, None without one that is on offer."""
    name = preferences.text_of(user, "voice")
    if not name:
        return None
    provider = default_provider(user)
    try:
        return voices.resolve_all([name], default_provider=provider)[name]
    except (UnknownVoice, UnknownProvider):
        return None


def set_preferred_voice(user: User, voice: str) -> Voice:
    """Let the voice of this id speak whatever names none.

    Raises:
        UnknownVoice: there is none on offer.
        PreferencesTooLarge: no more preferences can be kept.
    """
    offered = Voice.objects.on_offer()
    found = offered.filter(pk=voice).first() if voice.isprintable() else None
    if found is None:
        raise UnknownVoice(voice=voice)
    preferences.merge(user, {"voice": found.pk})
    return found


def clear_preferred_voice(user: User) -> None:
    """Let the language of a text decide again who speaks it."""
    preferences.merge(user, {"voice": None})
