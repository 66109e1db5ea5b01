"""Scheduled work: warnings, each sent once, then the lapse; low credits; ledger checks."""

import json
from datetime import timedelta

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from billing import ledger, tasks
from billing.credits import lapsing
from billing.ledger import proofs
from billing.ledger.wallets import wallet_of
from billing.models import LapseNotice, LedgerProof, Lot, Wallet
from kit.mail import outbox
from kit.models import Mail
from kit.secrets import decrypt
from tests import factories as people
from tests.billing.factories import (
    capture,
    columns,
    grant,
    lapse,
    nothing_changes,
    release,
    reserve,
    shift,
    violations,
    wallet,
    warn,
    without_guards,
)
from tests.webhooks import factories as hooks
from webhooks.models import Event

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ada() -> Wallet:
    """A wallet whose workspace has an endpoint for credit events."""
    person = people.user("ada@example.com")
    workspace = people.workspace(person)
    hooks.endpoint(workspace, events=["credits.expiring", "credits.low"])
    Mail.objects.all().delete()
    return wallet_of(workspace, "PRODUCTION")


def events(name: str) -> list[dict]:
    found = Event.objects.filter(type=name).order_by("created_at", "id")
    return [json.loads(event.text)["data"] for event in found]


def mails() -> list[tuple[str, str]]:
    return [
        (
            mail.to,
            decrypt(mail.encrypted_text, context=outbox._context(mail)).reveal_text(),
        )
        for mail in Mail.objects.order_by("created_at")
    ]


def stages() -> list[tuple[str, int]]:
    return list(LapseNotice.objects.order_by("id").values_list("stage", "credits"))


# --- what has ended ----------------------------------------------------------------------


def test_only_expired_lots_lapse():
    first, second = wallet(("promo", 10), ("promo", 20), ("pack", 5)), wallet()
    grant(second, 40, kind="allowance")
    for lot in Lot.objects.filter(granted__in=[10, 20, 40]):
        lapse(lot)
    assert lapsing.expire_ended() == 70
    assert (columns(first), columns(second)) == ((5, 0, 0), (0, 0, 0))
    with nothing_changes(first):
        assert lapsing.expire_ended() == 0
    assert violations() == {}


def test_every_batch_is_processed():
    wallets = [wallet(("promo", 1)) for _ in range(5)]
    for lot in Lot.objects.all():
        lapse(lot)
    assert lapsing.expire_ended(batch=2) == 5
    assert [columns(w) for w in wallets] == [(0, 0, 0)] * 5


def test_a_wallet_that_fails_does_not_stop_the_others(caplog):
    stuck, other = wallet(("promo", 10)), wallet(("promo", 20))
    for lot in Lot.objects.all():
        lapse(lot)
    grant(stuck, 1, key=f"expire:{stuck.lots.get().pk}")  # as no honest caller would
    with nothing_changes(stuck):
        assert lapsing.expire_ended() == 20
    assert columns(other) == (0, 0, 0)
    assert f"wallet {stuck.pk} failed; it is left for the next run" in caplog.text


@pytest.mark.parametrize("step", range(4))
def test_a_killed_run_is_continued_by_the_next(monkeypatch, step):
    """It is killed before its `step`-th lot; finished lots stay, the rest follows."""
    for _ in range(4):
        wallet(("promo", 10))
    for lot in Lot.objects.all():
        lapse(lot)
    calls = iter(range(4))

    def dying(lot: int) -> int:
        lapsed = verb(lot)
        if next(calls) == step:
            raise KeyboardInterrupt
        return lapsed

    verb = ledger.expire
    monkeypatch.setattr(ledger, "expire", dying)
    with pytest.raises(KeyboardInterrupt):
        lapsing.expire_ended()
    assert Lot.objects.filter(available=0).count() == step
    monkeypatch.setattr(ledger, "expire", verb)
    assert lapsing.expire_ended() == 10 * (4 - step)
    assert violations() == {}


# --- a year without activity -------------------------------------------------------------


def test_warnings_and_lapse_in_a_year_without_activity(ada):
    """Nothing at day 334, warnings at 335 and 358, the lapse at 365; each once."""
    grant(ada, 10, kind="promo")
    ada.lots.update(lapses=False)
    lot = ada.lots.latest("id")
    Lot.objects.filter(pk=lot.pk).update(lapses=True)
    story = []
    for day in (334, 335, 336, 357, 358, 359, 364, 365, 366):
        lot.refresh_from_db()
        shift(ada, timedelta(days=day) - (timezone.now() - lot.effective_at))
        for _ in range(2):
            tasks.lapse_idle()
        ada.refresh_from_db()
        story.append(
            (day, len(mails()), len(events("credits.expiring")), ada.available)
        )
    left = 5000
    assert story == [
        (334, 0, 0, left + 10),
        (335, 1, 1, left + 10),
        (336, 1, 1, left + 10),
        (357, 1, 1, left + 10),
        (358, 2, 2, left + 10),
        (359, 2, 2, left + 10),
        (364, 2, 2, left + 10),
        (365, 2, 2, left),
        (366, 2, 2, left),
    ]
    assert violations() == {}


