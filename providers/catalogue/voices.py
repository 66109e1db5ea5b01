"""The catalogue: what adapters offer, as rows; and the way from a name to a voice."""

import logging
import os
import re
from collections.abc import Collection
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Lower

from providers.contract.base import Access, ProviderError, VoiceInfo
from providers.contract.registry import PROVIDERS, get_provider
from providers.errors import UnknownProvider, UnknownVoice
from providers.models import ModelAlias, Provider, Voice, VoiceAlias

_DESCRIBED = ["name", "language", "gender", "description", "is_offered"]
"""The fields of a voice that its provider decides."""


_LONGEST_ID = 200  # characters, the provider's slug included
_LANGUAGE = re.compile(r"(?=.{2,35}\Z)[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Changes:
    """What a sync did."""

    added: int = 0
    updated: int = 0
    withdrawn: int = 0
    failed: dict[str, str] = field(default_factory=dict)  # provider: why, for operators

    def __str__(self) -> str:
        return f"{self.added} added, {self.updated} updated, {self.withdrawn} withdrawn"


def sync() -> Changes:
    """Write every provider in the registry, and its voices, into the catalogue.

    What operators edit or add stays as it is. Voices that a provider no longer lists are
    kept and not offered; the voices of a provider that can't be asked now stay untouched.
    Of an odd list, what can be no voice is passed over. Safe to repeat and to run twice at
    once.
    """
    changes = Changes()
    for slug, provider in _rows().items():
        adapter = get_provider(slug)
        if slug in PROVIDERS and provider.name != adapter.name:
            provider.name = adapter.name
            provider.save(update_fields=["name", "updated_at"])
        if not (adapter.has_voice_table or is_available(provider)):
            continue  # nobody could be asked
        try:
            listed = adapter.voices(access_for(provider))
            _sync_voices(provider, listed, changes)
        except ProviderError as error:
            changes.failed[slug] = str(error)
        except Exception as error:
            # A deploy syncs, too: one vendor's odd list must not stop it.
            logger.exception("the voices of %s can't be read", slug)
            changes.failed[slug] = f"its list can't be read ({type(error).__name__})"
    return changes


def learn(provider: Provider, access: Access) -> Changes:
    """Add the public voices of a provider that this installation can't ask by itself.

    `access` is of a workspace: it may see voices that are its own alone, which stay out,
    and it need not see all, so none is withdrawn.

    Raises:
        ProviderError: the list can't be had now.
    """
    changes = Changes()
    listed = get_provider(provider.slug).voices(access)
    public = [info for info in listed if info.is_public]
    _sync_voices(provider, public, changes, is_whole=False)
    return changes


def _rows() -> dict[str, Provider]:
    """Return the row of every provider by its slug; those that were missing are new."""
    rows = Provider.objects.with_adapter().in_bulk()
    for slug in PROVIDERS:
        if slug not in rows:
            adapter = get_provider(slug)
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
    added, updated = [], []
    for info in listed:
        if not _can_be_kept(provider, info):
            continue
        is_language = bool(_LANGUAGE.fullmatch(info.language))
        described = {
            "name": _line(info.name)[:120] or info.id[:120],
            "language": info.language if is_language else "mul",
            "gender": info.gender,
            "description": _line(info.description)[:500],
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
        if updated:
            Voice.objects.bulk_update(updated, _DESCRIBED)
        if withdrawn:
            Voice.objects.filter(pk__in=withdrawn).update(is_offered=False)
    changes.added += len(added)
    changes.updated += len(updated)
    changes.withdrawn += len(withdrawn)


def _can_be_kept(provider: Provider, info: VoiceInfo) -> bool:
    """Return whether what a vendor calls a voice can be part of an id here."""
    longest = _LONGEST_ID - len(provider.slug) - 1
    return 0 < len(info.id) <= min(longest, 160) and info.id.isprintable()


def _line(text: str) -> str:
    """Return a vendor's text as one line that the database takes."""
    return "".join(char if char.isprintable() else " " for char in text).strip()


def access_for(provider: Provider) -> Access:
    """Return where and with whose key this installation calls `provider`.

    `<SLUG>_API_KEY`, `<SLUG>_BASE_URL`, `<SLUG>_REGION` and `<SLUG>_MODEL` in the
    environment, the slug in upper case; all but the key else as operators entered them,
    and whether a server tells word times by them alone.
    """
    return Access(
        key=_variable(provider, "API_KEY"),
        base_url=base_url_of(provider),
        region=_variable(provider, "REGION") or provider.region,
        model=_variable(provider, "MODEL") or provider.model,
        has_captions=provider.has_captions,
    )


def base_url_of(provider: Provider) -> str:
    """Return where operators have `provider` called; empty: where the vendor is."""
    return (_variable(provider, "BASE_URL") or provider.base_url).rstrip("/")


def _variable(provider: Provider, name: str) -> str:
    prefix = provider.slug.upper().replace("-", "_")
    return os.environ.get(f"{prefix}_{name}", "")


def is_available(provider: Provider) -> bool:
    """Return whether this installation can call `provider` without a customer's key."""
    adapter = get_provider(provider.slug)
    access = access_for(provider)
    has_address = bool(access.base_url) or access.region in adapter.regions
    has_key = bool(access.key) or not adapter.needs_key
    return adapter.is_local or (has_address and has_key)


def resolve_model(name: str) -> tuple[Provider, str]:
    """Return the provider and its own model that `name` stands for; case doesn't matter.

    A name is an alias (`tts-1`), a provider, or `provider/model`. The model is empty where
    the provider's usual one is meant; whether it has the other is its adapter's to say.

    Raises:
        UnknownProvider: it stands for nothing that is on offer.
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
    """Return the voice on offer for each name, its provider at hand.

    A name is `provider:id`; or, in the default provider, an id or what the voice is
    called. In place of an id, an alias of that provider will do, or nothing for the voice
    that is its default. Case doesn't matter. Takes one query when all are ids as they are
    written in the catalogue, and five at most.

    Raises:
        UnknownProvider: a name begins with no provider that is on offer.
        UnknownVoice: its provider has no such voice on offer.
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


def _resolve_loosely(
    missing: dict[str, str | None], default_provider: str
) -> dict[str, Voice]:
    """Return the voices for names that are no ids as written: by case or by name."""
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
        raise _refusal(name, default_provider)
    return found


def _resolve_aliases(missing: dict[str, str | None]) -> dict[str, Voice]:
    """Return the voices for names that operators have given, or that are left empty."""
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


def _refusal(name: str, default_provider: str) -> UnknownProvider | UnknownVoice:
    prefix, colon, _ = name.partition(":")
    slug = prefix if colon else default_provider
    is_known = slug.isprintable() and (
        Provider.objects.on_offer().filter(slug=slug.lower()).exists()
    )
    return UnknownVoice(voice=name) if is_known else UnknownProvider(provider=slug)
