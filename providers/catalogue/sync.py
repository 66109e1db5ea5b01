"""Sync the catalogue with the adapters and the vendors' lists of voices."""

import logging
import re
from collections.abc import Collection
from dataclasses import dataclass, field

from django.db import transaction

from providers.catalogue.access import access_for, is_available
from providers.contract.base import Access, ProviderError, VoiceInfo
from providers.contract.registry import ADAPTERS, get_adapter
from providers.models import Provider, Voice, VoiceAlias

logger = logging.getLogger(__name__)


_DESCRIBED = [
    *("name", "language", "gender", "description", "engine", "is_recommended"),
    "is_offered",
]
"""The fields of a voice that a sync updates."""
_LONGEST_ID = 200  # characters, the provider's slug included
_LANGUAGE = re.compile(r"(?=.{2,35}\Z)[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")


@dataclass(slots=True)
class Changes:
    """The counts and failures of a sync."""

    added: int = 0
    updated: int = 0
    withdrawn: int = 0
    failed: dict[str, str] = field(default_factory=dict)  # reason by provider

    def __str__(self) -> str:
        return f"{self.added} added, {self.updated} updated, {self.withdrawn} withdrawn"


def sync(only: Collection[str] = ()) -> Changes:
    """Write all providers of the registry and their voices into the catalogue.

    `only` are the slugs of providers whose voices are listed; empty: all.

    What operators edited or added is not changed. Voices that a provider no longer lists
    are kept but not offered. The voices of a provider that is unavailable now are not
    changed. Invalid entries of a list are skipped. New voices get the aliases that their
    provider gives them. Safe to repeat and to run concurrently.
    """
    changes = Changes()
    for slug, provider in _rows().items():
        if only and slug not in only:
            continue
        adapter = get_adapter(slug)
        if slug in ADAPTERS and provider.name != adapter.name:
            provider.name = adapter.name
            provider.save(update_fields=["name", "updated_at"])
        if not (adapter.has_voice_table or is_available(provider)):
            continue  # the list is not available without a key
        try:
            listed = adapter.voices(access_for(provider))
            _sync_voices(provider, listed, changes)
        except ProviderError as error:
            changes.failed[slug] = str(error)
        except Exception as error:
            # Each deployment syncs: one vendor's malformed list must not stop it.
            logger.exception("the list of voices of %s can't be read", slug)
            changes.failed[slug] = f"its list can't be read ({type(error).__name__})"
    return changes


def add_public_voices(provider: Provider, access: Access) -> Changes:
    """Add a provider's public voices, listed with a workspace's own key.

    `access` is the workspace's. Voices of its account alone are not added. The list may be
    incomplete, so no voice is withdrawn.

    Raises:
        ProviderError: the list is unavailable now.
    """
    changes = Changes()
    listed = get_adapter(provider.slug).voices(access)
    public = [info for info in listed if info.is_public]
    _sync_voices(provider, public, changes, is_whole=False)
    return changes


def _rows() -> dict[str, Provider]:
    """Return the rows of all providers by slug; create the missing ones."""
    rows = Provider.objects.with_adapter().in_bulk()
    for slug in ADAPTERS:
        if slug not in rows:
            adapter = get_adapter(slug)
            rows[slug], _ = Provider.objects.get_or_create(
                slug=slug,
                defaults={
                    "name": adapter.name,
                    "is_open_to_guests": adapter.is_local,
                    "cost_multiplier": adapter.cost_multiplier,
                    "max_concurrent_per_key": adapter.max_concurrent_per_key,
                },
            )
    return rows


def _sync_voices(
    provider: Provider,
    listed: Collection[VoiceInfo],
    changes: Changes,
    *,
    is_whole: bool = True,
) -> None:
    rows = {row.provider_voice: row for row in provider.voices.all()}
    aliases = {info.id: info.aliases for info in listed}
    added, updated = [], []
    for info in listed:
        if not _is_valid_id(provider, info):
            continue
        is_language = bool(_LANGUAGE.fullmatch(info.language))
        described = {
            "name": _line(info.name)[:120] or info.id[:120],
            "language": info.language if is_language else "mul",
            "gender": info.gender,
            "description": _line(info.description)[:500],
            "engine": info.engine,
            "is_recommended": info.is_recommended,
            "is_offered": True,
        }
        row = rows.pop(info.id, None)
        if row is not None and row.is_by_hand:
            continue
        if row is None:
            added.append(
                Voice(
                    id=f"{provider.slug}:{info.id}",
                    provider=provider,
                    provider_voice=info.id,
                    **described,
                )
            )
        elif any(getattr(row, name) != value for name, value in described.items()):
            for name, value in described.items():
                setattr(row, name, value)
            updated.append(row)
    gone = [row for row in rows.values() if row.is_offered and not row.is_by_hand]
    withdrawn = [row.pk for row in gone if is_whole]
    if not (added or updated or withdrawn):
        return
    with transaction.atomic():
        Voice.objects.bulk_create(added, ignore_conflicts=True)
        VoiceAlias.objects.bulk_create(
            [
                VoiceAlias(name=name, voice=voice)
                for voice in added
                for name in aliases.get(voice.provider_voice, ())
            ],
            ignore_conflicts=True,
        )
        if updated:
            Voice.objects.bulk_update(updated, _DESCRIBED)
        if withdrawn:
            Voice.objects.filter(pk__in=withdrawn).update(is_offered=False)
    changes.added += len(added)
    changes.updated += len(updated)
    changes.withdrawn += len(withdrawn)


def _is_valid_id(provider: Provider, info: VoiceInfo) -> bool:
    """Return whether a vendor's id of a voice can be part of a voice id here."""
    longest = _LONGEST_ID - len(provider.slug) - 1
    return 0 < len(info.id) <= min(longest, 160) and info.id.isprintable()


def _line(text: str) -> str:
    """Return a vendor's text as one line that the database can store."""
    return "".join(char if char.isprintable() else " " for char in text).strip()
