"""Database connections: given back to the pool before we wait for others."""

from django.db import connection
from django.db.transaction import TransactionManagementError


def give_back() -> None:
    """Give this thread's database connection back to the pool.

    Call it before a wait for somebody else's server: the pool is for those who query. The
    next query takes a connection again. In a test that is rolled back nothing happens, as
    the connection is the test's own.

    Raises:
        TransactionManagementError: a transaction is open, and would be held all the while.
    """
    if not connection.in_atomic_block:
        connection.close()
    elif not connection.atomic_blocks[-1]._from_testcase:  # type: ignore[attr-defined]
        raise TransactionManagementError("A transaction is open across a wait.")
