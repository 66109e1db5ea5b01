"""Fixtures and arrangements that every test relies on."""

from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest
from django.core.cache import cache
from django.db.backends.postgresql.operations import DatabaseOperations


@pytest.fixture(scope="session", autouse=True)
def flush_empties_the_ledger_too() -> Iterator[None]:
    """Let the flush after a transactional test truncate tables that refuse it.

    The ledger's triggers stay as they are in production, and tests attack them; only the
    flush's own transaction runs as a replica does, without triggers. That takes a
    superuser, which the application need not be.
    """
    sql_flush = DatabaseOperations.sql_flush

    def flush(*args: Any, **options: Any) -> list[str]:
        statements = sql_flush(*args, **options)
        if not statements:
            return statements
        return ["SET LOCAL session_replication_role = replica", *statements]

    with patch.object(DatabaseOperations, "sql_flush", flush):
        yield


@pytest.fixture(autouse=True)
def empty_cache() -> None:
    """Let no test be limited by the requests of those before it."""
    cache.clear()
