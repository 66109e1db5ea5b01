"""Deliveries: emitted with their fact, sent, retried, settled, failed."""

import json
import random
import socket
from collections import Counter
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, connections, transaction
from django.db.transaction import TransactionManagementError
from django.utils import timezone
from standardwebhooks.webhooks import Webhook

from kit.secrets import encrypt
from kit.work import claims
from tests.webhooks import factories
from tests.webhooks import receiver as scripts
from tests.webhooks.receiver import Receiver
from webhooks import endpoints
from webhooks.emit import emit
from webhooks.errors import DeliveryBusy, EndpointDisabled
from webhooks.events import TEST, EventType
from webhooks.models import Attempt, Delivery, Endpoint, Event
from webhooks.sending import claiming, delivery, replay, retention, signing

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("no_bells"),
]
DONE = EventType("thing.done", "A thing was done.", {"id": 1})


@pytest.fixture(autouse=True)
def declared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Declare an event type for the tests of this file."""
    types = {DONE.name: DONE, TEST.name: TEST}
    monkeypatch.setattr("webhooks.endpoints.event_types", lambda: types)


def test_without_subscribers_nothing_is_built_or_written(
    django_assert_num_queries,
) -> None:
    of = factories.workspace()
    factories.endpoint(of)  # to another type
    factories.endpoint(events=[DONE.name])  # of another workspace
    with transaction.atomic(), django_assert_num_queries(1):
        assert emit(of.pk, DONE, lambda: pytest.fail("built for nobody")) is None
    assert Event.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_event_is_rolled_back_with_its_fact() -> None:
    of = factories.workspace()
    factories.endpoint(of, events=[DONE.name])
    with transaction.atomic():
        emit(of.pk, DONE, lambda: {"id": 1})
        assert Event.objects.exists()
        transaction.set_rollback(True)
    assert not Event.objects.exists()
    with pytest.raises(TransactionManagementError):
        emit(of.pk, DONE, lambda: {"id": 1})  # in no transaction at all


def test_all_endpoints_get_the_same_bytes_and_id(receiver: Receiver) -> None:
    of = factories.workspace()
    one = factories.endpoint(of, url=receiver.url("/one"), events=[DONE.name])
    two = factories.endpoint(of, url=receiver.url("/two"), events=[DONE.name])
    factories.endpoint(of, url=receiver.url("/no"), events=[TEST.name])
    with transaction.atomic():
        event = emit(
            of.pk, DONE, lambda: {"title": "Ozvěna"}, url=receiver.url("/own?x=1")
        )
    assert event is not None
    assert delivery.work() == 3

    by_path = {request.path: request for request in receiver.received}
    assert sorted(by_path) == ["/one", "/own?x=1", "/two"]
    assert {request.body for request in receiver.received} == {bytes(event.body)}
    assert {r.headers["webhook-id"] for r in receiver.received} == {str(event.pk)}
    own = signing.secret_of(signing.default_signer(of.pk)).reveal_text()
    for path, secret in [
        ("/one", factories.secret(one)),
        ("/two", factories.secret(two)),
        ("/own?x=1", own),
    ]:
        body = Webhook(secret).verify(by_path[path].body, by_path[path].headers)
        assert body == {
            "type": "thing.done",
            "timestamp": event.created_at.isoformat(timespec="milliseconds").replace(
                "+00:00", "Z"
            ),
            "data": {"title": "Ozvěna"},
        }
        assert by_path[path].headers["content-type"] == "application/json"
    assert set(Delivery.objects.values_list("status", flat=True)) == {"completed"}


def test_an_event_is_never_changed() -> None:
    event = factories.delivery().event
    with (
        pytest.raises(IntegrityError, match="never changed"),
        transaction.atomic(),
    ):
        Event.objects.filter(pk=event.pk).update(body=b"other")
    event.refresh_from_db()
    assert json.loads(bytes(event.body))["data"] == {}


def test_each_attempt_is_a_row(receiver: Receiver) -> None:
    receiver.play(scripts.status(500, body=b"x" * 5000), scripts.reset)
    sent = factories.delivery(factories.endpoint(url=receiver.url()))
    for _ in range(2):
        assert delivery.work() == 1
        factories.pass_time(timedelta(minutes=1))

    first, second = sent.tries.order_by("id")
    assert (first.status, first.failure) == (500, "")
    assert first.answer == "x" * 2048
    assert first.address == "127.0.0.1"
    assert first.url == receiver.url()
    assert (second.status, second.failure, second.answer) == (None, "broken", "")
    sent.refresh_from_db()
    assert (sent.status, sent.attempts) == ("queued", 2)
    ids = {request.headers["webhook-id"] for request in receiver.received}
    assert ids == {str(sent.event_id)}


def test_delivery_fails_after_the_whole_schedule(receiver: Receiver) -> None:
    receiver.play(scripts.status(500))
    to = factories.endpoint(url=receiver.url())
    sent = factories.delivery(to)
    waits = []
    while delivery.work():
        sent.refresh_from_db()
        if sent.status == "queued":
            wait = sent.ready_at - timezone.now()
            waits.append(wait.total_seconds())
            factories.pass_time(wait - timedelta(seconds=1))
            assert delivery.work() == 0  # not a second too early
            factories.pass_time(timedelta(seconds=2))

    plan = [5, 25, 125, 1800, 7200, 18000, 36000, 50400, 72000, 86400]
    assert len(waits) == len(plan)
    for seconds, pause in zip(waits, plan, strict=True):
        assert pause - 3 < seconds <= pause * 1.2
    assert sent.status == "failed"
    assert sent.tries.count() == 11
    assert sent.tries.latest("id").next_at is None
    to.refresh_from_db()
    assert (to.is_enabled, to.failures) == (True, 11)


@pytest.mark.django_db(transaction=True)
def test_a_call_holds_no_database_connection(receiver: Receiver) -> None:
    """Calls last for seconds, and the pool is small."""
    sent = factories.delivery(factories.endpoint(url=receiver.url()))
    held: list[object] = []
    ours = connections["default"]  # and not that of the thread that answers
    assert ours.connection is not None

    def answer(peer: socket.socket) -> None:
        held.append(ours.connection)
        scripts.status(200)(peer)

    receiver.play(answer)
    assert delivery.work() == 1
    sent.refresh_from_db()
    assert (held, sent.status) == ([None], "completed")


def test_events_of_a_disabled_endpoint_can_be_replayed(
    receiver: Receiver,
) -> None:
    of = factories.workspace()
    to = factories.endpoint(of, url=receiver.url(), events=[DONE.name])
    with transaction.atomic():
        endpoints.change(to.pk, is_enabled=False)
    began = timezone.now()
    for number in range(3):
        with transaction.atomic():
            emit(of.pk, DONE, partial(dict, number=number))
    assert delivery.work() == 0
    with transaction.atomic(), pytest.raises(EndpointDisabled):
        replay.replay_failed(to.pk, since=began)
    with transaction.atomic():
        endpoints.change(to.pk, is_enabled=True)
        assert replay.replay_failed(to.pk, since=began) == 3
    assert delivery.work() == 3
    numbers = [json.loads(r.body)["data"]["number"] for r in receiver.received]
    assert sorted(numbers) == [0, 1, 2]


def test_replay_sends_the_same_id_again_with_a_new_time(receiver: Receiver) -> None:
    sent = factories.delivery(factories.endpoint(url=receiver.url()))
    delivery.work()
    with transaction.atomic():
        again = replay.replay(sent.pk)
    assert (again.status, again.attempts, again.finished_at) == ("queued", 0, None)
    delivery.work()

    first, second = receiver.received
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert sent.tries.count() == 2


def test_replay_of_failures_takes_only_those_since_a_time(receiver: Receiver) -> None:
    to = factories.endpoint(url=receiver.url())
    old, new, good = (factories.delivery(to) for _ in range(3))
    since = timezone.now() - timedelta(hours=1)
    Delivery.objects.filter(pk=old.pk).update(
        status="failed", created_at=since - timedelta(hours=1)
    )
    Delivery.objects.filter(pk=new.pk).update(status="failed", attempts=11)
    Delivery.objects.filter(pk=good.pk).update(status="completed")
    with transaction.atomic():
        assert replay.replay_failed(to.pk, since=since) == 1
    assert delivery.work() == 1
    assert receiver.received[0].headers["webhook-id"] == str(new.event_id)


def test_a_delivery_being_sent_is_not_replayed() -> None:
    sent = factories.delivery()
    claiming.claim_next()
    with transaction.atomic(), pytest.raises(DeliveryBusy):
        replay.replay(sent.pk)


def test_changed_url_gets_queued_deliveries(receiver: Receiver) -> None:
    to = factories.endpoint(url=receiver.url("/old"))
    factories.delivery(to)
    with transaction.atomic():
        endpoints.change(to.pk, url=receiver.url("/new"))
    delivery.work()
    assert [request.path for request in receiver.received] == ["/new"]


def test_nothing_is_sent_to_a_disabled_or_deleted_endpoint(receiver: Receiver) -> None:
    rows = []
    for change in ({"is_enabled": False}, {"deleted": True}):
        to = factories.endpoint(url=receiver.url())
        rows.append(factories.delivery(to))
        held = claiming.claim_next()  # a worker was quicker than the owner
        assert held is not None
        with transaction.atomic():
            if "deleted" in change:
                endpoints.delete(to.pk)
            else:
                endpoints.change(to.pk, is_enabled=False)
        delivery.work.do(held)
    for row in rows:
        row.refresh_from_db()
        assert row.status == "canceled"
    assert receiver.received == []
    assert not Attempt.objects.exists()


def test_url_that_became_unusable_is_a_failed_attempt(settings) -> None:
    settings.WEBHOOK_ALLOW_LOOPBACK = True
    sent = factories.delivery(factories.endpoint(url="http://127.0.0.1:9/"))
    settings.WEBHOOK_ALLOW_LOOPBACK = False
    delivery.work()
    sent.refresh_from_db()
    assert sent.status == "queued"
    assert sent.tries.get().failure == "url"


def test_undecryptable_secret_does_not_count_against_the_endpoint(
    receiver: Receiver,
) -> None:
    to = factories.endpoint(url=receiver.url())
    sent = factories.delivery(to)
    Endpoint.objects.update(secret=encrypt("x", context="elsewhere"))
    assert delivery.work() == 1
    sent.refresh_from_db()
    to.refresh_from_db()
    assert (sent.status, sent.attempts) == ("queued", 1)
    assert sent.tries.get().failure == "internal"
    assert (to.failures, receiver.received) == (0, [])


def test_worker_that_lost_its_lease_writes_nothing(receiver: Receiver) -> None:
    sent = factories.delivery(factories.endpoint(url=receiver.url()))
    slow = claiming.claim_next()
    assert slow is not None
    Delivery.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert claims.take_back(Delivery.objects.all()) == 1
    assert delivery.work() == 1  # another worker
    delivery.work.do(slow)

    sent.refresh_from_db()
    assert (sent.status, sent.crashes) == ("completed", 1)
    assert sent.tries.count() == 1
    assert len({r.headers["webhook-id"] for r in receiver.received}) == 1


def test_receiver_that_was_down_for_a_day_gets_every_event(receiver: Receiver) -> None:
    rng = random.Random(24)
    receiver.play(scripts.status(503), scripts.reset, scripts.status(500), path="/hook")
    to = factories.endpoint(url=receiver.url())
    start = timezone.now()
    happens = sorted(rng.uniform(0, 24 * 3600) for _ in range(12))
    elapsed = 0.0
    arrived_after: float | None = None
    expected: set[str] = set()
    while True:
        while happens and happens[0] <= elapsed:
            happens.pop(0)
            expected.add(str(factories.delivery(to).event_id))
        if elapsed >= 24 * 3600 and arrived_after is None:
            receiver.play(scripts.status(200), path="/hook")
            receiver.received.clear()
            arrived_after = elapsed
        delivery.work()
        soonest = _soonest(start)
        if arrived_after is not None and soonest is None:
            break
        # Jump to whatever comes next: an event, an attempt, or the server's return.
        steps = [happens[0] - elapsed] if happens else []
        if soonest is not None:
            steps.append(max(soonest, 0.001))
        if arrived_after is None:
            steps.append(24 * 3600 - elapsed)
        step = min(steps) + 0.01
        factories.pass_time(timedelta(seconds=step))
        elapsed += step

    assert len(expected) == 12
    arrived = Counter(r.headers["webhook-id"] for r in receiver.received)
    assert arrived == dict.fromkeys(expected, 1)
    assert set(Delivery.objects.values_list("status", flat=True)) == {"completed"}
    to.refresh_from_db()
    assert to.is_enabled


def _soonest(now: datetime) -> float | None:
    """Return the seconds until the next attempt; None if nothing is queued."""
    waiting = Delivery.objects.filter(status="queued").order_by("ready_at").first()
    if waiting is None:
        return None
    return (waiting.ready_at - timezone.now()).total_seconds()


def test_old_events_are_deleted_and_unfinished_ones_kept() -> None:
    to = factories.endpoint()
    old, waiting, young = (factories.delivery(to) for _ in range(3))
    Delivery.objects.exclude(pk=waiting.pk).update(status="completed")
    removed = factories.endpoint()
    with transaction.atomic():
        endpoints.delete(removed.pk)
    long_ago = timezone.now() - timedelta(days=30, seconds=1)
    Endpoint.objects.filter(pk=removed.pk).update(deleted_at=long_ago)
    for row in (old, waiting):
        _date(row.event_id, long_ago)

    assert retention.prune(batch=1) == 1
    assert set(Delivery.objects.all()) == {waiting, young}
    assert Event.objects.count() == 2
    assert list(Endpoint.objects.all()) == [to]
    assert retention.prune() == 0


def _date(event_id: UUID, at: datetime) -> None:
    """Change the age of an event, without the trigger that refuses changes."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(
            "UPDATE webhooks_event SET created_at = %s WHERE id = %s", [at, event_id]
        )
