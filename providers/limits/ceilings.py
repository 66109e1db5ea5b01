"""What a provider may cost us in a day, counted before each call.

The unit is a credit's worth of characters at the provider's own price, whoever pays for
the scene: calls for guests and for operators cost the vendor's money, too.
"""

import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import transaction

from kit import quotas
from providers.contract.base import Failure, ProviderError
from providers.contract.registry import get_adapter
from providers.limits.upstreams import UpstreamUnavailable
from providers.models import Provider

CEILING = "ceiling"
"""Why a provider is not called, beside the kinds of failure."""

_ALL = "provider_spend"
_SANDBOX = "provider_sandbox_spend"
_NO_CEILING = 2**31 - 1  # what a counter can hold


_REFUSALS = {
    Failure.BAD_KEY,
    Failure.QUOTA,
    Failure.RATE_LIMITED,
    Failure.BUSY,
    Failure.BAD_REQUEST,
    Failure.UNKNOWN_VOICE,
    Failure.TOO_LONG,
    Failure.UNSPEAKABLE,
}
"""What a vendor says before it has done anything that it could bill."""


@dataclass(slots=True)
class Spent:
    """What is known of a call while it is made."""

    has_audio: bool = False  # whether audio has come


@contextmanager
def spending(
    provider: Provider, characters: int, *, is_sandbox: bool
) -> Iterator[Spent]:
    """Let the block make one call for so many characters with our own key.

    Counted first, so that no number of calls at once passes the ceiling. What the vendor
    refused before any audio came is given back, and what was not called at all; the rest
    may be on its bill and stays counted, whatever became of it.

    Raises:
        UpstreamUnavailable: it would be more than operators allow for today.
    """
    amount = credits_for(provider, characters)
    today = quotas.today()
    with transaction.atomic(durable=True):
        if not all(
            quotas.take(name, provider.slug, limit=limit, period=today, amount=amount)
            for name, limit in _ceilings(provider, is_sandbox=is_sandbox)
        ):
            raise UpstreamUnavailable(CEILING, quotas.next_day())
    spent = Spent()
    try:
        yield spent
    except (UpstreamUnavailable, ProviderError) as error:
        if not spent.has_audio and _costs_nothing(error):
            _uncount(provider, amount, today, is_sandbox=is_sandbox)
        raise


def _costs_nothing(error: UpstreamUnavailable | ProviderError) -> bool:
    """Whether a call that ended so is on nobody's bill, if no audio came."""
    if isinstance(error, UpstreamUnavailable) and not error.was_called:
        return True
    failure = error.__cause__ if isinstance(error, UpstreamUnavailable) else error
    return isinstance(failure, ProviderError) and failure.kind in _REFUSALS


def credits_for(provider: Provider, characters: int) -> int:
    """Return what a call for `characters` counts, in whole credits."""
    numerator, denominator = provider.cost_multiplier.as_integer_ratio()
    return -(-characters * numerator // denominator)


def is_reached(provider: Provider, *, is_sandbox: bool) -> bool:
    """Return whether nothing more may be spent today."""
    if get_adapter(provider.slug).is_local:
        return False
    return any(
        quotas.used(name, provider.slug, period=quotas.today()) >= limit
        for name, limit in _ceilings(provider, is_sandbox=is_sandbox)
        if limit < _NO_CEILING
    )


def spent_today(slug: str) -> int:
    """Return what was spent today, sandbox included."""
    return quotas.used(_ALL, slug, period=quotas.today())


def _ceilings(provider: Provider, *, is_sandbox: bool) -> Iterator[tuple[str, int]]:
    yield _ALL, _limit(provider.daily_ceiling, _NO_CEILING)
    if is_sandbox:
        yield _SANDBOX, _limit(provider.sandbox_daily_ceiling, 0)


def _limit(ceiling: int | None, otherwise: int) -> int:
    return otherwise if ceiling is None else min(ceiling, _NO_CEILING)


def _uncount(
    provider: Provider, amount: int, day: datetime.date, *, is_sandbox: bool
) -> None:
    for name, _ in _ceilings(provider, is_sandbox=is_sandbox):
        quotas.give_back(name, provider.slug, period=day, amount=amount)