def test_text_of_a_warning(ada):
    shift(ada, timedelta(days=340))
    assert lapsing.warn() == 1
    lapses_at = LapseNotice.objects.get().lapses_at
    assert lapses_at == ada.lots.get().effective_at + timedelta(days=365)
    assert stages() == [("idle_335", 5000)]
    assert events("credits.expiring") == [
        {
            "environment": "PRODUCTION",
            "available": 5000,
            "reserved": 0,
            "expiring": 5000,
            "expires_at": lapses_at.isoformat().replace("+00:00", "Z"),
        }
    ]
    [(to, text)] = mails()
    assert to == "ada@example.com"
    assert "5000 promotional credits" in text
    assert f"{lapses_at.day} {lapses_at:%B} {lapses_at.year}" in text


def test_late_warning_is_skipped_if_the_next_is_due(ada):
    shift(ada, timedelta(days=360))
    assert lapsing.warn() == 1
    assert stages() == [("idle_358", 5000)]


def run_on(ada, days):
    """Run the scheduled task on these days after the last use; return mails and credits."""
    story = []
    for day in days:
        # By whole days: to the moment, a warning written a little after the last shift
        # would be younger than the days between.
        age = timezone.now() - ada.lots.get().effective_at
        shift(ada, timedelta(days=day - age.days))
        for _ in range(2):
            tasks.lapse_idle()
        ada.refresh_from_db()
        story.append((day, len(mails()), ada.available))
    return story


@pytest.mark.parametrize("first", [358, 362, 366, 500])
def test_nothing_lapses_without_a_warning_a_week_before(ada, first):
    """The scheduled task was paused from day 334 on."""
    assert run_on(ada, [334, first, first + 6]) == [
        (334, 0, 5000),
        (first, 1, 5000),
        (first + 6, 1, 5000),
    ]
    [(_, text)] = mails()
    ends = timezone.now() + timedelta(days=7)  # of when it was written
    assert f"{ends.day} {ends:%B} {ends.year}" in text
    assert run_on(ada, [first + 7]) == [(first + 7, 1, 0)]
    assert violations() == {}


def test_first_warning_in_time_is_enough(ada):
    assert run_on(ada, [340, 366]) == [(340, 1, 5000), (366, 1, 0)]


def test_use_after_a_late_warning_keeps_the_credits(ada):
    run_on(ada, [400])
    reserve(ada, 10)
    capture(10)
    assert run_on(ada, [408]) == [(408, 1, 4990)]


def test_ledger_lapses_nothing_without_a_warning(ada):
    shift(ada, timedelta(days=400))
    lot = ada.lots.get()
    for ago, lapsed in ((None, 0), (6.9, 0), (7, 5000)):
        if ago:
            LapseNotice.objects.all().delete()
            warn(lot, timedelta(days=ago))
        with transaction.atomic():
            assert ledger.lapse(lot.pk) == lapsed


def test_use_restarts_the_year(ada):
    shift(ada, timedelta(days=340))
    lapsing.warn()
    reserve(ada, 10)
    capture(10)
    shift(ada, timedelta(days=330))
    assert lapsing.warn() == 0
    shift(ada, timedelta(days=10))
    assert lapsing.warn() == 1
    assert stages() == [("idle_335", 4990)]


def test_lots_that_lapse_together_have_one_warning(ada):
    reserve(ada, 10)
    shift(ada, timedelta(days=1))
    grant(ada, 7, kind="promo", lapses=False)
    grant(ada, 100, kind="promo")
    capture(10)  # activity after both grants: one clock
    shift(ada, timedelta(days=336))
    assert lapsing.warn() == 1
    assert stages() == [("idle_335", 5090)]


def test_no_mail_for_the_sandbox(ada):
    sandbox = wallet_of(ada.workspace, "SANDBOX")
    shift(sandbox, timedelta(days=340))
    assert lapsing.warn() == 1
    assert [event["environment"] for event in events("credits.expiring")] == ["SANDBOX"]
    assert mails() == []


