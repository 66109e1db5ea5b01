"""Return database connections to the pool before a network call."""

from django.db import connection
from django.db.transaction import TransactionManagementError


def give_back() -> None:
    """Return this thread's database connection to the pool.

    Call it before waiting for another server, so that other threads can use the
    connection. The next query takes one from the pool again. Does nothing in a test that
    is rolled back, because that test owns the connection.

    Raises:
        TransactionManagementError: a transaction is open, and would last for the wait.
    """
    needs_none_open()
    if not connection.in_atomic_block:
        connection.close()


def needs_none_open() -> None:
    """Raise TransactionManagementError if a transaction is open, except that of a test."""
    if connection.in_atomic_block and not (
        connection.atomic_blocks[-1]._from_testcase  # type: ignore[attr-defined]
    ):
        raise TransactionManagementError(
            "A transaction is open during a network call or a claim."
        )
