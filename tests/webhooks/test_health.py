"""Health of an endpoint: pauses, disabling and reset."""

import socket
from datetime import timedelta

import pytest
from django.core import mail
from django.core.mail import EmailMessage
from django.db import connection, transaction
from django.utils import timezone

from kit.mail import outbox
from tests.webhooks import factories
from tests.webhooks import receiver as scripts
from tests.webhooks.receiver import Receiver
from webhooks import endpoints
from webhooks.models import Delivery, Endpoint
from webhooks.sending import delivery

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("no_bells"),
]


def test_retry_after_pauses_the_whole_endpoint(receiver: Receiver) -> None:
    receiver.play(scripts.status(429, "Retry-After: 100"), scripts.status(200))
    to = factories.endpoint(url=receiver.url())
    first = factories.delivery(to)
    assert delivery.work() == 1
    second = factories.delivery(to)
    assert delivery.work() == 0  # new events wait as well

    first.refresh_from_db()
    rest = (first.ready_at - timezone.now()).total_seconds()
    assert 95 < rest <= 120
    factories.pass_time(timedelta(seconds=99))
    assert delivery.work() == 0
    factories.pass_time(timedelta(seconds=22))
    assert delivery.work() == 2
    for row in (first, second):
        row.refresh_from_db()
        assert row.status == "completed"
    to.refresh_from_db()
    assert (to.failing_since, to.failures, to.is_resting) == (None, 0, False)


@pytest.mark.django_db(transaction=True)
def test_call_that_started_earlier_does_not_end_a_pause(receiver: Receiver) -> None:
    to = factories.endpoint(url=receiver.url())
    factories.delivery(to)
    rest = timezone.now() + timedelta(minutes=10)

    def answer(peer: socket.socket) -> None:
        Endpoint.objects.filter(pk=to.pk).update(rests_until=rest)
        connection.close()
        scripts.status(200)(peer)

    receiver.play(answer)
    assert delivery.work() == 1
    to.refresh_from_db()
    assert (to.rests_until, to.succeeded_at is None) == (rest, False)


@pytest.mark.django_db(transaction=True)
def test_new_url_resets_the_health(receiver: Receiver) -> None:
    """Later answers of the old URL are ignored."""
    to = factories.endpoint(url=receiver.url("/old"))
    sent = factories.delivery(to)
    long_ago = timezone.now() - timedelta(days=6)
    Endpoint.objects.update(failing_since=long_ago, failures=20)

    def gone(peer: socket.socket) -> None:
        with transaction.atomic():
            endpoints.change(to.pk, url=receiver.url("/new"))
        connection.close()
        scripts.status(410)(peer)

    receiver.play(gone, path="/old")
    assert delivery.work() == 1
    to.refresh_from_db()
    sent.refresh_from_db()
    assert (to.is_enabled, to.failures, to.failing_since) == (True, 0, None)
    assert (to.rests_until, sent.tries.get().status) == (None, 410)


def mails() -> list[EmailMessage]:
    """Send what is in the outbox, and return it."""
    outbox.work()
    return mail.outbox


@pytest.mark.django_db(transaction=True)
def test_410_disables_at_once_and_mails_the_owner(receiver: Receiver) -> None:
    receiver.play(scripts.status(410))
    of = factories.workspace()
    to = factories.endpoint(of, url=receiver.url())
    first, waiting = factories.delivery(to), factories.delivery(to)
    Delivery.objects.filter(pk=waiting.pk).update(
        ready_at=timezone.now() + timedelta(hours=1)
    )
    assert delivery.work() == 1

    for row in (first, waiting, to):
        row.refresh_from_db()
    assert (first.status, waiting.status) == ("failed", "canceled")
    assert (to.is_enabled, to.disabled_because) == (False, "gone")
    (mail,) = mails()
    assert mail.to == [of.members.get().email]
    assert receiver.url() in mail.body
    assert f"/webhooks/{to.pk}" in mail.body


@pytest.mark.django_db(transaction=True)
def test_no_mail_for_a_deleted_endpoint_that_answers_410(
    receiver: Receiver,
) -> None:
    to = factories.endpoint(url=receiver.url())
    sent = factories.delivery(to)

    def gone(peer: socket.socket) -> None:
        with transaction.atomic():  # its owner removes it while it is called
            endpoints.delete(to.pk)
        connection.close()
        scripts.status(410)(peer)

    receiver.play(gone)
    assert delivery.work() == 1
    sent.refresh_from_db()
    to.refresh_from_db()
    assert (sent.status, to.is_enabled) == ("failed", True)
    assert mails() == []


@pytest.mark.django_db(transaction=True)
def test_five_days_of_failures_disable(receiver: Receiver) -> None:
    receiver.play(scripts.status(500))
    to = factories.endpoint(url=receiver.url())
    since = timezone.now() - timedelta(days=4, hours=23)
    Endpoint.objects.filter(pk=to.pk).update(failing_since=since, failures=30)
    factories.delivery(to)
    delivery.work()
    to.refresh_from_db()
    assert (to.is_enabled, mails()) == (True, [])

    factories.pass_time(timedelta(hours=2))
    delivery.work()
    to.refresh_from_db()
    assert (to.is_enabled, to.disabled_because) == (False, "failing")
    assert len(mails()) == 1


def test_few_failures_do_not_disable_an_endpoint(
    receiver: Receiver,
) -> None:
    receiver.play(scripts.status(500))
    to = factories.endpoint(url=receiver.url())
    Endpoint.objects.filter(pk=to.pk).update(
        failing_since=timezone.now() - timedelta(days=20), failures=3
    )
    factories.delivery(to)
    delivery.work()
    to.refresh_from_db()
    assert to.is_enabled
