"""Nothing is waited for under a gate, and limits are exact whoever claims."""

import json
import threading
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from billing.errors import InsufficientCredits
from billing.ledger.wallets import wallet_of
from billing.models import Wallet
from providers.models import Provider
from synthesis.jobs import quotes
from synthesis.jobs.quotes import Order, RequestedScene
from synthesis.jobs.submit import submit
from synthesis.models import Gate, Job, Scene
from synthesis.work import claiming, gates
from tests import factories
from tests.synthesis.claim import claim
from tests.threads import in_threads

pytestmark = pytest.mark.django_db(transaction=True)


def until(condition) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


def in_background(pool, action):
    def run():
        try:
            return action()
        finally:
            connection.close()

    return pool.submit(run)


@pytest.mark.parametrize("limit", ["max_concurrent", "max_concurrent_per_key"])
def test_no_claim_waits_for_speech_that_waits_for_its_wallet(submitted, limit) -> None:
    Provider.objects.filter(slug="scripted").update(**{limit: 5})
    owner = factories.user()
    client = factories.api(factories.token(owner))
    body = json.dumps({"input": "At once.", "voice": "scripted:one"})
    wallet = wallet_of(factories.workspace(owner), "PRODUCTION")
    other = submitted(factories.caller(), "Of somebody else.")

    def post():
        return client.post("/api/v1/speech", body, content_type="application/json")

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            Wallet.objects.select_for_update().get(pk=wallet.pk)
            speech = in_background(pool, post)
            until(waits_for_a_lock)
            with ThreadPoolExecutor(1) as worker:
                claimed = in_background(worker, lambda: claiming.claim_next("remote"))
                scene = claimed.result(5)
            assert scene is not None
            assert scene.job == other
            assert not speech.done()
        assert speech.result(10).status_code == 200


def test_speech_sees_what_was_claimed_while_it_waited_for_its_wallet(submitted) -> None:
    Provider.objects.filter(slug="scripted").update(max_concurrent=1)
    owner = factories.user()
    client = factories.api(factories.token(owner))
    body = json.dumps({"input": "At once.", "voice": "scripted:one"})
    wallet = wallet_of(factories.workspace(owner), "PRODUCTION")
    submitted(factories.caller(), "Of somebody else.")

    def post():
        return client.post("/api/v1/speech", body, content_type="application/json")

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            Wallet.objects.select_for_update().get(pk=wallet.pk)
            speech = in_background(pool, post)
            until(waits_for_a_lock)
            in_threads(1, lambda: claim())
        answer = speech.result(10)
    assert (answer.status_code, answer["Retry-After"]) == (503, "1")
    wallet.refresh_from_db()
    assert (wallet.available, wallet.reserved, Job.objects.count()) == (5000, 0, 1)


def test_a_queue_does_not_wait_for_the_gate_of_another(submitted) -> None:
    submitted(factories.caller(), "Remote.")
    with transaction.atomic():
        gates.lock("local")
        assert in_threads(1, lambda: claiming.claim_next("remote")) != [None]


def test_scenes_are_written_before_the_wallet_is_locked(voices) -> None:
    caller = factories.caller()
    quote = quotes.quote(caller, Order([RequestedScene("Some.", "scripted:one")] * 700))
    with CaptureQueriesContext(connection) as queries, transaction.atomic():
        submit(caller, quote)
    sent = [str(query["sql"]) for query in queries]
    written = [n for n, sql in enumerate(sent) if 'INTO "synthesis_scene"' in sql]
    assert len(written) == 2
    # The ledger's cursor may bind in the server, where statements are not captured.
    locked = [
        n
        for n, sql in enumerate(sent)
        if sql == "None" or ("billing_wallet" in sql and "UPDATE" in sql)
    ]
    assert min(locked) > max(written)


def test_an_order_that_is_too_expensive_writes_nothing(voices) -> None:
    caller = factories.caller()
    quote = quotes.quote(caller, Order([RequestedScene("x" * 5001, "scripted:one")]))
    with (
        CaptureQueriesContext(connection) as queries,
        pytest.raises(InsufficientCredits),
        transaction.atomic(),
    ):
        submit(caller, quote)
    assert not any("INSERT" in query["sql"] for query in queries)


def test_two_jobs_of_a_workspace_at_once_take_their_turns_one_after_the_other(
    voices,
) -> None:
    caller = factories.caller()
    quote = quotes.quote(caller, Order([RequestedScene("Some.", "scripted:one")] * 3))

    def send() -> Job:
        with transaction.atomic():
            return submit(caller, quote)

    in_threads(4, send)
    turns = sorted(Scene.objects.values_list("turn", flat=True))
    assert turns == [55 * n for n in range(12)]


