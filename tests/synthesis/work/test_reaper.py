"""Reservations that will never be captured are released, however many there are."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from billing import ledger
from billing.ledger.wallets import wallet_of
from billing.models import Reservation
from synthesis.models import Job
from synthesis.work import dispatch
from tests import factories
from tests.billing.factories import columns, nothing_changes, reserve, violations

pytestmark = pytest.mark.django_db(transaction=True)


def test_paused_jobs_do_not_block_later_reservations(submitted, monkeypatch):
    monkeypatch.setattr(dispatch, "_BATCH", 2)
    caller = factories.caller()
    for _ in range(3):
        submitted(caller, "One.")
    Job.objects.update(is_paused=True)
    Reservation.objects.update(deadline=timezone.now() - timedelta(days=30))
    w = wallet_of(caller.workspace, "PRODUCTION")
    before = columns(w)
    gone = "11111111-1111-4111-8111-111111111111"
    past = timezone.now() - timedelta(days=1)
    reserve(w, 10, key=f"job:{gone}:1", job=gone, deadline=past)
    assert [dispatch.release_forgotten() for _ in range(3)] == [0, 1, 0]
    assert columns(w) == before
    assert Reservation.objects.open().count() == 3
    assert not Reservation.objects.stale().exists()
    assert violations() == {}


def test_an_extended_reservation_keeps_its_credits_and_the_later_deadline():
    w = wallet_of(factories.caller().workspace, "PRODUCTION")
    kept = reserve(w, 10, deadline=timezone.now() + timedelta(days=9))
    with nothing_changes(w), transaction.atomic():
        ledger.extend(kept.key, timezone.now() + timedelta(days=1))
    with transaction.atomic(), pytest.raises(Reservation.DoesNotExist):
        ledger.extend("job:0:1", timezone.now())
