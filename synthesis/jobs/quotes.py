"""Quotes: what a request would speak, and what it costs. Nothing is written here.

`/estimate`, `/jobs` and `/speech` go through `quote`, so that a price told is the price
charged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from accounts.caller import Caller, Role
from billing.pricing import price
from providers.contract.registry import get_adapter
from providers.keys import using
from providers.models import Provider, ProviderKey, Voice
from providers.models.querysets import PLATFORM
from synthesis.errors import (
    EmptyText,
    EndlessCharacter,
    FallbackDearer,
    GuestOption,
    InvalidOption,
    PriceChanged,
    TextTooLong,
    TooManyScenes,
)
from synthesis.jobs import voices
from synthesis.models import Job, Scene
from synthesis.text import splitting
from synthesis.text.splitting import Shifts

MOST_CHARACTERS = 1_000_000  # of a job
MOST_SCENES = 5_000
MOST_AT_ONCE = 5_000  # characters of POST /speech
MOST_FOR_GUESTS = 500  # characters, in all

_LONGER = "Longer texts go to POST /api/v1/jobs."
_SIGN_UP = "Sign up to speak longer texts."
_SEVERAL = "Send a longer book as several jobs."


@dataclass(frozen=True, slots=True)
class AskedScene:
    """A scene as a client asks for it; each field is a column of `Scene`, too."""

    text: str
    voice: str = ""  # empty: see `synthesis.voices.choose`
    title: str = ""
    speed: float = 1.0
    options: Mapping[str, object] = field(default_factory=dict)  # as its provider says
    shifts: Shifts | None = None  # in the text that was sent; None: it is that text


@dataclass(frozen=True, slots=True)
class Order:
    """A job as a client asks for it."""

    scenes: Sequence[AskedScene]
    title: str = ""
    format: str = "mp3"
    fallback: Sequence[str] = ()
    webhook_url: str = ""
    metadata: Any = None
    max_cost: int | None = None
    source: Job.Source = Job.Source.JOBS


@dataclass(frozen=True, slots=True)
class QuotedScene:
    """A scene with its voice found and its price fixed."""

    asked: AskedScene  # its text normalised, its voice an id in the catalogue
    provider: str
    queue: Scene.Queue
    cost: int  # credits
    credential: str  # whose key calls the provider: a workspace's own costs nothing

    @property
    def is_for_own_key(self) -> bool:
        """Whether the workspace's own key speaks it."""
        return self.credential != PLATFORM

    @property
    def characters(self) -> int:
        """Unicode code points, as billed."""
        return len(self.asked.text)


@dataclass(frozen=True, slots=True)
class Quote:
    """What an order speaks and costs."""

    order: Order
    scenes: Sequence[QuotedScene]
    fallback: Sequence[str] = field(default=())
    fallback_prices: Mapping[str, str | None] = field(default_factory=dict)
    """Credits per character of each; None with an own key."""

    @property
    def characters(self) -> int:
        """Characters of all scenes."""
        return sum(scene.characters for scene in self.scenes)

    @property
    def cost(self) -> int:
        """Credits for all scenes."""
        return sum(scene.cost for scene in self.scenes)

    @property
    def voices(self) -> list[str]:
        """Voices of the scenes, in the order of their first."""
        return list(dict.fromkeys(scene.asked.voice for scene in self.scenes))

    @property
    def is_by_own_keys(self) -> bool:
        """Whether none of it is spoken with our keys."""
        return all(scene.is_for_own_key for scene in self.scenes)


def quote(caller: Caller, order: Order) -> Quote:
    """Find the voices of `order`, check that `caller` may use them, and price each scene.

    Raises:
        EmptyText, TextTooLong, EndlessCharacter, TooManyScenes: the script can't be taken.
        UnknownVoice, UnknownProvider: a voice is not in the catalogue.
        Invalid: a scene names no voice, and there is none to choose.
        InvalidOption: a scene's voice takes no such option.
        GuestProvider, GuestOption, SandboxProvider: not for this caller.
        OwnKeyRefused: the workspace's own key for a provider is of no use.
        FallbackDearer: a fallback voice costs more than a scene's own.
        ProviderUnavailable, ProviderCeiling: a provider is not set up here, or has cost
            us enough for today.
        PriceChanged: it costs more than `order.max_cost`.
    """
    if len(order.scenes) > MOST_SCENES:
        raise TooManyScenes(limit=MOST_SCENES, scenes=len(order.scenes))
    texts = [splitting.normalise(scene.text) for scene in order.scenes]
    if not texts or not all(texts):
        raise EmptyText
    _check_length(caller, order, sum(map(len, texts)))
    if any(map(splitting.has_endless_character, texts)):
        raise EndlessCharacter(limit=splitting.LONGEST_CHARACTER)
    if caller.is_guest and order.webhook_url:
        raise GuestOption(option="webhooks")
    if caller.is_guest and order.fallback:
        raise GuestOption(option="fallback voices")
    own_keys = voices.own_keys_of(caller)
    named = {scene.voice for scene in order.scenes} | set(order.fallback)
    found = voices.find(caller, named - {""}, own_keys)
    speakers = _speakers(caller, order, texts, found, own_keys)
    scenes = [
        _scene(caller, asked, normalised, speaker, own_keys)
        for asked, normalised, speaker in zip(
            order.scenes, texts, speakers, strict=True
        )
    ]
    fallback = [found[voice] for voice in order.fallback]
    _check_fallback(caller, speakers, fallback, own_keys)
    prices = {
        voice.pk: None if voice.provider_id in own_keys else _per_character(voice)
        for voice in fallback
    }
    quoted = Quote(order, scenes, [voice.pk for voice in fallback], prices)
    check_price(quoted.cost, order.max_cost)
    return quoted


