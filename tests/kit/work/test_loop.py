"""The work loop: each row is done once, also after crashes, and fails in the end.

The kinds here work on the table of mails.
"""

from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from kit.models import Mail, QuotaCounter
from kit.work import claims, loop
from kit.work.loop import Crashed, Failed, NotNow, Work
from tests.threads import in_threads

pytestmark = pytest.mark.django_db

NOW = timedelta()


@pytest.fixture(autouse=True)
def bells(monkeypatch):
    """The bells that were rung; none is sent."""
    rung = []

    def note(task, queue, count=1, *, args=()):
        rung.append((task, queue, count, list(args)))

    for name in ("ring", "ring_unless_queued", "ring_soon"):
        monkeypatch.setattr(f"kit.work.bells.{name}", note)
    return rung


def post(subject="a", *, after=NOW, **columns):
    now = timezone.now()
    return Mail.objects.create(
        to="a@example.com",
        subject=subject,
        encrypted_text=b"secret",
        send_until=now + timedelta(days=1),
        ready_at=now + after,
        **columns,
    )


def kind(perform, **more):
    """Declare a kind of work."""
    return Work(
        task="tests.tasks.send",
        queue="local",
        rows=Mail.objects.all,
        perform=perform,
        ended={"encrypted_text": b"", "settled_at": timezone.now()},
        **more,
    )


def let_time_pass():
    """Make all queued rows due, and expire all leases."""
    past = timezone.now() - timedelta(seconds=1)
    Mail.objects.filter(status="queued").update(ready_at=past)
    Mail.objects.filter(status="processing").update(lease_until=past)


def steal(row):
    """Claim the row as another worker."""
    Mail.objects.filter(pk=row.pk).update(fence=F("fence") + 1)


def states():
    rows = Mail.objects.order_by("subject")
    return list(rows.values_list("subject", "status", "attempts", "crashes"))


def test_due_rows_are_done_in_order_and_once():
    done = []

    def complete(row, result):
        QuotaCounter.objects.create(
            name=row.subject, subject=result, period="2026-01-01"
        )
        return {"subject": f"{row.subject}, {result}"}

    def perform(row, lease):
        done.append(row.subject)
        return "sent"

    work = kind(perform, complete=complete)
    post("b", after=-timedelta(seconds=1))
    post("a", after=-timedelta(seconds=2))
    post("later", after=timedelta(minutes=1))
    post("canceled", status="canceled")

    assert work() == 2
    assert work() == 0

    assert done == ["a", "b"]
    assert states() == [
        ("a, sent", "completed", 0, 0),
        ("b, sent", "completed", 0, 0),
        ("canceled", "canceled", 0, 0),
        ("later", "queued", 0, 0),
    ]
    assert QuotaCounter.objects.count() == 2
    first = Mail.objects.get(subject="a, sent")
    assert (bytes(first.encrypted_text), first.lease_until, first.fence) == (
        b"",
        None,
        1,
    )
    assert first.settled_at is not None


@pytest.mark.django_db(transaction=True)
def test_many_workers_do_each_row_once():
    done = []
    work = kind(lambda row, lease: done.append(row.subject))
    for number in range(12):
        post(f"{number:02}")
    assert sum(in_threads(4, work)) == 12
    assert sorted(done) == [f"{number:02}" for number in range(12)]
    assert set(Mail.objects.values_list("fence", flat=True)) == {1}


def test_a_worker_that_is_killed_is_followed_by_another(bells):
    def die(row, lease):
        raise KeyboardInterrupt  # stands for the end of the process

    post()
    with pytest.raises(KeyboardInterrupt):
        kind(die)()
    assert states() == [("a", "processing", 0, 0)]
    held = Mail.objects.get()

    work = kind(lambda row, lease: None)
    work.sweep()
    assert (work(), bells) == (0, [])  # it may still be at it
    let_time_pass()
    work.sweep()
    assert bells == [("tests.tasks.send", "local", 1, [])]
    assert work() == 1
    assert states() == [("a", "completed", 0, 1)]

    work.do(held)  # a worker that was asleep, not dead, comes too late
    assert states() == [("a", "completed", 0, 1)]
    assert Mail.objects.get().fence == 2


def test_a_worker_that_lost_its_lease_changes_nothing(caplog):
    def complete(row, result):
        QuotaCounter.objects.create(name="n", subject="s", period="2026-01-01")
        return {"subject": "mine"}

    def fail(row, lease):
        steal(row)
        raise OSError("the disk is full")

    def wait(row, lease):
        steal(row)
        raise NotNow(timezone.now())

    def see(row, lease):
        lease.lost.set()
        lease.check()

    caplog.set_level("INFO", "kit.work.loop")
    for perform in (lambda row, lease: steal(row), fail, wait, see):
        Mail.objects.all().delete()
        post()
        assert kind(perform, complete=complete)() == 1
        row = Mail.objects.get()
        assert (row.subject, row.status, row.attempts) == ("a", "processing", 0)
        assert bytes(row.encrypted_text) == b"secret"
        assert row.lease_until is not None
    assert QuotaCounter.objects.count() == 0
    dropped = [text for text in caplog.messages if text.startswith("dropped")]
    assert dropped == ["dropped <Mail: a, to a@example.com> at fence 1"] * 4


