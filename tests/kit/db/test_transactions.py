"""Functions that need a transaction are refused without one; use cases open their own."""

import inspect

import pytest
from django.db import connection, transaction
from django.db.transaction import TransactionManagementError

from kit.db.transactions import needs_transaction, one_transaction
from kit.models import QuotaCounter


@needs_transaction
def count(name: str, *, subject: str = "s") -> int:
    """Count."""
    QuotaCounter.objects.create(name=name, subject=subject, period="2026-01-01")
    return QuotaCounter.objects.count()


@one_transaction
def count_twice(name: str, error: Exception | None = None) -> int:
    count(name, subject="1")
    total = count(name, subject="2")
    if error:
        raise error
    return total


@pytest.mark.django_db(transaction=True)
def test_needs_transaction_refuses_a_call_without_one():
    expected = r"^tests\.kit\.db\.test_transactions\.count needs an open transaction\.$"
    with pytest.raises(TransactionManagementError, match=expected):
        count("n")
    assert QuotaCounter.objects.count() == 0
    with transaction.atomic():
        assert count("n", subject="x") == 1


@pytest.mark.django_db(transaction=True)
def test_a_use_case_commits_what_it_did():
    assert count_twice("n") == 2
    assert not connection.in_atomic_block
    assert QuotaCounter.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_an_exception_in_a_use_case_rolls_back_everything():
    with pytest.raises(ValueError, match="late"):
        count_twice("n", ValueError("too late"))
    assert not connection.in_atomic_block
    assert QuotaCounter.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_a_use_case_is_never_a_part_of_another():
    with transaction.atomic():
        count("n")
        with pytest.raises(RuntimeError, match="durable atomic block"):
            count_twice("m")
    assert list(QuotaCounter.objects.values_list("name", flat=True)) == ["n"]


@pytest.mark.django_db
def test_both_run_in_the_transaction_of_a_test():
    assert count("n") == 1
    assert count_twice("m") == 3


@pytest.mark.parametrize("function", [count, count_twice])
def test_a_function_stays_what_it_was(function):
    assert function.__module__ == __name__
    assert "name" in inspect.signature(function).parameters
    assert inspect.isfunction(function)
    assert count.__doc__ == "Count."
