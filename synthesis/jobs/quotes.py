"""Validate an order, choose its voices and price it. Nothing is written here.

`/estimate`, `/jobs` and `/speech` all call `quote`, so the estimated price is the price
that is charged.
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

MAX_CHARACTERS = 1_000_000  # of a job
MAX_SCENES = 5_000
MAX_SPEECH_CHARACTERS = 5_000  # of POST /speech
MAX_GUEST_CHARACTERS = 500  # of all scenes together

_LONGER = "Send longer texts to POST /api/v1/jobs."
_SIGN_UP = "Sign up to use longer texts."
_SEVERAL = "Send a longer text as several jobs."


@dataclass(frozen=True, slots=True)
class RequestedScene:
    """A scene as a client requests it. Each field is also a column of `Scene`."""

    text: str
    voice: str = ""  # empty: chosen by `synthesis.jobs.voices.choose`
    title: str = ""
    speed: float = 1.0
    options: Mapping[str, object] = field(default_factory=dict)  # of its provider
    shifts: Shifts | None = None  # None: `text` is the whole text that was sent


@dataclass(frozen=True, slots=True)
class Order:
    """A job as a client requests it, before it is validated and priced."""

    scenes: Sequence[RequestedScene]
    title: str = ""
    format: str = "mp3"
    fallback: Sequence[str] = ()
    webhook_url: str = ""
    metadata: Any = None
    max_cost: int | None = None
    source: Job.Source = Job.Source.JOBS


@dataclass(frozen=True, slots=True)
class QuotedScene:
    """A scene with its voice and its price."""

    requested: RequestedScene  # with normalized text and the voice's id
    sent: str  # the text as it was sent
    provider: str
    queue: Scene.Queue
    cost: int  # credits; 0 with the workspace's own key
    credential: str  # whose key calls the provider

    @property
    def is_for_own_key(self) -> bool:
        """Whether the workspace's own key calls the provider."""
        return self.credential != PLATFORM

    @property
    def characters(self) -> int:
        """The number of billed characters: Unicode code points; none of a mere pause."""
        return billed_characters(self.requested.text)


@dataclass(frozen=True, slots=True)
class Quote:
    """An order with the voice and the price of each scene."""

    order: Order
    scenes: Sequence[QuotedScene]
    fallback: Sequence[str] = field(default=())
    fallback_prices: Mapping[str, str | None] = field(default_factory=dict)
    """Credits per character of each fallback voice; None with an own key."""

    @property
    def characters(self) -> int:
        """The number of billed characters of all scenes."""
        return sum(scene.characters for scene in self.scenes)

    @property
    def cost(self) -> int:
        """The price of all scenes in credits."""
        return sum(scene.cost for scene in self.scenes)

    @property
    def voices(self) -> list[str]:
        """The distinct voices of the scenes, in order of first use."""
        return list(dict.fromkeys(scene.requested.voice for scene in self.scenes))

    @property
    def is_by_own_keys(self) -> bool:
        """Whether all scenes are spoken with the workspace's own keys."""
        return all(scene.is_for_own_key for scene in self.scenes)


