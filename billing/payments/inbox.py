"""The inbox: take callbacks of gateways, and post to the ledger what they state.

A callback is verified, stored once and answered at once. A worker then asks the gateway's
adapter for its facts, with no transaction open, and posts them in the transaction that
settles the row. So a gateway may repeat, reorder and delay its events as it likes. An
event that refers to one that has not arrived waits for it; one that can't be posted stays
`failed`, with its error, until an operator retries it.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models.functions import Now
from django.utils import timezone

from accounts.caller import Environment
from billing.errors import (
    GatewayFailed,
    InvalidSignature,
    MalformedCallback,
    TooEarly,
)
from billing.models import InboxEvent
from billing.payments import posting
from billing.payments.gateways import registry
from billing.payments.gateways.contract import (
    Callback,
    Fact,
    Gateway,
    Notice,
    Unprocessable,
)
from kit import quotas
from kit.db import connections
from kit.db.transactions import needs_transaction, one_transaction
from kit.errors import AppError
from kit.work import claims
from kit.work.loop import Crashed, Failed, NotNow, Work

WAITS = timedelta(days=30)
"""How long an event waits for the payment that it refers to."""
BODIES_KEPT_FOR = timedelta(days=90)
"""How long the bodies of posted events are kept."""
_MOST_REFUSED = 1_000_000  # counted in a day
_ENVIRONMENTS = {environment.value for environment in Environment}

logger = logging.getLogger(__name__)


def receive(name: str, callback: Callback) -> Mapping[str, object]:
    """Verify and store a callback; return the JSON that its gateway takes for success.

    Raises:
        NotFound: there is no such gateway.
        GatewayOff: its secret is not set, so nothing can be verified.
        InvalidSignature: it is not from the gateway; only a counter remembers it.
        MalformedCallback: it can't be read.
    """
    gateway = registry.find(name)
    try:
        notice = gateway.verify(callback)
    except InvalidSignature:
        _count_refused(name)
        raise
    _store_now(gateway, notice, callback.body)
    return gateway.acknowledgement


@needs_transaction
def store(gateway: Gateway, notice: Notice, body: bytes) -> None:
    """Store a verified event, unless it is there; a worker posts it.

    Raises:
        MalformedCallback: its body is not UTF-8, or its ID is empty or too long.
    """
    try:
        text = _without_secrets(body, gateway.secret_fields).decode()
    except UnicodeDecodeError as error:
        raise MalformedCallback from error
    if not 0 < len(notice.event_id) <= 255 or "\0" in text:
        raise MalformedCallback
    known = notice.environment in _ENVIRONMENTS
    event = InboxEvent(
        gateway=gateway.name,
        environment=notice.environment if known else "",
        event_id=notice.event_id,
        type=notice.type[:100],
        body=text,
    )
    InboxEvent.objects.bulk_create([event], ignore_conflicts=True)
    work.ring_on_commit()


@one_transaction
def _store_now(gateway: Gateway, notice: Notice, body: bytes) -> None:
    store(gateway, notice, body)


@needs_transaction
def retry(event_id: UUID) -> bool:
    """Let a failed or waiting event be tried again now; return whether it was."""
    waiting = (InboxEvent.Status.FAILED, InboxEvent.Status.QUEUED)
    rows = InboxEvent.objects.filter(pk=event_id, status__in=waiting)
    is_retried = rows.update(
        status=InboxEvent.Status.QUEUED,
        ready_at=Now(),
        settled_at=None,
        attempts=0,
        crashes=0,
    )
    work.ring_on_commit()
    return bool(is_retried)


def prune() -> int:
    """Remove the bodies of events that were posted long ago; return how many.

    They name buyers. What was posted, and the event's ID, stay.
    """
    old = InboxEvent.objects.filter(
        status=InboxEvent.Status.COMPLETED, received_at__lt=Now() - BODIES_KEPT_FOR
    )
    return old.exclude(body="").update(body="")


def refused_today(name: str) -> int:
    """Return how many callbacks of a gateway had a wrong signature today, in UTC."""
    return quotas.used("refused callbacks", name, period=quotas.today())


@one_transaction
def _count_refused(name: str) -> None:
    quotas.take("refused callbacks", name, limit=_MOST_REFUSED, period=quotas.today())


def _without_secrets(body: bytes, names: Sequence[str]) -> bytes:
    """Return a JSON text in which the text values of these keys are dots."""
    for name in names:
        key = re.escape(f'"{name}"'.encode())
        body = re.sub(rb"(%s\s*:\s*)\"(?:[^\"\\]|\\.)*\"" % key, rb'\1"..."', body)
    return body


def _read(event: InboxEvent, _: claims.Lease) -> Sequence[Fact]:
    """Return what an event states.

    Raises:
        Failed: the gateway did not answer, or an operator has to look at it.
    """
    if not event.environment:
        raise Failed("It names no environment that we know.", is_last=True)
    gateway = registry.find(event.gateway)
    connections.give_back()
    try:
        return gateway.facts(event)
    except GatewayFailed as error:
        logger.warning("inbox event %s: %s", event.pk, error.detail)
        raise Failed(f"The gateway did not answer: {error.detail}") from error
    except Unprocessable as error:
        raise Failed(str(error), is_last=True) from error


def _post(event: InboxEvent, facts: Sequence[Fact]) -> dict[str, Any]:
    """Post the facts of an event; return the columns of its row.

    Raises:
        NotNow: they refer to something that was not reported yet.
        Failed: an operator has to look at them.
    """
    try:
        result = posting.post_all(facts, Environment(event.environment))
    except TooEarly as error:
        raise _wait(event, error) from error
    except (Unprocessable, AppError) as error:
        raise Failed(str(error), is_last=True) from error
    return {"result": result, "error": ""}


def _wait(event: InboxEvent, error: TooEarly) -> Exception:
    """Return how an event waits: with growing pauses, and not for ever.

    What it waits for wakes it sooner: see `billing.payments.posting`.
    """
    now = timezone.now()
    age = now - event.received_at
    if age > WAITS:
        return Failed(str(error), is_last=True)
    pause = min(max(age, timedelta(seconds=2)), timedelta(hours=1))
    subject = str(error.params.get("subject", ""))
    return NotNow(now + pause, waits_for=subject, error=str(error))


def _explain(error: Exception) -> dict[str, Any]:
    if isinstance(error, Crashed):
        return {"error": "Its worker was lost several times."}
    return {"error": str(error) if isinstance(error, Failed) else type(error).__name__}


work = Work(
    task="billing.tasks.post_inbox",
    queue="remote",
    rows=InboxEvent.objects.all,
    perform=_read,
    complete=_post,
    explain=_explain,
    ended={"waits_for": "", "settled_at": Now()},
    # Three days, as long as gateways themselves retry.
    tries=90,
    pauses=(1, 5, 15, 60, 300, 900, 3600),
    slots=4,
)
