"""Keys of an installation that was given none."""

import os
import secrets
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured


def kept_secret_key(home: Path) -> str:
    """Return the signing key kept in `home/secret-key`, made at first use."""
    return _kept(home / "secret-key", lambda: secrets.token_urlsafe(50))


def kept_encryption_keys(home: Path) -> str:
    """Return the key kept in `home/encryption-keys`, as ENCRYPTION_KEYS has it."""
    return _kept(
        home / "encryption-keys",
        lambda: f"local:{b64encode(secrets.token_bytes(32)).decode()}",
    )


def _kept(file: Path, make: Callable[[], str]) -> str:
    """Return what `file` holds, written at first use.

    Processes that start at the same time agree on one key: it is written aside and
    linked into place, and the first link wins.

    Raises:
        ImproperlyConfigured: the directory can't be used.
    """
    try:
        if not file.exists():
            _write(file, make())
        return file.read_text()
    except OSError as error:
        raise ImproperlyConfigured(
            f"OZVENA_HOME={file.parent} can't be used: {error.strerror}."
        ) from error


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}-{os.getpid()}")
    draft.touch(mode=0o600)
    try:
        with draft.open("w") as output:
            output.write(text)
            output.flush()
            os.fsync(output.fileno())  # what it encrypts is lost with it
        os.link(draft, file)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
