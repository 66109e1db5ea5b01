"""The catalogue of all providers that there are, as `catalogue.sync` writes it."""

from unittest.mock import patch

from django.db import connection

from providers.catalogue import sync
from providers.contract import registry

_TABLES = ("providers_provider", "providers_voice")
_PROVIDERS = dict(registry.ADAPTERS)
_written: dict[str, bytes] = {}


def fill() -> None:
    """Write the rows that `sync` wrote the first time, in a tenth of its time."""
    with connection.cursor() as cursor:
        for table, rows in _written.items():
            with cursor.copy(f"COPY {table} FROM STDIN") as copy:
                copy.write(rows)
        if not _written:
            with patch.dict(registry.ADAPTERS, _PROVIDERS, clear=True):
                sync.sync()
            for table in _TABLES:
                with cursor.copy(f"COPY {table} TO STDOUT") as copy:
                    _written[table] = b"".join(map(bytes, copy))
