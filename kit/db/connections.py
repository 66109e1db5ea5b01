"""Return database connections to the pool before a network call; use reserved ones."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connection
from django.db.transaction import TransactionManagementError
from django.http import HttpRequest, HttpResponseBase

from kit.db.pooled.base import reserved_pool

SETTLEMENT = "settlement"
"""The reserved connections that settle finished work."""
RENEWALS = "renewals"
"""The reserved connection that renews leases."""


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


@contextmanager
def reserved(pool: str = SETTLEMENT) -> Iterator[None]:
    """Take database connections from a reserved pool in the block.

    Requests can hold all other connections of a process while they wait for a lock. Work
    that is in progress must still be able to renew its lease and to be settled.

    Raises:
        TransactionManagementError: a transaction is open, on a connection of its own.
    """
    give_back()
    token = reserved_pool.set(pool)
    try:
        yield
    finally:
        reserved_pool.reset(token)
        give_back()


class GiveBackConnection:
    """Middleware: return the database connection before the response is sent.

    The client may read slowly. A streamed response that queries takes a connection again.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Process `request`."""
        response = self.get_response(request)
        if not connection.in_atomic_block:  # only tests have a transaction open here
            give_back()
        return response
