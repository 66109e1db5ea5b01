"""Django's command line; what can't be reached is told at once, in one line."""

import contextlib
import os
import socket
import sys

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import connection
from django.db.utils import OperationalError

from config.embedded import paths

_LASTING = {"dispatch", "speak_scene"}
"""Commands that processes run, and that outlive a restart of the database."""


def run(arguments: list[str]) -> None:
    """Run the command that `sys.argv` names; what it can't do without is told in a line."""
    try:
        if not _LASTING.intersection(arguments[1:2]):
            settings.DATABASES["default"]["ENGINE"] = "config.command_line"
            if _is_ours(arguments):  # connect before a second is spent on loading apps
                connection.ensure_connection()
        execute_from_command_line(arguments)
    except ImproperlyConfigured as error:
        sys.exit(f"Ozvena can't start: {error}")
    except OperationalError as error:
        line = refusal(error)
        if line is None or "--traceback" in arguments:
            raise
        sys.exit(line)


def _is_ours(arguments: list[str]) -> bool:
    """Return whether these run a command of our own that works with the database."""
    name = "".join(arguments[1:2])
    files = settings.BASE_DIR.glob("*/management/commands/*.py")
    return name in {file.stem for file in files} - {"up"} and not (
        {"-h", "--help"} & set(arguments)
    )


def refusal(error: OperationalError) -> str | None:
    """Return what to say if `error` means that there is no database; None for others."""
    state = getattr(error.__cause__, "sqlstate", None)
    if state is not None and not state.startswith("57P"):  # it goes down, or comes up
        return None
    home = settings.OZVENA_HOME
    if not settings.RUNS_POSTGRES:
        database = settings.DATABASES["default"]
        where = f"at {database['HOST'] or 'localhost'}, port {database['PORT'] or 5432}"
        source = "DATABASE_URL"
    elif _is_running():
        where, source = f"in {home}", "OZVENA_HOME"
    else:
        is_set = "" if os.environ.get("OZVENA_HOME") else " is not set"
        return (
            f"Ozvena is not running in {home} (OZVENA_HOME{is_set}). Start it with "
            "`make run`, or set OZVENA_HOME to the home of one that runs."
        )
    reason = str(error).strip().splitlines()[0].rpartition(" failed: ")[2]
    return f"PostgreSQL {where} ({source}) can't be used: {reason}."


def _is_running() -> bool:
    """Return whether the embedded PostgreSQL takes connections."""
    address = paths.socket_directory(settings.OZVENA_HOME) / ".s.PGSQL.5432"
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(address))
        return True
    return False
