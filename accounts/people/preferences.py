"""Preferences of a user, from which pages restore their state."""

import json
from collections.abc import Mapping
from typing import Any

from django.db import transaction

from accounts.errors import PreferencesTooLarge
from accounts.models import User

LIMIT = 16 * 1024  # bytes of all of them together, as compact JSON in UTF-8


@transaction.atomic
def merge(user: User, changes: Mapping[str, Any]) -> None:
    """Set the given preferences, keep the others, and update `user` with the result.

    Raises:
        PreferencesTooLarge: all together would be larger than LIMIT; nothing changes.
    """
    kept = User.objects.select_for_update().get(pk=user.pk)
    merged = {**kept.preferences, **changes}
    text = json.dumps(merged, ensure_ascii=False, separators=(",", ":"))
    if (size := len(text.encode())) > LIMIT:
        raise PreferencesTooLarge(limit=LIMIT, size=size)
    kept.preferences = user.preferences = merged
    kept.save(update_fields=["preferences"])


def text_of(user: User | None, name: str) -> str:
    """Return a preference of type str; empty if it is missing or of another type."""
    chosen = user.preferences.get(name) if user else None
    return chosen if isinstance(chosen, str) else ""
