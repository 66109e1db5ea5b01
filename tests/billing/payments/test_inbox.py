"""Callbacks are verified, stored once, and posted once, whatever happens between."""

import time
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from billing.errors import GatewayFailed
from billing.models import InboxEvent, Order
from billing.payments import inbox
from billing.payments.gateways.contract import Callback, Ignored
from billing.payments.gateways.demo import SIGNATURE, Demo, sign
from tests.billing.factories import violations
from tests.billing.payments.paying import (
    events,
    granted,
    order,
    paid,
    process,
    send,
)
from tests.threads import in_threads

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_callback_is_acknowledged_and_posted(offers):
    bought = order()
    answer = send(paid(bought))
    assert (answer.status_code, answer.json()) == (200, {"received": True})
    assert granted(bought.workspace) == []  # not in the request of the gateway
    assert process() == 1
    assert granted(bought.workspace) == [("pack", 25_000)]
    assert events() == [("completed", "paid: 25,000 credits", "")]
    bought.refresh_from_db()
    assert (bought.status, bought.paid_amount, bought.currency) == ("paid", 299, "USD")
    assert violations() == {}


def test_a_callback_sent_fifty_times_at_once_grants_once(offers):
    bought = order()
    callback = paid(bought)
    # Ten connections, five times each: as many as the pool has for requests.
    answers = in_threads(10, lambda: [send(callback).status_code for _ in range(5)])
    assert answers == [[200] * 5] * 10
    assert sum(in_threads(4, process)) == 1
    assert granted(bought.workspace) == [("pack", 25_000)]
    assert len(events()) == 1


def test_two_events_of_one_payment_grant_once(offers):
    bought = order()
    for number in range(8):
        body = paid(bought).body.replace(b"_paid", b"_paid%d" % number)
        assert send(signed(body)).status_code == 200
    assert sum(in_threads(4, process)) == 8
    assert granted(bought.workspace) == [("pack", 25_000)]
    assert sorted(result for _, result, _ in events()) == [
        "paid: 25,000 credits",
        *["posted before: 25,000 credits"] * 7,
    ]
    assert violations() == {}


@pytest.mark.parametrize(
    "change",
    [
        lambda call: Callback({}, call.body),
        lambda call: Callback(call.headers, call.body + b" "),
        lambda call: Callback({SIGNATURE: "t=1,v1=00"}, call.body),
        lambda call: signed(call.body, time.time() - 301),
        lambda call: signed(call.body, time.time() + 301),
    ],
    ids=["none", "body", "wrong", "old", "future"],
)
def test_a_wrong_signature_leaves_nothing_but_a_count(offers, change):
    answer = send(change(paid(order())))
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_signature")
    assert events() == []
    assert inbox.refused_today("demo") == 1


def test_a_gateway_that_is_off_is_never_compared(offers, settings):
    callback = paid(order())
    settings.DEVELOPMENT = False
    answer = send(callback)
    assert (answer.status_code, answer.json()["code"]) == (503, "gateway_off")
    answer = send(callback, "nobody")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert (events(), inbox.refused_today("demo")) == ([], 0)


@pytest.mark.parametrize("body", [b"{}", b"[]", b"no JSON", b'{"id": "\xff"}'])
def test_a_signed_callback_that_cannot_be_read_is_refused(offers, body):
    answer = send(signed(body))
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_callback")
    assert events() == []


def test_an_unknown_environment_is_kept_and_not_posted(offers):
    bought = order()
    body = paid(bought).body.replace(b"PRODUCTION", b"STAGING")
    assert send(signed(body)).status_code == 200
    process()
    assert events() == [("failed", "", "It names no environment that we know.")]
    assert granted(bought.workspace) == []


def test_a_sandbox_event_cannot_pay_a_production_order(offers):
    bought = order()
    assert send(signed(paid(bought).body.replace(b"PRODUCTION", b"SANDBOX")))
    process()
    error = f"The order {bought.pk} is of demo, PRODUCTION."
    assert events() == [("failed", "", error)]
    assert granted(bought.workspace) == granted(bought.workspace, "SANDBOX") == []


def test_secrets_are_not_stored(offers, monkeypatch):
    monkeypatch.setattr(Demo, "secret_fields", ("client_secret",), raising=False)
    body = paid(order()).body.replace(
        b'"type"', b'"client_secret" : "s3cr\\"et", "client_secret_2": "kept", "type"'
    )
    assert send(signed(body)).status_code == 200
    stored = InboxEvent.objects.get().body
    assert "s3cr" not in stored
    assert '"client_secret" : "...", "client_secret_2": "kept", "type"' in stored


def test_a_gateway_that_fails_is_asked_again(offers, monkeypatch):
    bought = order()
    send(paid(bought))
    facts = Demo.facts

    def fail(self, event):
        raise GatewayFailed("TimedOut")

    monkeypatch.setattr(Demo, "facts", fail)
    process()
    assert events() == [("queued", "", "The gateway did not answer: TimedOut")]
    assert granted(bought.workspace) == []
    monkeypatch.setattr(Demo, "facts", facts)
    due()
    process()
    assert events() == [("completed", "paid: 25,000 credits", "")]
    assert granted(bought.workspace) == [("pack", 25_000)]


def test_an_operator_can_retry_what_failed(offers, monkeypatch):
    bought = order()
    send(paid(bought))
    facts = Demo.facts
    monkeypatch.setattr(Demo, "facts", lambda self, event: 1 / 0)
    process()
    assert events() == [("queued", "", "ZeroDivisionError")]
    InboxEvent.objects.update(status="failed")
    monkeypatch.setattr(Demo, "facts", facts)
    assert process() == 0
    event = InboxEvent.objects.get()
    with transaction.atomic():
        assert inbox.retry(event.pk)
    process()
    assert granted(bought.workspace) == [("pack", 25_000)]
    with transaction.atomic():
        assert not inbox.retry(event.pk), "a completed event is not retried"


def test_an_event_that_waits_for_too_long_fails(offers, monkeypatch):
    from tests.billing.payments.test_posting import refunded

    monkeypatch.setattr(Demo, "facts", lambda self, event: [refunded("demo_no", 1)])
    send(paid(order()))
    process()
    waiting = "demo_no was not reported yet."
    assert events() == [("queued", "", waiting)]
    assert InboxEvent.objects.get().waits_for == "demo_no"
    long_ago = timezone.now() - inbox.WAITS - timedelta(minutes=1)
    InboxEvent.objects.update(received_at=long_ago)
    due()
    process()
    assert events() == [("failed", "", waiting)]


def test_what_is_ignored_says_why(offers, monkeypatch):
    monkeypatch.setattr(Demo, "facts", lambda self, event: [Ignored("A test.")])
    send(paid(order()))
    process()
    assert events() == [("completed", "ignored: A test.", "")]
    assert Order.objects.get().status == "pending"


def test_bodies_are_removed_after_a_while(offers):
    send(paid(order()))
    process()
    send(paid(order()))
    assert inbox.prune() == 0
    past = timezone.now() - inbox.BODIES_KEPT_FOR - timedelta(minutes=1)
    InboxEvent.objects.update(received_at=past)
    assert inbox.prune() == 1, "only what was posted"
    assert inbox.prune() == 0
    assert InboxEvent.objects.filter(body="").get().result == "paid: 25,000 credits"


def signed(body: bytes, at: float | None = None) -> Callback:
    when = int(time.time() if at is None else at)
    return Callback({SIGNATURE: sign(body, when)}, body)


def due() -> None:
    """Let the pauses of all waiting events be over."""
    InboxEvent.objects.filter(status="queued").update(ready_at=timezone.now())