def _speakers(
    caller: Caller,
    order: Order,
    texts: Sequence[str],
    found: Mapping[str, Voice],
    own_keys: Mapping[str, ProviderKey],
) -> list[Voice]:
    """Return the voice of each scene: the one that it names, or one that is chosen."""
    names = [scene.voice for scene in order.scenes]
    unnamed = [one for one, name in zip(texts, names, strict=True) if not name]
    chosen = iter(voices.choose(caller, unnamed, own_keys))
    return [found[name] if name else next(chosen) for name in names]


def _scene(
    caller: Caller,
    asked: AskedScene,
    normalised: str,
    voice: Voice,
    own_keys: Mapping[str, ProviderKey],
) -> QuotedScene:
    is_own = voice.provider_id in own_keys
    check_options(voice, asked.options)
    shifts = splitting.shifts_in(asked.text) if asked.shifts is None else asked.shifts
    return QuotedScene(
        asked=replace(asked, text=normalised, voice=voice.pk, shifts=shifts),
        provider=voice.provider_id,
        queue=queue_of(voice.provider_id),
        cost=0 if is_own else cost(caller, len(normalised), voice.provider),
        credential=using.credential_of(caller.workspace.pk) if is_own else PLATFORM,
    )


def check_options(voice: Voice, options: Mapping[str, object]) -> None:
    """Raise InvalidOption unless the adapter of `voice` takes all of `options`.

    None of them changes the price: an adapter doesn't declare those that would.
    """
    known = get_adapter(voice.provider_id).options
    wrong = {}
    for name, value in options.items():
        if name not in known:
            named = ", ".join(known) or "none"
            wrong[name] = [f"{voice.pk} has these options: {named}."]
        elif refusal := known[name].problem(value):
            wrong[name] = [refusal]
    if wrong:
        raise InvalidOption({"options": wrong})


def cost(caller: Caller, characters: int, provider: Provider) -> int:
    """Return the credits for a scene; guests and operators pay nothing."""
    if caller.role in (Role.GUEST, Role.ADMIN):
        return 0
    return price(characters, provider.cost_multiplier)


def check_price(cost: int, max_cost: int | None) -> None:
    """Raise PriceChanged when `cost` is above what the customer allowed."""
    if max_cost is not None and cost > max_cost:
        raise PriceChanged(cost=cost, max_cost=max_cost)


def _check_fallback(
    caller: Caller,
    speakers: Sequence[Voice],
    fallback: Sequence[Voice],
    own_keys: Mapping[str, ProviderKey],
) -> None:
    """Raise when a fallback voice would cost more than some scene's own.

    What own keys speak is free, and a scene of theirs falls back to nothing of ours.
    """
    if caller.role in (Role.GUEST, Role.ADMIN):
        return
    providers = [voice.provider for voice in speakers]
    priced = [row.cost_multiplier for row in providers if row.slug not in own_keys]
    for voice in fallback:
        is_own = voice.provider_id in own_keys
        if priced and not is_own and voice.provider.cost_multiplier > min(priced):
            raise FallbackDearer(voice=voice.pk)


def _per_character(voice: Voice) -> str:
    return str(voice.provider.cost_multiplier)


def queue_of(provider: str) -> Scene.Queue:
    """Return where scenes of a provider are worked on."""
    is_local = get_adapter(provider).is_local
    return Scene.Queue.LOCAL if is_local else Scene.Queue.REMOTE


def _check_length(caller: Caller, order: Order, characters: int) -> None:
    limit, hint = MOST_CHARACTERS, _SEVERAL
    if order.source == Job.Source.SPEECH:
        limit, hint = MOST_AT_ONCE, _LONGER
    if caller.is_guest:
        limit, hint = MOST_FOR_GUESTS, _SIGN_UP
    if characters > limit:
        raise TextTooLong(limit=limit, characters=characters, hint=hint)
