"""Leases are renewed while their rows are held, whatever else the process waits for."""

from datetime import timedelta

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from kit.db import connections
from kit.models import Claimable, Mail, QuotaCounter
from kit.work import claims
from kit.work.claims import Lease
from tests.threads import in_threads

pytestmark = pytest.mark.django_db(transaction=True)


def held() -> Mail:
    """Return a row whose lease is about to expire."""
    now = timezone.now()
    return Mail.objects.create(
        to="a@example.com",
        subject="a",
        encrypted_text=b"secret",
        send_until=now + timedelta(days=1),
        status=Mail.Status.PROCESSING,
        fence=1,
        lease_until=now + timedelta(seconds=1),
    )


def left(row: Claimable) -> float:
    """Return the seconds until the lease of `row` expires."""
    row.refresh_from_db()
    assert row.lease_until
    return (row.lease_until - timezone.now()).total_seconds()


def test_leases_are_renewed_together(django_assert_num_queries):
    leases = [Lease(held()) for _ in range(5)]

    with django_assert_num_queries(5):  # however many there are; 2 are BEGIN and COMMIT
        claims.renew(leases)

    assert all(left(lease.row) > 10 for lease in leases)
    assert not any(lease.lost.is_set() for lease in leases)


def test_a_row_that_another_process_holds_is_lost():
    mine, stolen, canceled = (Lease(held()) for _ in range(3))
    Mail.objects.filter(pk=stolen.row.pk).update(fence=2)
    Mail.objects.filter(pk=canceled.row.pk).update(status=Mail.Status.FAILED)

    claims.renew([mine, stolen, canceled])

    assert [one.lost.is_set() for one in (mine, stolen, canceled)] == [
        *(False, True, True)
    ]
    assert left(mine.row) > 10
    assert left(stolen.row) < 2


def test_a_row_that_is_being_settled_delays_no_other():
    settling, other = Lease(held()), Lease(held())

    with transaction.atomic():
        Mail.objects.select_for_update().get(pk=settling.row.pk)
        in_threads(1, lambda: claims.renew([settling, other]))

    assert left(other.row) > 10
    assert left(settling.row) < 2
    assert not settling.lost.is_set()


def test_a_process_whose_connections_are_all_held_renews_and_settles(monkeypatch):
    monkeypatch.setattr(claims, "LEASE", timedelta(seconds=0.3))
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "pool", ONE)
    row = held()  # this thread holds the only connection

    def settle() -> None:
        with pytest.raises(OperationalError, match="couldn't get a connection"):
            QuotaCounter.objects.count()
        with claims.keep_lease(row):
            until = timezone.now() + timedelta(seconds=5)
            while True:
                with connections.reserved():
                    lease_until = Mail.objects.get(pk=row.pk).lease_until
                if lease_until != row.lease_until:
                    break
                assert timezone.now() < until
        with connections.reserved(), transaction.atomic():
            claims.settle(row, Mail.Status.COMPLETED)

    try:
        in_threads(1, settle)
        row.refresh_from_db()
        assert row.status == Mail.Status.COMPLETED
    finally:
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]


ONE = {"min_size": 0, "max_size": 1, "timeout": 0.2}


def test_reserved_connections_are_refused_in_a_transaction():
    with transaction.atomic():
        with (
            pytest.raises(transaction.TransactionManagementError),
            connections.reserved(),
        ):
            pass
        QuotaCounter.objects.create(name="n", subject="s", period="2026-01-01")
    assert QuotaCounter.objects.count() == 1