def quote(caller: Caller, order: Order) -> Quote:
    """Return the quote for `order`: the voice and the price in credits of each scene.

    Raises:
        EmptyText, TextTooLong, EndlessCharacter, TooManyScenes: the text is not accepted.
        UnknownVoice, UnknownProvider: a voice is not in the catalogue.
        Invalid: a scene names no voice, and no default voice is available.
        InvalidOption: a scene's voice has no such option.
        GuestProvider, GuestOption, SandboxProvider: `caller` is not allowed to use it.
        OwnKeyRefused: the provider has refused the workspace's own key.
        FallbackDearer: a fallback voice costs more than a scene's own.
        ProviderUnavailable, ProviderCeiling: a provider is not configured, or its daily
            spending limit is reached.
        PriceChanged: the price is higher than `order.max_cost`.
    """
    if len(order.scenes) > MAX_SCENES:
        raise TooManyScenes(limit=MAX_SCENES)
    texts = [splitting.normalize(scene.text) for scene in order.scenes]
    if not all(texts) or not any(map(splitting.is_speakable, texts)):
        raise EmptyText
    check_length(caller, sum(map(len, texts)), order.source)
    if any(map(splitting.has_overlong_character, texts)):
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
        _scene(caller, requested, normalized, speaker, own_keys)
        for requested, normalized, speaker in zip(
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
    """Return the voice of each scene: the named one, else a default."""
    names = [scene.voice for scene in order.scenes]
    unnamed = [one for one, name in zip(texts, names, strict=True) if not name]
    chosen = iter(voices.choose(caller, unnamed, own_keys))
    return [found[name] if name else next(chosen) for name in names]


def _scene(
    caller: Caller,
    requested: RequestedScene,
    normalized: str,
    voice: Voice,
    own_keys: Mapping[str, ProviderKey],
) -> QuotedScene:
    is_own = voice.provider_id in own_keys
    check_options(voice, requested.speed, requested.options)
    return QuotedScene(
        requested=replace(requested, text=normalized, voice=voice.pk),
        sent=requested.text,
        provider=voice.provider_id,
        queue=queue_of(voice.provider_id),
        cost=0
        if is_own
        else cost(caller, billed_characters(normalized), voice.provider),
        credential=using.credential_of(caller.workspace.pk) if is_own else PLATFORM,
    )


def check_options(voice: Voice, speed: float, options: Mapping[str, object]) -> None:
    """Raise InvalidOption unless `voice` takes all `options`, and this speed.

    No option changes the price: adapters don't declare options that would.
    """
    adapter = get_adapter(voice.provider_id)
    known = adapter.options
    wrong = {}
    for name, value in options.items():
        if name not in known:
            named = ", ".join(known) or "none"
            wrong[name] = [f"Unknown option. Options of {voice.pk}: {named}."]
        elif refusal := known[name].problem(value):
            wrong[name] = [refusal]
    if wrong:
        raise InvalidOption({"options": wrong})
    refused = adapter.unsupported(voice.provider_voice, speed, options)
    wrong = {name: [why] for name, why in refused.items() if name != "speed"}
    if refused:
        fields = {"speed": [refused["speed"]]} if "speed" in refused else {}
        raise InvalidOption({**fields, **({"options": wrong} if wrong else {})})


def billed_characters(text: str) -> int:
    """Return how many characters of a scene are billed.

    A scene without a letter or digit (`* * *`) is a pause, and free.
    """
    return len(text) if splitting.is_speakable(text) else 0


def cost(caller: Caller, characters: int, provider: Provider) -> int:
    """Return the price of a scene in credits; 0 for guests and operators."""
    if caller.role in (Role.GUEST, Role.ADMIN):
        return 0
    return price(characters, provider.cost_multiplier)


def check_price(cost: int, max_cost: int | None) -> None:
    """Raise PriceChanged if `cost` is higher than `max_cost`; None is no limit."""
    if max_cost is not None and cost > max_cost:
        raise PriceChanged(cost=cost, max_cost=max_cost)


def _check_fallback(
    caller: Caller,
    speakers: Sequence[Voice],
    fallback: Sequence[Voice],
    own_keys: Mapping[str, ProviderKey],
) -> None:
    """Raise FallbackDearer if a fallback voice costs more than some scene's own voice.

    Scenes with own keys don't count: they are free, and never fall back to our keys.
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
    """Return the queue for scenes of a provider: local or remote."""
    is_local = get_adapter(provider).is_local
    return Scene.Queue.LOCAL if is_local else Scene.Queue.REMOTE


def check_length(caller: Caller, characters: int, source: Job.Source) -> None:
    """Raise TextTooLong if a request has more characters than `caller` may send."""
    limit, hint = MAX_CHARACTERS, _SEVERAL
    if source == Job.Source.SPEECH:
        limit, hint = MAX_SPEECH_CHARACTERS, _LONGER
    if caller.is_guest:
        limit, hint = MAX_GUEST_CHARACTERS, _SIGN_UP
    if characters > limit:
        raise TextTooLong(limit=limit, characters=characters, hint=hint)
