"""`manage.py postgres PROGRAM …`: PostgreSQL's own programs, on the database in use."""

import argparse
import os
import shutil
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db.backends.postgresql.client import DatabaseClient

from config.embedded.children import StartFailed
from config.embedded.postgres import binary


class Command(BaseCommand):
    """Become a client of PostgreSQL that knows where the database is.

    Its programs come with the embedded server; without that, they are those on PATH.
    """

    help = "Run pg_dump, pg_restore, psql or another program on the database in use."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("program", help="such as pg_dump")
        parser.add_argument(
            "arguments", nargs=argparse.REMAINDER, help="of the program, as they are"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the command."""
        program = _path(options["program"])
        arguments = [program, *options["arguments"]]
        os.execve(program, arguments, os.environ | _access())  # noqa: S606 - no shell


def _path(name: str) -> str:
    """Return the path of a program.

    Raises:
        CommandError: there is none.
    """
    try:
        path = shutil.which(binary(name)) or shutil.which(name)
    except StartFailed:
        path = shutil.which(name)
    if path is None:
        raise CommandError(
            f"There is no {name} among PostgreSQL's programs, or on PATH."
        )
    return path


def _access() -> dict[str, str]:
    """Return the variables by which libpq finds the database (PostgreSQL §32.15)."""
    database = settings.DATABASES["default"]
    _, secrets = DatabaseClient.settings_to_cmd_args_env(database, [])
    named = {
        "PGHOST": database["HOST"],
        "PGPORT": database["PORT"],
        "PGUSER": database["USER"],
        "PGDATABASE": database["NAME"],
    }
    return {name: str(value) for name, value in named.items() if value} | (
        secrets or {}
    )
