"""Many at once on one wallet, each on a connection of its own."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connection, transaction

from accounts.models import Workspace
from billing import ledger
from billing.errors import InsufficientCredits, LedgerKeyReused, ReservationExhausted
from billing.models import LedgerTransaction, Lot, Reservation, Split, Wallet
from billing.wallets import wallet_of
from tests.billing.factories import (
    capture,
    columns,
    grant,
    release,
    reserve,
    violations,
    wallet,
)

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """Start all acts at the same moment; return their results, refusals included."""
    barrier = Barrier(len(acts), timeout=30)

    def run(act: Callable[[], Any]) -> Any:
        try:
            connection.ensure_connection()
            barrier.wait()
            return act()
        except (InsufficientCredits, LedgerKeyReused, ReservationExhausted) as refusal:
            return refusal
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


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


def test_one_key_with_different_amounts_serves_the_first():
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


def test_one_source_is_honoured_in_one_wallet_only():
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


def test_many_open_the_same_wallet():
    workspace = Workspace.objects.create(name="Test")
    results = at_once(*[lambda: wallet_of(workspace, "SANDBOX")] * 8)
    assert {w.pk for w in results} == {Wallet.objects.get().pk}
