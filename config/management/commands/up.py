"""`manage.py up`: start and supervise all processes of one machine."""

import os
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from argparse import ArgumentParser
from functools import partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand

from config import secret_key
from config.embedded import children, ownership
from config.embedded.children import StartFailed
from config.embedded.postgres import Postgres
from config.embedded.redis import Redis
from config.embedded.speech import Speech
from config.processes.loopback import is_loopback
from config.processes.output import Console
from config.processes.supervisor import Program, Stopped, Supervisor

_PAUSES = (0.2, 1.0)  # seconds until the web is asked again, at first and at most
_PATIENCE = 60.0  # seconds for the web to be ready, before we say what is missing


class Command(BaseCommand):
    """Start the embedded services and all processes of the Procfile; supervise them."""

    help = "Start everything and keep it running until Ctrl-C."
    requires_system_checks: list[str] = []  # `release` runs them, a process later

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add --with-parent."""
        parser.add_argument(
            "--for-make",
            type=Path,
            metavar="FILE",
            help="stop when the make that wrote its process id to FILE deletes it, which "
            "it does when it gets a signal, or when that make is gone",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until a signal, or until something can't be kept running."""
        commands = _commands()
        console = Console(list(commands))
        file = options["for_make"]
        try:
            _run(commands, Supervisor(console, partial(_is_abandoned, file)), console)
        except (StartFailed, OSError) as refusal:  # a full disk, say
            console.say(f"Ozvena stops: {refusal}")
            sys.exit(1)
        except KeyboardInterrupt:  # before the supervisor took over the signals
            sys.exit(130)
        finally:
            if file is not None:
                file.unlink(missing_ok=True)


def _is_abandoned(file: Path | None) -> bool:
    """Return whether the make that started us wants us no more, or is gone."""
    try:
        return file is not None and int(file.read_text()) != os.getppid()
    except OSError:
        return True


def _run(commands: dict[str, str], supervisor: Supervisor, console: Console) -> None:
    home: Path = settings.OZVENA_HOME
    with ownership.owned(home) as lock, _listener() as listener:
        # What processes write is for the account that runs them: mails hold login codes.
        os.umask(os.umask(0) | 0o077)
        if settings.KEEPS_SECRET_KEY:
            secret_key.make(home, "SECRET_KEY")
        if settings.KEEPS_ENCRYPTION_KEYS:
            secret_key.make(home, "ENCRYPTION_KEYS")
        settings.STATIC_ROOT.mkdir(exist_ok=True)
        temporary = home / "tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        environment = _environment(temporary, listener)
        with supervisor.running():
            try:
                for service in _services(home, lock):
                    supervisor.start_service(_service(service))
                supervisor.run(_program("release", commands, environment, lock))
                for name in commands:
                    if name == "web":
                        kept = (lock, listener.fileno())
                        supervisor.start(_program(name, commands, environment, *kept))
                    elif name != "release":
                        supervisor.start(_program(name, commands, environment, lock))
                _await_web(supervisor, console)
                console.say(_welcome())
                while True:
                    supervisor.watch()
            except Stopped:
                listener.close()  # only processes that still answer may listen
                console.say("Stopping; what is being spoken is finished first.")
    console.say("Stopped.")


def _services(home: Path, lock: int) -> list[Postgres | Redis | Speech]:
    services: list[Postgres | Redis | Speech] = [Speech(home, lock)]
    if settings.RUNS_POSTGRES:
        services.append(Postgres(home, lock))
    if settings.RUNS_REDIS:
        services.append(Redis(home, lock))
    return services


def _service(service: Postgres | Redis | Speech) -> Program:
    return Program(
        service.name,
        launch=lambda output: service.launch(),
        is_ready=service.is_ready,
        stop_signal=service.stop_signal,
        stop_timeout=service.stop_timeout,
        log=service.log,
    )


def _commands() -> dict[str, str]:
    """Return the command of each process by its name, in the order of the Procfile."""
    lines = (settings.BASE_DIR / "Procfile").read_text().splitlines()
    pairs = (line.split(":", 1) for line in lines if line.strip())
    return {name.strip(): command.strip() for name, command in pairs}


def _program(
    name: str,
    commands: dict[str, str],
    environment: dict[str, str],
    *inherit: int,
) -> Program:
    def launch(output: int) -> subprocess.Popen[bytes]:
        return children.spawn(
            # The shell fills in variables and is gone.
            ["/bin/sh", "-c", f"exec {commands[name]}"],
            # Work survives this by design, and nothing can be settled without a database.
            on_parent_death=signal.SIGKILL,
            output=output,
            environment=environment,
            directory=settings.BASE_DIR,
            inherit=inherit,
        )

    return Program(name, launch)