def test_a_failed_try_is_retried_after_its_pause_until_the_last_one():
    def fail(row, lease):
        raise Failed("no_answer")

    work = kind(
        fail,
        tries=4,
        pauses=(10, 60),
        explain=lambda error: {"subject": str(error)},
    )
    post()
    for pause in (10, 60, 60):
        before = timezone.now()
        assert work() == 1
        row = Mail.objects.get()
        assert (row.status, row.subject) == ("queued", "no_answer")
        assert bytes(row.encrypted_text) == b"secret"
        waited = (row.ready_at - before).total_seconds()
        assert waited == pytest.approx(pause, abs=5)
        assert work() == 0
        let_time_pass()
    assert work() == 1
    let_time_pass()
    assert work() == 0
    assert states() == [("no_answer", "failed", 4, 0)]
    row = Mail.objects.get()
    assert (bytes(row.encrypted_text), row.lease_until) == (b"", None)


def test_some_failures_are_the_last_and_some_kinds_never_give_up():
    def fail(row, lease):
        raise Failed(is_last=row.subject == "hopeless")

    post("hopeless")
    post("patient", attempts=1000)
    assert kind(fail, tries=None, pauses=(5, 10))() == 2
    assert states() == [("hopeless", "failed", 1, 0), ("patient", "queued", 1001, 0)]


def test_a_wait_costs_no_try():
    until = timezone.now() + timedelta(hours=1)

    def wait(row, lease):
        raise NotNow(until)

    post()
    assert kind(wait, tries=1)() == 1
    row = Mail.objects.get()
    assert (row.status, row.attempts, row.ready_at) == ("queued", 0, until)


def test_a_bug_is_logged_and_does_not_stop_other_rows(caplog):
    def stumble(row, lease):
        if row.subject == "a":
            raise ZeroDivisionError
        return row.subject

    def stumble_later(row, result):
        raise LookupError

    first = post("a")
    post("b")
    assert kind(stumble, pauses=(60,))() == 2
    assert states() == [("a", "queued", 1, 0), ("b", "completed", 0, 0)]
    assert f"kit.Mail {first.pk} failed" in caplog.text
    assert "ZeroDivisionError" in caplog.text
    post("c")
    assert kind(stumble, pauses=(60,), complete=stumble_later)() == 1
    assert states()[-1] == ("c", "queued", 1, 0)


def test_a_row_that_crashes_its_workers_fails(bells):
    def explain(error):
        return {"subject": type(error).__name__}

    work = kind(lambda row, lease: None, explain=explain)
    post()
    for crashes in (1, 2, 3):
        assert work.take()
        let_time_pass()
        work.sweep()
        assert Mail.objects.get().crashes == crashes
    assert states() == [(Crashed.__name__, "failed", 0, 3)]
    assert bytes(Mail.objects.get().encrypted_text) == b""
    assert work() == 0
    assert len(bells) == 2  # none for the third time

    post("b", crashes=1000)
    assert kind(lambda row, lease: None, most_crashes=None)() == 1


def test_a_slot_ends_after_its_shift_and_rings_for_the_rest(bells, monkeypatch):
    monkeypatch.setattr(loop, "SHIFT", 0.0)
    post("a")
    post("b")
    work = kind(lambda row, lease: None, args=("x",))
    assert work() == 1
    assert bells == [("tests.tasks.send", "local", 1, ["x"])]
    assert work() == 1


def test_bells_are_rung_for_what_waits(bells, django_capture_on_commit_callbacks):
    for number in range(20):
        post(f"{number}")
    post("later", after=timedelta(minutes=1))
    kind(claims.Lease.check).sweep()
    kind(claims.Lease.check, slots=4).sweep()
    kind(claims.Lease.check, waiting=lambda: 7, args=("x",)).sweep()
    kind(claims.Lease.check, waiting=lambda: 0).sweep()
    with django_capture_on_commit_callbacks(execute=True):
        kind(claims.Lease.check, args=("y",)).ring_on_commit(2)
        assert len(bells) == 3
    assert bells == [
        ("tests.tasks.send", "local", 16, []),
        ("tests.tasks.send", "local", 4, []),
        ("tests.tasks.send", "local", 7, ["x"]),
        ("tests.tasks.send", "local", 2, ["y"]),
    ]


def test_a_kind_may_claim_and_settle_in_its_own_way():
    """As scenes and deliveries do."""

    def claim():
        return claims.claim(Mail.objects.filter(status="queued").order_by("-subject"))

    def settle(row, result):
        held = claims.lock_held(row)
        claims.settle(held, Mail.Status.COMPLETED, subject=f"{held.subject} {result}")

    def fail(row, error):
        claims.settle(row, Mail.Status.FAILED, subject=f"{row.subject} {error}")

    def perform(row, lease):
        if row.subject == "a":
            raise OSError("failed")
        return "done"

    post("a")
    post("b", after=timedelta(minutes=1))
    work = kind(perform, claim=claim, settle=settle, fail=fail)
    assert work() == 2
    assert states() == [("a failed", "failed", 0, 0), ("b done", "completed", 0, 0)]
    assert {bytes(row.encrypted_text) for row in Mail.objects.all()} == {b"secret"}


def test_no_more_slots_of_a_process_than_allowed_do_the_same_work():
    others = []

    def perform(row, lease):
        others.append(work())  # another slot, while this one works

    post("a")
    post("b")
    work = kind(perform, at_once=1)
    assert work() == 2
    assert others == [0, 0]
    post("c")
    assert work() == 1
