"""Parallel calls on one wallet, each on a connection of its own."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from random import Random
from threading import Barrier, Event
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import Workspace
from billing import ledger
from billing.errors import (
    InsufficientCredits,
    LedgerKeyReused,
    NotGranted,
    ReservationExhausted,
)
from billing.ledger.wallets import wallet_of
from billing.models import LedgerTransaction, Lot, Reservation, Split, Wallet
from tests.billing.factories import (
    adjust,
    capture,
    columns,
    expire,
    grant,
    lapse,
    refund,
    release,
    reserve,
    reverse,
    shift,
    violations,
    wallet,
    warn,
)

pytestmark = pytest.mark.django_db(transaction=True)

# All credits at one moment: where they lie, what was given less what was taken back, and
# the same by lots and by entries.
_ALL_CREDITS = """
SELECT (SELECT sum(available + reserved + consumed - debt) FROM billing_wallet)::int,
    (SELECT sum(granted) FROM billing_wallet)::int,
    (SELECT sum(granted - revoked) FROM billing_lot)::int,
    (SELECT -sum(amount) FROM billing_ledgerentry WHERE bucket IN ('funding', 'refund'))
        ::int
"""


def at_once(*actions: Callable[[], Any]) -> list[Any]:
    """Start all actions at the same moment; return their results, refusals included."""
    barrier = Barrier(len(actions), timeout=30)

    def run(action: Callable[[], Any]) -> Any:
        try:
            connection.ensure_connection()
            barrier.wait()
            return action()
        except (InsufficientCredits, LedgerKeyReused, ReservationExhausted) as refusal:
            return refusal
        finally:
            connection.close()

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(run, actions))


def test_a_wallet_is_never_overspent():
    w = wallet(("allowance", 40), ("promo", 30), ("pack", 35))
    results = at_once(
        *[lambda n=n: reserve(w, 10, key=f"job:{n}:1", job=str(n)) for n in range(13)]
    )
    reserved = [r for r in results if isinstance(r, Reservation)]
    refused = [r for r in results if isinstance(r, InsufficientCredits)]
    assert (len(reserved), len(refused)) == (10, 3)
    assert {r.params["available"] for r in refused} == {5}
    assert sum((r.split for r in reserved), Split()) == Split(40, 60)
    assert columns(w) == (5, 100, 0)
    assert violations() == {}


def test_one_key_reserves_once_in_parallel():
    w = wallet(("pack", 100))
    results = at_once(*[lambda: reserve(w, 60)] * 8)
    assert {r.pk for r in results} == {Reservation.objects.get().pk}
    assert columns(w) == (40, 60, 0)
    assert violations() == {}


def test_one_key_with_different_amounts_keeps_the_first():
    w = wallet(("pack", 1000))
    results = at_once(*[lambda n=n: reserve(w, n) for n in range(1, 9)])
    held = Reservation.objects.get()
    refused = [r for r in results if isinstance(r, LedgerKeyReused)]
    assert len(refused) == 7
    assert columns(w) == (1000 - held.amount, held.amount, 0)
    assert violations() == {}


def test_one_key_grants_once_in_parallel():
    w = wallet()
    results = at_once(*[lambda: grant(w, 50, key="k", source="s")] * 8)
    assert set(results) == {LedgerTransaction.objects.get()}
    assert columns(w) == (50, 0, 0)


def test_one_source_is_granted_in_one_wallet_only():
    wallets = [wallet() for _ in range(6)]
    results = at_once(
        *[lambda w=w: grant(w, 50, key="k", source="purchase") for w in wallets]
    )
    assert Counter(type(r) for r in results) == {
        LedgerTransaction: 1,
        LedgerKeyReused: 5,
    }
    assert sum(columns(w)[0] for w in wallets) == 50
    assert violations() == {}


def test_one_key_captures_once_in_parallel():
    w = wallet(("allowance", 10), ("pack", 100))
    reserve(w, 30)
    results = at_once(*[lambda: capture(15)] * 8)
    assert set(results) == {Split(10, 5)}
    assert columns(w) == (80, 15, 15)
    assert violations() == {}


def test_captures_never_exceed_their_reservation():
    w = wallet(("pack", 100))
    reserve(w, 50)
    results = at_once(*[lambda n=n: capture(8, f"scene:{n}:1") for n in range(10)])
    done = [r for r in results if isinstance(r, Split)]
    assert (len(done), len(results) - len(done)) == (6, 4)
    assert columns(w) == (50, 2, 48)
    assert violations() == {}


@pytest.mark.parametrize("turn", range(6))
def test_capture_races_release(turn):
    w = wallet(("allowance", 10), ("pack", 100))
    reserve(w, 30)
    first, second, released = at_once(
        lambda: capture(12, "scene:a:1"), lambda: capture(12, "scene:b:1"), release
    )
    captured = sum(
        r.subscription + r.credits for r in (first, second) if isinstance(r, Split)
    )
    for result in (first, second):
        assert isinstance(result, Split | ReservationExhausted)
    assert captured + released == 30
    held = Reservation.objects.get()
    assert (held.captured, held.released, held.left) == (captured, released, 0)
    assert columns(w) == (110 - captured, 0, captured)
    assert violations() == {}


def test_releases_race_each_other():
    w = wallet(("pack", 100))
    reserve(w, 30)
    assert at_once(*[release] * 6) == [30] * 6
    assert columns(w) == (100, 0, 0)
    assert LedgerTransaction.objects.filter(kind="release").count() == 1


def test_credits_granted_while_a_reservation_waits_are_drawn():
    """A transaction that began before the grant sees the lot once it has the lock."""
    w = wallet()
    began, granted = Barrier(2, timeout=30), Barrier(2, timeout=30)

    def spend() -> Reservation:
        with transaction.atomic():
            Wallet.objects.filter(
                pk=w.pk
            ).exists()  # the transaction's time starts here
            began.wait()
            granted.wait()
            return ledger.reserve(w, 10, key="k", job="1", deadline=w.created_at)

    def give() -> None:
        began.wait()
        grant(w, 10)
        granted.wait()

    reservation, _ = at_once(spend, give)
    assert isinstance(reservation, Reservation)
    lot = Lot.objects.get()
    assert lot.effective_at <= reservation.created_at
    assert violations() == {}


def test_parallel_calls_create_one_wallet():
    workspace = Workspace.objects.create(name="Test")
    results = at_once(*[lambda: wallet_of(workspace, "SANDBOX")] * 8)
    assert {w.pk for w in results} == {Wallet.objects.get().pk}


def test_one_refund_counts_once_in_parallel():
    w = wallet()
    grant(w, 100, source="buy")
    results = at_once(*[lambda: refund("buy", 70)] * 8)
    assert results == [70] * 8
    assert columns(w) == (30, 0, 0)
    assert violations() == {}


def test_parallel_refunds_take_no_more_than_was_granted():
    w = wallet()
    grant(w, 100, source="buy")
    results = at_once(*[lambda n=n: refund("buy", 30, key=f"r{n}") for n in range(8)])
    assert sorted(results) == [0, 0, 0, 0, 10, 30, 30, 30]
    assert columns(w) == (0, 0, 0)
    assert violations() == {}


@pytest.mark.parametrize("turn", range(4))
def test_a_refund_races_its_grant(turn):
    """A refund that came too early is retried, so none is lost."""
    w = wallet()

    def insist() -> int:
        while True:
            try:
                return refund("buy", 100)
            except NotGranted:
                continue

    taken, _ = at_once(insist, lambda: grant(w, 100, source="buy"))
    assert taken == 100
    assert columns(w) == (0, 0, 0)
    assert violations() == {}


@pytest.mark.parametrize("turn", range(4))
def test_refund_races_reserve(turn):
    w = wallet()
    grant(w, 100, source="buy")
    reserved, taken = at_once(lambda: reserve(w, 60), lambda: refund("buy", 100))
    assert taken == 100
    w.refresh_from_db()
    if isinstance(reserved, Reservation):
        assert (w.available, w.reserved, w.debt) == (0, 60, 60)
    else:
        assert (w.available, w.reserved, w.debt) == (0, 0, 0)
    assert violations() == {}


@pytest.mark.parametrize("turn", range(4))
def test_capture_races_cleanup_and_cancel(turn):
    """Two releases, each with a key of its own, and two captures."""
    w = wallet(("allowance", 10), ("pack", 100))
    reserve(w, 30, deadline=timezone.now() - timedelta(minutes=1))
    reaper, cancel, first, second = at_once(
        lambda: release(key="reaper"),
        lambda: release(key="cancel"),
        lambda: capture(12, "scene:a:1"),
        lambda: capture(30, "scene:b:1"),
    )
    done = [r for r in (first, second) if isinstance(r, Split)]
    captured = sum(r.subscription + r.credits for r in done)
    assert captured in (0, 12, 30)
    # Both return what all releases together gave back.
    assert reaper == cancel == 30 - captured
    assert columns(w) == (110 - captured, 0, captured)
    assert LedgerTransaction.objects.filter(kind="release").count() == (captured < 30)
    assert not Reservation.objects.stale().exists()
    assert violations() == {}


@pytest.mark.parametrize("turn", range(4))
def test_lapse_races_reserve(turn):
    w = wallet(("promo", 100))
    lot = w.lots.get()
    reserve(w, 40)
    lapse(lot)
    lapsed, released, again = at_once(lambda: expire(lot), release, lambda: expire(lot))
    assert sorted([lapsed, again]) == [0, 60]
    assert released == 40
    lot.refresh_from_db()
    assert (lot.available, lot.reserved, lot.expired) == (0, 0, 100)
    assert violations() == {}


@pytest.mark.parametrize("turn", range(4))
def test_capture_races_the_lapse_of_a_year(turn):
    """The first call wins; captured credits are never taken back."""
    w = wallet(("promo", 100))
    lot = w.lots.get()
    reserve(w, 40)
    shift(w, timedelta(days=366))
    warn(lot)

    def sleepy() -> int:
        with transaction.atomic():
            return ledger.lapse(lot.pk)

    lapsed, used = at_once(sleepy, lambda: capture(40))
    assert used == Split(0, 40)
    assert lapsed in (0, 60)
    assert columns(w) == (60 - lapsed, 0, 40)
    assert violations() == {}


def test_a_reversal_counts_once_in_parallel():
    w = wallet()
    grant(w, 100, source="buy")
    refund("buy", 100)
    results = at_once(*[lambda: reverse("buy")] * 8)
    assert len(set(results)) == 1
    assert columns(w) == (100, 0, 0)


def test_parallel_adjustments_never_make_an_unwanted_debt():
    w = wallet(("pack", 100))
    results = at_once(*[lambda n=n: adjust(w, -30, key=f"a{n}") for n in range(8)])
    refused = [r for r in results if isinstance(r, InsufficientCredits)]
    assert len(refused) == 5
    assert columns(w) == (10, 0, 0)
    assert violations() == {}


def test_readers_always_see_all_credits():
    """Writers move credits in three wallets; every reader always sees all of them.

    What takes credits away gives as many back in the same transaction, so their number
    never changes, whichever way it is counted.
    """
    wallets = [wallet(("promo", 1000), ("pack", 1000)) for _ in range(3)]
    for n, w in enumerate(wallets):
        grant(w, 1000, source=f"bank:{n}")
    everything = 9000
    is_over = Event()

    def write(seed: int) -> None:
        chance = Random(seed)
        for turn in range(25):
            n = chance.randrange(3)
            key = f"job:{seed}-{turn}:1"
            with suppress(InsufficientCredits):
                reserve(wallets[n], chance.randint(1, 900), key=key, job=key)
                with suppress(ReservationExhausted):
                    capture(chance.randint(1, 40), key, key)
                release(key)
            with transaction.atomic():
                if refund(f"bank:{n}", chance.randint(1, 300), key=key):
                    reverse(f"bank:{n}", key)
            with suppress(InsufficientCredits), transaction.atomic():
                adjust(wallets[n], -7, key=f"{key}-")
                adjust(wallets[n], 7, key=f"{key}+")

    def read() -> int:
        seen = 0
        while not is_over.is_set():
            with connection.cursor() as cursor:
                cursor.execute(_ALL_CREDITS)
                assert cursor.fetchone() == (everything,) * 4
            seen += 1
        return seen

    def all_write() -> None:
        try:
            at_once(*[lambda seed=seed: write(seed) for seed in range(4)])
        finally:
            is_over.set()

    _, *seen = at_once(all_write, read, read)
    assert min(seen) > 10
    assert violations() == {}
