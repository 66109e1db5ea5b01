"""Deliver events: claim a delivery, send it, record the attempt, and retry or end it.

This is the only place that retries.
"""

import logging
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce
from django.utils import timezone

from kit.db import connections
from kit.work import claims
from kit.work.loop import Work
from webhooks import endpoints
from webhooks.emit import DELIVER, QUEUE
from webhooks.models import Attempt, Delivery, Endpoint, is_success
from webhooks.sending import claiming, post, schedule, signing
from webhooks.sending.post import Outcome

FAILING_FOR = timedelta(days=5)
"""An endpoint is disabled when all its attempts have failed for this long…"""
MIN_FAILURES = 10
"""…and at least this often: one failed event is not enough."""
_GONE = 410

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sent:
    """The URL, time and outcome of a sent delivery."""

    url: str
    at: datetime
    outcome: Outcome | None  # None: its endpoint was disabled while it waited


def _perform(held: Delivery, _: claims.Lease) -> Sent:
    sent_at = timezone.now()
    # Read again: the URL may have changed since it was queued.
    rows = Delivery.objects.select_related("event", "endpoint")
    delivery = rows.filter(pk=held.pk).first()
    if delivery is None:
        raise claims.LeaseLost(f"{held!r}: it was deleted")
    is_open = delivery.endpoint is None or _is_open(delivery.endpoint)
    outcome = _send(delivery, sent_at) if is_open else None
    return Sent(delivery.address, sent_at, outcome)


def _is_open(endpoint: Endpoint) -> bool:
    return endpoint.is_enabled and endpoint.deleted_at is None


def _send(delivery: Delivery, sent_at: datetime) -> Outcome:
    signer = delivery.endpoint or signing.default_signer(delivery.workspace_id)
    body = bytes(delivery.event.body)
    timestamp = int(sent_at.timestamp())
    signature = signing.sign(
        signing.keys_of(signer),
        event_id=delivery.event_id,
        timestamp=timestamp,
        body=body,
    )
    connections.give_back()
    return post.post(
        delivery.address,
        body,
        {
            "Content-Type": "application/json",
            "User-Agent": "Ozvena-Webhooks/1",
            "webhook-id": str(delivery.event_id),
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature,
        },
        deadline=post.DEADLINE,
    )


def _fail(held: Delivery, error: Exception) -> None:
    """Settle an internal error: a bug, or a secret that can't be decrypted."""
    logger.error("delivery %s failed", held.pk, exc_info=error)
    outcome = Outcome(duration_ms=0, failure=Attempt.Failure.INTERNAL)
    with transaction.atomic(durable=True):
        _settle(held, Sent(held.address, timezone.now(), outcome))


def _settle(held: Delivery, sent: Sent) -> None:
    """Write the attempt, and update the delivery and the health of its endpoint.

    Raises:
        LeaseLost: another worker holds the delivery now, and writes the attempt.
    """
    delivery = claims.lock_held(held)
    outcome = sent.outcome
    if outcome is None:
        _end(delivery, Delivery.Status.CANCELED, timezone.now())
        return
    now = timezone.now()
    attempt = Attempt(
        delivery=delivery,
        url=sent.url,
        started_at=sent.at,
        duration_ms=outcome.duration_ms,
        address=outcome.address,
        status=outcome.status,
        failure=outcome.failure,
        answer=outcome.answer,
    )
    if is_success(outcome.status):
        _end(delivery, Delivery.Status.COMPLETED, now)
    else:
        attempt.next_at = _after_failure(delivery, outcome, now)
    attempt.save(force_insert=True)
    if delivery.endpoint_id and outcome.failure != Attempt.Failure.INTERNAL:
        _record_health(delivery.endpoint_id, sent.url, outcome, now)


def _after_failure(
    delivery: Delivery, outcome: Outcome, now: datetime
) -> datetime | None:
    """Queue a locked delivery again, or fail it; return the time of the next attempt."""
    delivery.attempts += 1
    pause = schedule.requested_pause(outcome.retry_after, now=now)
    again = schedule.next_attempt(delivery.attempts, now=now, min_pause=pause)
    if again is None or outcome.status == _GONE:
        _end(delivery, Delivery.Status.FAILED, now)
        return None
    delivery.status = Delivery.Status.QUEUED
    delivery.lease_until = None
    delivery.ready_at = again
    delivery.save(update_fields=["status", "lease_until", "ready_at", "attempts"])
    return again


def _end(delivery: Delivery, status: Delivery.Status, now: datetime) -> None:
    delivery.status = status
    delivery.lease_until = None
    delivery.finished_at = now
    delivery.save(update_fields=["status", "lease_until", "finished_at", "attempts"])


def _record_health(
    endpoint_id: uuid.UUID, url: str, outcome: Outcome, now: datetime
) -> None:
    """Record the health of an endpoint; disable it if it is gone or fails for long.

    Ignored if the endpoint has another URL by now. A success doesn't end a pause
    (`rests_until`): that call had started before the pause.
    """
    mine = Endpoint.objects.filter(pk=endpoint_id, url=url)
    if is_success(outcome.status):
        mine.update(succeeded_at=now, failing_since=None, failures=0)
        return
    pause = schedule.requested_pause(outcome.retry_after, now=now)
    changes: dict[str, object] = {"rests_until": now + pause} if pause else {}
    is_current = mine.update(
        failing_since=Coalesce("failing_since", now),
        failures=F("failures") + 1,
        **changes,
    )
    if not is_current:
        return
    if outcome.status == _GONE:
        endpoints.switch_off(endpoint_id, Endpoint.Off.GONE)
    elif mine.filter(
        failing_since__lte=now - FAILING_FOR, failures__gte=MIN_FAILURES
    ).exists():
        endpoints.switch_off(endpoint_id, Endpoint.Off.FAILING)


work = Work(
    task=DELIVER,
    queue=QUEUE,
    rows=Delivery.objects.all,
    claim=claiming.claim_next,
    waiting=claiming.count_startable,
    perform=_perform,
    settle=_settle,
    fail=_fail,
    most_crashes=None,
)
