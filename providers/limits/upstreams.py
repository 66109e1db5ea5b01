"""The circuit breaker and the retry budget of calls to providers.

An *upstream* is a provider in one region with one credential. Its row holds statistics of
the last calls, shared by all processes. While calls succeed, the upstream is closed and
calls are allowed. Repeated failures of the vendor open it, and so does a vendor that asks
us to wait. Then no calls are made until a pause is over. After the pause one call, the
probe, is allowed. If it succeeds, the upstream closes; else the next, longer pause begins.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic

from django.db import DatabaseError, connection
from django.utils import timezone

from kit.db import connections
from kit.db.transactions import one_transaction
from providers.catalogue import access
from providers.contract.base import Failure, ProviderError
from providers.keys import using
from providers.models import Provider, Upstream
from providers.models.querysets import PLATFORM, UpstreamQuerySet

MAX_FAILURES_IN_A_ROW = 5
"""Consecutive failures that open an upstream."""
WINDOW = timedelta(seconds=30)
MIN_CALLS = 20  # in a window, before the share of failures counts
MAX_FAILURE_SHARE = 0.5
PAUSES = (5.0, 10.0, 20.0)
"""Seconds before each probe; the last value repeats."""
KEY_PAUSE = 300.0  # seconds; a rejected key or an empty quota needs someone to fix it
MAX_PAUSE = 3600.0  # seconds that a vendor may ask for

RETRY_SHARE = 0.2
"""Each first call adds this share of a retry to the budget."""
MAX_RETRIES = 100.0  # the largest budget
FREE_RETRIES = 10.0  # the budget refills to this, for upstreams that are called rarely
RETRY_REFILL = 10.0  # seconds until one of these is back
_RETRY_WAIT = 10.0

RETRIES = "retries"
"""A reason of UpstreamUnavailable: the budget of retries is empty."""

logger = logging.getLogger(__name__)

_RECENT = 20  # failures that are kept for operators

# Without ABORTED: closing an idle connection is not a failure of the vendor.
VENDOR_FAILURES = {
    Failure.DOWN,
    Failure.TIMEOUT,
    Failure.BUSY,
    Failure.BAD_AUDIO,
    Failure.RATE_LIMITED,
}
KEY_FAILURES = {Failure.BAD_KEY, Failure.QUOTA}


class UpstreamUnavailable(Exception):
    """The provider can't be called now."""

    def __init__(
        self, reason: str, until: datetime, *, was_called: bool = False
    ) -> None:
        self.reason = reason  # a `Failure`, RETRIES or `ceilings.CEILING`
        self.until = until  # when to try again
        self.was_called = was_called  # whether a call was made and failed
        super().__init__(f"{reason} until {until:%H:%M:%S}")

    @property
    def seconds(self) -> int:
        """The seconds to wait, at least one."""
        return max(1, round((self.until - timezone.now()).total_seconds()))


@dataclass(frozen=True, slots=True)
class Permit:
    """A permit to make one call."""

    upstream: Upstream
    is_probe: bool
    is_retry: bool
    began: float = field(default_factory=monotonic)


def upstream_of(provider: Provider, credential: str = PLATFORM) -> Upstream:
    """Return the upstream of a provider and credential; create its row if missing."""
    row, _ = Upstream.objects.get_or_create(
        provider=provider,
        region=_region(provider, credential, using.regions_of([credential])),
        credential=credential,
    )
    return row


def _region(
    provider: Provider, credential: str, own: Mapping[tuple[str, str], str]
) -> str:
    """Return the region of calls with a credential: as set up here, or as in `own`."""
    if credential == PLATFORM:
        return access.access_for(provider).region
    return own.get((provider.slug, credential), "")


