"""Decorators that say which function opens a transaction and which needs an open one.

A use case opens exactly one transaction: all of its work is committed, or none. Functions
that may only run as a part of a use case require an open transaction.
"""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from django.db import connection, transaction
from django.db.transaction import TransactionManagementError

P = ParamSpec("P")
R = TypeVar("R")


def needs_transaction(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate `function` so that it requires an open transaction.

    Without one, a call raises TransactionManagementError and does nothing.
    """

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        if not connection.in_atomic_block:
            name = f"{function.__module__}.{function.__qualname__}"
            raise TransactionManagementError(f"{name} needs an open transaction.")
        return function(*args, **kwargs)

    return run


def one_transaction(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate `function` so that it runs in a transaction of its own.

    An exception rolls back everything. When the function returns, its work is committed;
    therefore a call inside an open transaction raises RuntimeError and does nothing.
    """

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        with transaction.atomic(durable=True):
            return function(*args, **kwargs)

    return run
