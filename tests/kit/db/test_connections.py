"""Connections are returned to the pool before a wait, without an open transaction."""

import pytest
from django.db import connection, transaction
from django.db.transaction import TransactionManagementError

from kit.db.connections import give_back
from kit.models import QuotaCounter


@pytest.mark.django_db(transaction=True)
def test_a_connection_is_given_back_and_taken_again():
    assert QuotaCounter.objects.count() == 0
    assert connection.connection is not None
    give_back()
    assert connection.connection is None
    give_back()  # there is none to give
    assert QuotaCounter.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_an_open_transaction_is_refused_and_stays():
    with transaction.atomic():
        QuotaCounter.objects.create(name="n", subject="s", period="2026-01-01")
        with pytest.raises(
            TransactionManagementError, match="open during a network call"
        ):
            give_back()
        assert connection.connection is not None
    assert QuotaCounter.objects.count() == 1


@pytest.mark.django_db
def test_the_connection_of_a_test_is_not_given_back():
    QuotaCounter.objects.create(name="n", subject="s", period="2026-01-01")
    give_back()
    assert QuotaCounter.objects.count() == 1
    with (
        transaction.atomic(),
        pytest.raises(TransactionManagementError),
    ):
        give_back()  # this one is