@contextmanager
def calling(
    provider: Provider, credential: str, *, holder: str, is_retry: bool
) -> Iterator[Permit]:
    """Check the breaker, run the block, which makes one call, and record its failure.

    The caller records a success, by `record_success`, once it has stored the audio.
    `holder` identifies the caller, for `Upstream.probe`. No transaction may be open; no
    database connection is held while the block runs.

    Raises:
        UpstreamUnavailable: the upstream can't be called now, and no call was made. Or the
            call was a failed probe. Or it failed because of the platform's key or quota,
            which is not the fault of the request.
    """
    permit = admit(upstream_of(provider, credential), holder, is_retry=is_retry)
    connections.give_back()
    try:
        yield permit
    except ProviderError as error:
        row = permit.upstream
        with database_errors_logged():
            row = record_failure(
                permit,
                error.kind,
                seconds=monotonic() - permit.began,
                retry_after=error.retry_after,
            )
        is_ours = error.kind in KEY_FAILURES and credential == PLATFORM
        is_known = permit.is_probe and error.kind in VENDOR_FAILURES
        if (is_ours or is_known) and row.open_until is not None:
            raise UpstreamUnavailable(
                row.reason, row.open_until, was_called=True
            ) from error
        raise
    except BaseException:
        with database_errors_logged():  # if it fails, the dispatcher does it later
            # The block was interrupted, which says nothing about the vendor.
            release_probe(permit.upstream.pk, holder)
        raise


@contextmanager
def database_errors_logged() -> Iterator[None]:
    """Log database errors of the block, which only records what has already happened.

    Raising them would lose the result of a call that the vendor bills.
    """
    try:
        yield
    except DatabaseError:
        logger.warning("could not record a call", exc_info=True)


def admit(row: Upstream, holder: str, *, is_retry: bool) -> Permit:
    """Return a permit for one call to the upstream; `row` must be fresh.

    Raises:
        UpstreamUnavailable: it is open, another call is its probe, or the budget of
            retries is empty.
    """
    if row.failing_since is not None and row.open_until is not None:
        now = timezone.now()
        if row.open_until > now:
            raise UpstreamUnavailable(row.reason, row.open_until)
        half_open = Upstream.objects.filter(
            pk=row.pk, failing_since__isnull=False, open_until__lte=now, probe=""
        )
        if not half_open.update(probe=holder):
            raise UpstreamUnavailable(row.reason, now + timedelta(seconds=PAUSES[0]))
        return Permit(row, is_probe=True, is_retry=is_retry)
    if is_retry and not _take_retry(row):
        raise UpstreamUnavailable(
            RETRIES, timezone.now() + timedelta(seconds=_RETRY_WAIT)
        )
    return Permit(row, is_probe=False, is_retry=is_retry)


def record_success(permit: Permit, *, seconds: float) -> None:
    """Record a call that returned audio; a successful probe closes the upstream."""
    paid = 0.0 if permit.is_retry or permit.is_probe else RETRY_SHARE
    with connection.cursor() as cursor:
        # A single statement, since it runs after every call.
        cursor.execute(
            """
            UPDATE providers_upstream SET
                calls = calls + 1,
                seconds = seconds + %(seconds)s,
                in_a_row = 0,
                retry_allowance = LEAST(retry_allowance + %(paid)s, %(most)s),
                window_at = CASE WHEN window_at > %(since)s
                    THEN window_at ELSE now() END,
                window_calls = CASE WHEN window_at > %(since)s
                    THEN window_calls + 1 ELSE 1 END,
                window_failures = CASE WHEN window_at > %(since)s
                    THEN window_failures ELSE 0 END
            WHERE id = %(id)s
            """,
            {
                "seconds": seconds,
                "paid": paid,
                "most": MAX_RETRIES,
                "since": timezone.now() - WINDOW,
                "id": permit.upstream.pk,
            },
        )
    if permit.is_probe:
        reset(permit.upstream)


@one_transaction
def record_failure(
    permit: Permit, kind: Failure, *, seconds: float, retry_after: float | None = None
) -> Upstream:
    """Record a failed call, and open the upstream or extend its pause if needed."""
    now = timezone.now()
    row = Upstream.objects.select_for_update().get(pk=permit.upstream.pk)
    _count(row, kind, seconds, now)
    if not (permit.is_retry or permit.is_probe):
        row.retry_allowance = min(row.retry_allowance + RETRY_SHARE, MAX_RETRIES)
    is_probe = permit.is_probe and row.failing_since is not None
    if is_probe:
        row.probe = ""
    if kind in VENDOR_FAILURES:
        row.in_a_row += 1
        row.window_failures += 1
        if is_probe or retry_after or _fails_too_often(row):
            _open(row, kind, now, retry_after)
    elif kind in KEY_FAILURES and row.credential == PLATFORM:
        # `providers.keys.using` handles workspaces' own keys.
        _open(row, kind, now, KEY_PAUSE)
    # Any other failure is the request's: it says nothing about the vendor.
    row.save()
    return row


