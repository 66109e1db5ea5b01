"""Fixtures and arrangements that every test relies on."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.db.backends.postgresql.operations import DatabaseOperations
from whitenoise.middleware import WhiteNoiseMiddleware

from accounts.http import refused_bodies

# What Django fills after migrations, the same for every test.
_KEPT = {"django_content_type", "auth_permission"}


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker: Any) -> None:
    """Give this process a copy of a database that the first one migrates for all.

    The server goes when the run is over, and its databases with it.
    """
    process = os.environ.get("PYTEST_XDIST_WORKER", "alone")
    template = Path(os.environ["OZVENA_HOME"]) / "template"
    with django_db_blocker.unblock(), template.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        name = file.read()
        if not name:
            name = connection.creation.create_test_db(verbosity=0, serialize=False)
            file.write(name)
        connection.settings_dict["NAME"] = name
        connection.creation.clone_test_db(process, verbosity=0)
        copied = connection.creation.get_test_db_clone_settings(process)
        connection.settings_dict["NAME"] = copied["NAME"]


@pytest.fixture(scope="session", autouse=True)
def cache_is_patient() -> None:
    """Let this process wait for a cache that has no CPU; requests would do without it."""
    options: Any = settings.CACHES["default"]["OPTIONS"]
    options.update(SOCKET_CONNECT_TIMEOUT=10, SOCKET_TIMEOUT=10)


@pytest.fixture(scope="session", autouse=True)
def flush_deletes_what_is_there() -> Iterator[None]:
    """Let the flush after a transactional test delete rows, where there are any.

    Truncating all tables after each of a thousand tests would take minutes. The ledger's
    triggers stay as they are in production, and tests attack them; only the flush's own
    transaction runs as a replica does, without triggers and foreign keys. That takes a
    superuser, which the application need not be. What Django would fill anew after each
    flush stays.
    """

    def flush(
        self: DatabaseOperations, style: Any, tables: Any, **options: Any
    ) -> list[str]:
        asked = " UNION ALL ".join(
            f"SELECT '{table}' WHERE EXISTS (SELECT FROM {self.quote_name(table)})"
            for table in set(tables) - _KEPT
        )
        with self.connection.cursor() as cursor:
            cursor.execute(asked)
            filled = [row[0] for row in cursor.fetchall()]
        deletes = [f"DELETE FROM {self.quote_name(table)}" for table in filled]
        return ["SET LOCAL session_replication_role = replica", *deletes]

    with (
        patch.object(DatabaseOperations, "sql_flush", flush),
        patch("django.core.management.commands.flush.emit_post_migrate_signal"),
    ):
        yield


@pytest.fixture(scope="session", autouse=True)
def static_files_are_found_once() -> Iterator[None]:
    """Let each test's client know the static files without looking for them anew."""
    known: dict[str, Any] = {}
    find = WhiteNoiseMiddleware.add_files_from_finders

    def add(self: WhiteNoiseMiddleware) -> None:
        if not known:
            find(self)
            known.update(self.files)
        self.files.update(known)

    with patch.object(WhiteNoiseMiddleware, "add_files_from_finders", add):
        yield


@pytest.fixture(autouse=True)
def empty_cache() -> None:
    """Let no test be limited by the requests of those before it."""
    cache.clear()
    refused_bodies.forget()
