"""Daily spending limits of providers, counted before each call.

The unit is credits at the provider's price, no matter who pays for the scene: the vendor
bills calls for guests and operators too.
"""

import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import transaction

from kit import quotas
from providers.contract.base import Failure, ProviderError
from providers.contract.registry import get_adapter
from providers.limits.upstreams import UpstreamUnavailable, database_errors_logged
from providers.models import Provider

CEILING = "ceiling"
"""A reason of UpstreamUnavailable: the daily ceiling is reached."""

_ALL = "provider_spend"
_SANDBOX = "provider_sandbox_spend"
_NO_CEILING = 2**31 - 1  # the largest value of a counter


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
"""Failures that a vendor reports before it does any work that it could bill."""


@dataclass(slots=True)
class Spent:
    """The state of a call that `spending` counts."""

    has_audio: bool = False  # whether any audio arrived


@contextmanager
def spending(
    provider: Provider, characters: int, *, is_sandbox: bool
) -> Iterator[Spent]:
    """Count the cost of one call with the platform's key, then run the block.

    The cost is counted first, so that concurrent calls can't exceed the ceiling. It is
    uncounted if the call was not made, or if the vendor rejected it before any audio
    arrived. Any other call may be billed and stays counted, however it ends.

    Raises:
        UpstreamUnavailable: the call would exceed today's ceiling.
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
            with database_errors_logged():
                _uncount(provider, amount, today, is_sandbox=is_sandbox)
        raise


def _costs_nothing(error: UpstreamUnavailable | ProviderError) -> bool:
    """Return whether the vendor bills nothing for a call that failed without audio."""
    if isinstance(error, UpstreamUnavailable) and not error.was_called:
        return True
    failure = error.__cause__ if isinstance(error, UpstreamUnavailable) else error
    return isinstance(failure, ProviderError) and failure.kind in _REFUSALS


def credits_for(provider: Provider, characters: int) -> int:
    """Return the cost of a call for `characters`, in whole credits, rounded up."""
    numerator, denominator = provider.cost_multiplier.as_integer_ratio()
    return -(-characters * numerator // denominator)


def is_reached(provider: Provider, *, is_sandbox: bool) -> bool:
    """Return whether today's ceiling is reached; never for local providers."""
    if get_adapter(provider.slug).is_local:
        return False
    return any(
        quotas.used(name, provider.slug, period=quotas.today()) >= limit
        for name, limit in _ceilings(provider, is_sandbox=is_sandbox)
        if limit < _NO_CEILING
    )


def spent_today(slug: str) -> int:
    """Return the credits spent today (UTC), sandbox included."""
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