def test_limits_are_exact_when_several_processes_claim_in_batches(
    submitted, settings
) -> None:
    settings.WORKSPACE_CONCURRENCY = 4
    Provider.objects.filter(slug="scripted").update(max_concurrent=7)
    callers = [factories.caller() for _ in range(3)]
    for caller in callers:
        submitted(caller, *["Many at once."] * 10)

    # Each thread claims by itself, as another process would.
    found = in_threads(6, lambda: claiming.claim_batch("remote", 4))

    held = [scene.pk for batch in found for scene in batch]
    assert len(held) == len(set(held)) == 7
    spoken = Scene.objects.filter(status="processing")
    assert spoken.count() == 7
    of_each = [spoken.filter(workspace=one.workspace).count() for one in callers]
    assert max(of_each) <= 4


def test_a_batch_takes_turns_and_skips_what_is_held_back(submitted, settings) -> None:
    settings.WORKSPACE_CONCURRENCY = 2
    first = submitted(factories.caller(), *["A page."] * 5)
    other = submitted(factories.caller(), *["A page."] * 5)
    batch = claiming.claim_batch("remote", 10)
    rows = Scene.objects.in_bulk([scene.pk for scene in batch])
    assert [(rows[scene.pk].job_id, rows[scene.pk].turn) for scene in batch] == [
        *((first.pk, 0), (other.pk, 0), (first.pk, 57), (other.pk, 57)),
    ]
    gate = Gate.objects.get(queue="remote")
    assert (gate.turn, gate.claims) == (57, 4)


def test_rows_that_are_locked_are_skipped(submitted, settings) -> None:
    settings.WORKSPACE_CONCURRENCY = 100
    submitted(factories.caller(), *["A page."] * 4)
    with transaction.atomic():
        Scene.objects.select_for_update().get(turn=0)
        (batch,) = in_threads(1, lambda: claiming.claim_batch("remote", 2))
    rows = Scene.objects.in_bulk([scene.pk for scene in batch])
    assert sorted(row.turn for row in rows.values()) == [57, 114]


def test_threads_of_a_process_share_a_hold_of_the_gate(submitted, settings) -> None:
    settings.WORKSPACE_CONCURRENCY = 100
    submitted(factories.caller(), *["A page."] * 9)
    line = claiming._lines["remote"]
    held: list[int] = []
    original = claiming.claim_batch

    def counted(queue, most):
        held.append(most)
        return original(queue, most)

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(9) as pool:
        patch.setattr(claiming, "claim_batch", counted)
        with transaction.atomic():
            gates.lock("remote")
            first = in_background(pool, claim)
            until(lambda: held)
            others = [in_background(pool, claim) for _ in range(8)]
            until(lambda: len(line._waiting) == 8)
        scenes = [each.result(10) for each in (first, *others)]
    assert held == [1, 8]
    assert len({scene.pk for scene in scenes}) == 9
    assert {scene.fence for scene in scenes} == {1}


def test_a_claim_that_fails_ends_only_the_thread_that_made_it(
    submitted, monkeypatch
) -> None:
    submitted(factories.caller(), *["A page."] * 3)
    line, barrier = claiming._lines["remote"], threading.Event()

    def fail(queue, most):
        barrier.wait(10)
        raise OSError("no connection")

    monkeypatch.setattr(claiming, "claim_batch", fail)
    with ThreadPoolExecutor(3) as pool:
        threads = [in_background(pool, lambda: claiming.claim_next("remote"))]
        until(lambda: line._first.locked() and not line._waiting)
        threads += [
            in_background(pool, lambda: claiming.claim_next("remote")) for _ in range(2)
        ]
        until(lambda: len(line._waiting) == 2)
        barrier.set()
        errors = [thread.exception(10) for thread in threads]
    # The second claimed for the third as well, which merely stops.
    assert Counter(map(type, errors)) == {OSError: 2, type(None): 1}
    assert not line._waiting


def test_its_holds_are_written_for_metrics(submitted, monkeypatch) -> None:
    submitted(factories.caller(), "A page.", "Another page.")
    monkeypatch.setattr(gates._holds, "_held", defaultdict(list))
    monkeypatch.setattr(gates._holds, "_written", time.monotonic())
    claim()
    assert Gate.objects.get(queue="remote").holds == 0
    gates._holds._written -= gates._WRITTEN_EVERY
    claim()
    gate = Gate.objects.get(queue="remote")
    assert (gate.holds, gate.claims) == (2, 2)
    assert 0 < gate.seconds < 5