def reset(row: Upstream) -> None:
    """Close an upstream and clear its counters of failures."""
    Upstream.objects.filter(pk=row.pk).update(
        failing_since=None,
        open_until=None,
        reason="",
        openings=0,
        probe="",
        in_a_row=0,
        window_calls=0,
        window_failures=0,
    )


def probes() -> dict[int, str]:
    """Return the holders of current probes, by the upstream's primary key."""
    probed = Upstream.objects.exclude(probe="")
    return dict(probed.values_list("pk", "probe"))


def release_probe(pk: int, holder: str) -> None:
    """Release a probe whose holder is gone, so that another call can probe."""
    Upstream.objects.filter(pk=pk, probe=holder).update(probe="")


def unavailable(provider: str = "") -> dict[tuple[str, str], Upstream]:
    """Return the upstreams that can't be called now, by provider and credential.

    Only those of `provider`, if given. Regions that are not in use are left out.
    """
    rows = Upstream.objects.unavailable()
    return _called_here(rows.filter(provider=provider) if provider else rows)


def failing(since: datetime) -> dict[tuple[str, str], Upstream]:
    """Return the upstreams that opened before `since` and are still open."""
    return _called_here(Upstream.objects.filter(failing_since__lt=since))


def _called_here(rows: UpstreamQuerySet) -> dict[tuple[str, str], Upstream]:
    found = list(rows.select_related("provider"))
    own = using.regions_of({row.credential for row in found})
    return {
        (row.provider_id, row.credential): row
        for row in found
        if row.region == _region(row.provider, row.credential, own)
    }


def _count(row: Upstream, kind: Failure, seconds: float, now: datetime) -> None:
    row.calls += 1
    row.seconds += seconds
    row.failures[kind] = row.failures.get(kind, 0) + 1
    seen = {"at": now.isoformat(timespec="seconds"), "kind": str(kind)}
    row.recent = [seen, *row.recent][:_RECENT]
    if row.window_at <= now - WINDOW:
        row.window_at, row.window_calls, row.window_failures = now, 0, 0
    row.window_calls += 1


def _fails_too_often(row: Upstream) -> bool:
    if row.in_a_row >= MAX_FAILURES_IN_A_ROW:
        return True
    is_enough = row.window_calls >= MIN_CALLS
    return is_enough and row.window_failures >= MAX_FAILURE_SHARE * row.window_calls


def _open(
    row: Upstream, kind: Failure, now: datetime, asked: float | None = None
) -> None:
    """Open a locked row for the next pause, or for the `asked` seconds."""
    if row.failing_since is None:
        row.failing_since = now
        row.openings = 0
        row.open_until = None
    pause = min(asked, MAX_PAUSE) if asked else 0.0
    if not asked and (row.open_until is None or row.open_until <= now):
        pause = PAUSES[min(row.openings, len(PAUSES) - 1)]
        row.openings += 1
    until = now + timedelta(seconds=pause)
    row.open_until = max(until, row.open_until or until)
    row.reason = kind


@one_transaction
def _take_retry(row: Upstream) -> bool:
    """Take one retry from the budget; return whether there was one."""
    now = timezone.now()
    row = Upstream.objects.select_for_update().get(pk=row.pk)
    if row.retry_allowance < FREE_RETRIES:
        returned = (now - row.retries_at).total_seconds() / RETRY_REFILL
        row.retry_allowance = min(row.retry_allowance + returned, FREE_RETRIES)
    row.retries_at = now
    is_there = row.retry_allowance >= 1
    if is_there:
        row.retry_allowance -= 1
    row.save(update_fields=["retry_allowance", "retries_at"])
    return is_there
