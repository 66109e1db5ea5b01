"""Who opens the transaction: said in code, and held.

A use case opens one, and only one: what it does happens as a whole or not at all. All that
may happen only as a part of one, needs it to be open.
"""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from django.db import connection, transaction
from django.db.transaction import TransactionManagementError

P = ParamSpec("P")
R = TypeVar("R")


def needs_transaction(function: Callable[P, R]) -> Callable[P, R]:
    """Return `function` as one that runs in an open transaction alone.

    Without one, calling it raises TransactionManagementError and does nothing.
    """

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        if not connection.in_atomic_block:
            name = f"{function.__module__}.{function.__qualname__}"
            raise TransactionManagementError(f"{name} needs an open transaction.")
        return function(*args, **kwargs)

    return run


def one_transaction(function: Callable[P, R]) -> Callable[P, R]:
    """Return `function` as one that runs in a transaction of its own.

    What it raises rolls back all that it did. Called where a transaction is open, it raises
    RuntimeError and does nothing: when it returns, its work is committed.
    """

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        with transaction.atomic(durable=True):
            return function(*args, **kwargs)

    return run