def _environment(temporary: Path, listener: socket.socket) -> dict[str, str]:
    """Return the environment of the processes."""
    python = os.path.dirname(sys.executable)  # the environment's, not what it links to
    return os.environ | {
        "PATH": f"{python}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "PYTHONUNBUFFERED": "1",
        "TMPDIR": str(temporary),
        "OZVENA_HOME": str(settings.OZVENA_HOME),
        "OZVENA_LISTEN_FD": str(listener.fileno()),
        "OZVENA_DEVELOPMENT": str(int(_is_for_development())),
        "WEBHOOK_ALLOW_LOOPBACK": str(int(_is_for_development())),
    }


def _is_for_development() -> bool:
    """Return whether only users of this machine can reach the service."""
    if os.environ.get("OZVENA_DEVELOPMENT") and not settings.DEVELOPMENT:
        return False  # turned off on purpose
    behind = urlsplit(settings.BASE_URL).hostname
    return is_loopback(settings.HOST) and is_loopback(behind)


def _listener() -> socket.socket:
    """Return a socket that listens on PORT, so that it is ours while the rest starts.

    Raises:
        StartFailed: the port is in use or not allowed, or HOST is no address.
    """
    if not 0 < settings.PORT < 65536:
        raise StartFailed(f"PORT={settings.PORT} is not a port.")
    address = (settings.HOST, settings.PORT)
    try:
        family = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server(address, family=family, backlog=2048)
    except socket.gaierror as error:
        raise StartFailed(
            f"HOST={settings.HOST} is no address: {error.strerror}."
        ) from error
    except OSError as error:
        raise StartFailed(
            f"can't listen on {settings.HOST}, port {settings.PORT}: "
            f"{os.strerror(error.errno or 0)}. HOST and PORT choose another."
        ) from error


def _await_web(supervisor: Supervisor, console: Console) -> None:
    """Wait until everything is ready; print what is missing if it takes long."""
    patience_ends = time.monotonic() + _PATIENCE
    for path in ("/health", "/health/ready"):
        pause, longest = _PAUSES
        while complaint := _ask(supervisor, path):
            if time.monotonic() > patience_ends:
                console.say(f"Not ready yet: {path} says {complaint}")
                patience_ends += _PATIENCE
            supervisor.pause(pause)
            pause = min(2 * pause, longest)


def _ask(supervisor: Supervisor, path: str) -> str | None:
    """Request a health check while output is printed; return the problem, None if ready."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.HOST, settings.HOST)  # noqa: S104
    connection = HTTPConnection(host, settings.PORT, timeout=5)
    headers = {"Host": urlsplit(settings.BASE_URL).netloc, "Connection": "close"}
    try:
        connection.request("GET", path, headers=headers)
        waiting = connection.sock
        supervisor.wait_until(lambda: bool(select.select([waiting], [], [], 0)[0]), 30)
        answer = connection.getresponse()
        if answer.status == 200:
            return None
        return f"{answer.status} {answer.read(300).decode(errors='replace')}"
    except (OSError, HTTPException) as error:
        return f"nothing ({error})"
    finally:
        connection.close()


def _welcome() -> str:
    """Return the text that explains the next steps to a new operator."""
    lines = ["", f"  Ozvena is ready: {settings.BASE_URL}/", ""]
    if not _is_for_development():
        lines += [
            f"  It listens on {settings.HOST}, port {settings.PORT}, and answers only to",
            f"  {', '.join(settings.ALLOWED_HOSTS)}; ALLOWED_HOSTS and BASE_URL change it.",
            "",
        ]
    command = _manage_command()
    return "\n".join(
        [
            *lines,
            "  To become an operator, in another terminal, with an authenticator app at "
            "hand:",
            f"    {command} createsuperuser --email you@example.com --noinput",
            f"    {command} login_link you@example.com",
            "",
            "  Ctrl-C stops everything.",
            "",
        ]
    )


def _manage_command() -> str:
    """Return the command line of manage.py as this directory's shell understands it."""
    here = Path.cwd()

    def short(path: Path) -> str:
        return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)

    given = [
        f"{name}={shlex.quote(os.environ[name])}"
        for name in ("OZVENA_HOME", "HOST", "PORT", "BASE_URL")
        if os.environ.get(name)
    ]
    python = shlex.quote(short(Path(sys.executable)))
    return " ".join(
        [*given, python, shlex.quote(short(settings.BASE_DIR / "manage.py"))]
    )