def test_warning_and_mail_are_written_in_one_transaction(ada, monkeypatch):
    shift(ada, timedelta(days=340))

    def refuse(*_: object, **__: object) -> None:
        raise DatabaseError("the mail can't be written")

    monkeypatch.setattr(outbox, "post", refuse)
    assert lapsing.warn() == 0
    assert (stages(), events("credits.expiring")) == ([], [])
    monkeypatch.undo()
    assert lapsing.warn() == 1
    assert len(mails()) == 1


def test_parallel_runs_warn_once(ada):
    """The second run waits for the wallet, and finds no warning due."""
    shift(ada, timedelta(days=340))
    with transaction.atomic():
        assert lapsing._warn(LapseNotice.Stage.IDLE_335, ada.pk) == 1
    with transaction.atomic():
        assert lapsing._warn(LapseNotice.Stage.IDLE_335, ada.pk) == 0


# --- credits that end --------------------------------------------------------------------


def test_allowance_has_an_event_a_week_before_its_end(ada):
    ends = timezone.now() + timedelta(days=30)
    grant(ada, 100, kind="allowance", expires_at=ends)
    grant(ada, 50, kind="promo", expires_at=ends)
    later = {"effective_at": ends, "expires_at": ends + timedelta(days=30)}
    grant(ada, 100, kind="allowance", **later)
    shift(ada, timedelta(days=23) - timedelta(seconds=20))
    assert lapsing.warn() == 0
    shift(ada, timedelta(seconds=20))
    for expected in (1, 0):
        assert lapsing.warn() == expected
    assert stages() == [("ends", 150)]
    assert [event["expiring"] for event in events("credits.expiring")] == [150]
    assert mails() == []


def test_old_notices_are_deleted(ada):
    shift(ada, timedelta(days=340))
    lapsing.warn()
    reserve(ada, 1)
    capture(1)
    for days, kept in ((29, 1), (31, 0)):
        past = timezone.now() - timedelta(days=days)
        LapseNotice.objects.update(lapses_at=past, created_at=past)
        lapsing.warn()
        assert len(stages()) == kept


# --- credits.low -------------------------------------------------------------------------


def test_credits_low_is_sent_once_per_fall(ada):
    for n in range(3):
        reserve(ada, 1500, key=f"job:{n}:1")
    assert [event["available"] for event in events("credits.low")] == [500]
    reserve(ada, 100, key="job:3:1")
    assert len(events("credits.low")) == 1
    release("job:0:1")
    assert len(events("credits.low")) == 1
    reserve(ada, 1500, key="job:4:1")
    assert [event["available"] for event in events("credits.low")] == [500, 400]


@pytest.mark.parametrize(
    ("threshold", "sent"), [(0, 0), (1, 0), (2, 1), (5000, 1), (5001, 0)]
)
def test_each_wallet_has_its_own_threshold(ada, threshold, sent):
    Wallet.objects.filter(pk=ada.pk).update(low_at=threshold, is_low=threshold > 5000)
    reserve(ada, 4999)
    assert len(events("credits.low")) == sent


def test_new_wallet_sends_no_credits_low():
    w = wallet()
    hooks.endpoint(w.workspace, events=["credits.low"])
    grant(w, 10)
    reserve(w, 5)
    assert events("credits.low") == []


def test_lapse_can_send_credits_low(ada):
    for n in (1, 2):
        grant(ada, 10 + n, kind="promo")
    for lot in ada.lots.all():
        lapse(lot)
    assert lapsing.expire_ended() == 5023
    assert [event["available"] for event in events("credits.low")] == [0]


def test_refused_reservation_sends_no_event(ada):
    with transaction.atomic():
        ledger.reserve(ada, 4500, key="k", job="1", deadline=timezone.now())
        transaction.set_rollback(True)
    assert events("credits.low") == []
    assert not Wallet.objects.get(pk=ada.pk).is_low


# --- the proof ---------------------------------------------------------------------------


def test_ledger_check_is_stored():
    wallet(("pack", 10))
    tasks.prove_ledger()
    proof = LedgerProof.objects.get()
    assert proof.violations == 0
    assert proof.counts == {f"I{n}": 0 for n in range(1, 18)}


def test_failed_ledger_check_is_stored_and_logged(caplog):
    wallet(("pack", 10))
    with without_guards() as cursor:
        cursor.execute("UPDATE billing_wallet SET seq = 7")
    proof = proofs.prove()
    assert (proof.violations, proof.counts["I7"]) == (1, 1)
    assert "ledger invariant I7 is violated 1 times" in caplog.text
