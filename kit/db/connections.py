"""Return database connections to the pool before a network call."""

from collections.abc import Callable

from django.db import connection
from django.db.transaction import TransactionManagementError
from django.http import HttpRequest, HttpResponseBase


def give_back() -> None:
    """Return this thread's database connection to the pool.

    Call it before waiting for another server, so that other threads can use the
    connection. The next query takes one from the pool again. Does nothing in a test that
    is rolled back, because that test owns the connection.

    Raises:
        TransactionManagementError: a transaction is open, and would last for the wait.
    """
    if not connection.in_atomic_block:
        connection.close()
    elif not connection.atomic_blocks[-1]._from_testcase:  # type: ignore[attr-defined]
        raise TransactionManagementError("A transaction is open during a network call.")


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
